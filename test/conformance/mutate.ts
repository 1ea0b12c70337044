// Puts a bug into a copy of the lab and has the suite look at it: the cases that are said to catch it
// must fail, each of them. A mutant whose anchor no longer matches is an error, not a survivor.

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { examine, REPOSITORY } from './conformance.ts'
import { ROWS } from './rows/rows.ts'
import { casesOf } from './run-rows.ts'

/** A text of a file of the lab, there exactly once, and what stands in its place. */
export type Patch = { readonly file: string; readonly find: string; readonly put: string }

/** A bug that can be put into the lab. */
export type Mutant = {
  readonly name: string
  /** Which of the bugs that other emulators shipped it is, as cases are called: `bug-8`. */
  readonly bug?: string
  readonly patches: readonly Patch[]
  /** The ids of the rows that catch it (`/v4` or `/v6` behind one means that version alone). */
  readonly caughtBy: readonly string[]
}

/** Whether it was caught, and by what. */
export type MutantResult = { readonly name: string; readonly caught: boolean; readonly how: string }

/** The lab's own proof at its start would refuse the worst of them: here the suite is on trial. */
const NO_PROOF: Patch = {
  file: 'lab/fabric/prove.ts',
  find: 'if (leaked.length > 0 || missing.length > 0) {',
  put: 'if (leaked.length < 0) {',
}

/** Here most of what must come will not: that is what a bug is. */
const PATIENCE_MS = 3000

/** Runs each mutant, told of each as it ends. */
export async function runMutants(
  mutants: readonly Mutant[],
  onResult: (result: MutantResult) => void = () => {},
): Promise<MutantResult[]> {
  const results: MutantResult[] = []
  for (const mutant of mutants) {
    const result = await runMutant(mutant)
    results.push(result)
    onResult(result)
  }
  return results
}

/** The cases that are to catch a mutant; throws where a name is none. */
export function catchersOf({ name, caughtBy }: Mutant): string[] {
  const known = casesOf(ROWS).map((each) => each.name)
  return caughtBy.flatMap((id) => {
    const found = known.filter((each) => each === id || each.startsWith(`${id}/`))
    if (found.length === 0) throw new Error(`mutant '${name}': there is no case ${id}`)
    return found
  })
}

async function runMutant(mutant: Mutant): Promise<MutantResult> {
  const names = catchersOf(mutant)
  const tree = mutatedTree(mutant) // Throws where an anchor is gone: that is no survivor, and no result.
  try {
    const { cases } = await examine({ names, tree, seed: 0, probes: 0, patienceMs: PATIENCE_MS })
    const passed = cases.filter(({ failure }) => failure === undefined).map((each) => each.name)
    const caught = cases.length === names.length && passed.length === 0
    const first = cases.find(({ failure }) => failure !== undefined)
    const how = caught
      ? `${names.join(', ')} (${first?.failure?.split('; ')[0]})`
      : `not by ${passed.join(', ')}`
    return { name: mutant.name, caught, how }
  } catch (error) {
    return { name: mutant.name, caught: false, how: `it did not run: ${String(error)}` }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** The files that a mutant changes, as it leaves them; throws where an anchor is not there just once. */
export function mutatedFiles({ name, patches }: Mutant): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { file, find, put } of [NO_PROOF, ...patches]) {
    const text = files.get(file) ?? readFileSync(join(REPOSITORY, file), 'utf8')
    const count = text.split(find).length - 1
    if (count !== 1) {
      throw new Error(`mutant '${name}': its anchor is ${count} times in ${file}: ${find}`)
    }
    files.set(
      file,
      text.replace(find, () => put),
    )
  }
  return files
}

/** A checkout with the lab in it and little else, broken as the mutant says. The caller removes it. */
function mutatedTree(mutant: Mutant): string {
  const files = mutatedFiles(mutant)
  const tree = mkdtempSync(join(tmpdir(), 'enid-mutant-'))
  for (const part of ['lab', 'test/net/lab-child.ts', 'package.json']) {
    mkdirSync(dirname(join(tree, part)), { recursive: true })
    cpSync(join(REPOSITORY, part), join(tree, part), { recursive: true })
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(tree, 'node_modules'))
  for (const [file, text] of files) writeFileSync(join(tree, file), text)
  return tree
}
