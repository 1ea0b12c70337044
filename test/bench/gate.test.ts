// Goal: a change that makes a task's start, its link or its packets slower fails here. Method: the rows
// of `npm run bench` that are stable, shortened, as `npm run bench -- --gate` runs them; each figure is
// a ratio of two sides measured in turns in this run, and is held against its own margin, which is in
// the row and explained in bench/README.md. A busy machine slows both sides.

import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { Outcome } from '../../bench/report.ts'
import { isMet } from '../../bench/row.ts'
import { program } from '../../scripts/demo/program.ts'

/** A minute and a half on a quiet machine. */
const LATE_MS = 450_000

let rows: readonly Outcome[] = []

beforeAll(async () => {
  const main = join(import.meta.dirname, '../../bench/main.ts')
  const ended = await program(process.execPath, [main, '--gate', '--json'], { timeoutMs: LATE_MS })
  if (!ended.stdout.startsWith('{')) throw new Error(`no figures came: ${ended.stderr}`)
  rows = (JSON.parse(ended.stdout) as { rows: Outcome[] }).rows
  // What it measured stands in the report of the run, whether it passes or not.
  for (const { name, figures } of rows) {
    for (const { what, value, raw } of figures) console.log(name, what, value, raw)
  }
}, LATE_MS)

// P491
test('every row of the gate comes to its end and has figures that it is held against', () => {
  const names = rows.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['link', 'packets', 'warm']))
  for (const { name, error, figures } of rows) {
    expect(error, name).toBeUndefined()
    expect(figures.filter(({ gate }) => gate !== undefined).length, name).toBeGreaterThan(0)
  }
})

// P491
test('the start of a task, its link and its packets are no slower beside others than they were', () => {
  const beyond = rows.flatMap(({ name, figures }) =>
    figures
      .filter(({ value, gate }) => !isMet(value, gate))
      .map(({ what, value, gate, raw }) => ({ name, what, value, gate, raw })),
  )
  expect(beyond).toEqual([])
})
