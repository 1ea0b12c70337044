// `npm run bench [-- ROW… --pairs N --json]`: what issue 6 promises of enid's speed, each as a ratio to
// what people would use instead, measured in turns on this machine. Prints a table, or one JSON
// document; ends with 1 where a goal is missed or a row fails, with 2 for a wrong command line.
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

/** The rows that are asked for. Throws, with what there is, where one is not known. */
function read(argv: string[]): { rows: string[]; pairs: number; json: boolean } {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { pairs: { type: 'string', default: String(PAIRS) }, json: { type: 'boolean' } },
  })
  const known = names()
  const unknown = positionals.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`no row is named ${unknown}: ${known.join(', ')}`)
  const pairs = Number(values.pairs)
  if (!Number.isInteger(pairs) || pairs < 1 || pairs > 100_000) {
    throw new Error(`--pairs is "${values.pairs}", but must be a whole number from 1 to 100000`)
  }
  const rows = positionals.length === 0 ? known : positionals
  return { rows, pairs, json: values.json === true }
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)))
}

async function perform(name: string, pairs: number): Promise<Outcome> {
  const { row } = (await import(join(FOLDER, `${name}.ts`))) as { row: Row }
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
  const { rows, pairs, json } = read(argv)
  const where: Circumstances = circumstances(
    ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '),
  )
  const outcomes: Outcome[] = []
  for (const name of rows) {
    if (!interrupted.signal.aborted) outcomes.push(await perform(name, pairs))
  }
  if (json) console.log(JSON.stringify({ ...where, rows: outcomes }, undefined, 2))
  else for (const line of table(outcomes, where)) console.log(line)
  return isAllMet(outcomes) && !interrupted.signal.aborted ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`)
  return 2
})
