// `npm run bench [-- ROW… --pairs N --json --gate]`: what enid promises of its speed, each as a ratio to
// what people would use instead, measured in turns on this machine. Prints a table, or one JSON
// document; ends with 1 where a goal is missed or a row fails, with 2 for a wrong command line.
// `--gate`: the rows that have a part in it, shortened, held against what gates them (test/bench).
//
//   rows/NAME.ts ─▶ a stage of its own ─▶ figures ─▶ table

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Circumstances, circumstances, isAllMet, type Outcome, table } from './report.ts'
import type { Row } from './row.ts'
import { onStage, PAIRS } from './stage.ts'

const FOLDER = join(import.meta.dirname, 'rows')

const names = (): string[] =>
  readdirSync(FOLDER)
    .map((file) => file.replace(/\.ts$/, ''))
    .sort()

type Asked = {
  readonly rows: readonly string[]
  readonly pairs: number | undefined
  readonly json: boolean
  readonly by: 'goal' | 'gate'
}

/** What is asked for. Throws, with what there is, where a row is not known. */
function read(argv: string[]): Asked {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      pairs: { type: 'string' },
      json: { type: 'boolean', default: false },
      gate: { type: 'boolean', default: false },
    },
  })
  const known = names()
  const unknown = positionals.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`no row is named ${unknown}: ${known.join(', ')}`)
  const pairs = values.pairs === undefined ? undefined : Number(values.pairs)
  if (pairs !== undefined && !(Number.isInteger(pairs) && pairs >= 1 && pairs <= 100_000)) {
    throw new Error(`--pairs is "${values.pairs}", but must be a whole number from 1 to 100000`)
  }
  const rows = positionals.length === 0 ? known : positionals
  return { rows, pairs, json: values.json, by: values.gate ? 'gate' : 'goal' }
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)))
}

const load = async (name: string): Promise<Row> =>
  ((await import(join(FOLDER, `${name}.ts`))) as { row: Row }).row

async function perform(name: string, row: Row, pairs: number): Promise<Outcome> {
  const { signal } = interrupted
  const startedAt = performance.now()
  const tell = (text: string) => process.stderr.write(`${name}: ${text}\n`)
  tell(`${row.what} (about ${row.minutes} min with ${PAIRS} pairs)`)
  const seconds = () => Math.round((performance.now() - startedAt) / 1000)
  try {
    const figures = await onStage({ pairs, signal, tell }, (stage) => row.run(stage))
    return { name, what: row.what, seconds: seconds(), figures }
  } catch (error) {
    const { message } = error as Error
    tell(message)
    return { name, what: row.what, seconds: seconds(), figures: [], error: message }
  }
}

async function main(argv: string[]): Promise<number> {
  const { rows, pairs, json, by } = read(argv)
  const command = ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' ')
  const where: Circumstances = circumstances(command)
  const outcomes: Outcome[] = []
  for (const name of rows) {
    if (interrupted.signal.aborted) break
    const row = await load(name)
    if (by === 'gate' && row.gatePairs === undefined) continue
    const most = by === 'gate' ? row.gatePairs : PAIRS
    outcomes.push(await perform(name, row, pairs ?? most ?? PAIRS))
  }
  if (json) console.log(JSON.stringify({ ...where, rows: outcomes }, undefined, 2))
  else for (const line of table(outcomes, where, by)) console.log(line)
  return isAllMet(outcomes, by) && !interrupted.signal.aborted ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`)
  return 2
})
