// What was measured, for eyes and for programs: the rows with their figures, and under which
// circumstances, without which a figure says nothing.

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { ROOT } from '../scripts/suites.ts'
import { short } from './pairs.ts'
import { type Figure, isMet } from './row.ts'

/** Where and when, as it was before the first row. */
export type Circumstances = {
  readonly date: string
  readonly command: string
  /** `+` behind it: with changes that are in no commit. */
  readonly commit: string
  readonly machine: string
  readonly kernel: string
  readonly node: string
  /** Of the last one, five and fifteen minutes. */
  readonly load: readonly number[]
}

/** One row that was run: its figures, or why there are none. */
export type Outcome = {
  readonly name: string
  readonly what: string
  readonly seconds: number
  readonly figures: readonly Figure[]
  readonly error?: string
}

export function circumstances(command: string): Circumstances {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' }).trim()
  const changes = git('status', '--porcelain') === '' ? '' : '+'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return {
    date: new Date().toISOString(),
    command,
    commit: `${git('rev-parse', '--short', 'HEAD')}${changes}`,
    machine: `${availableParallelism()} × ${cpus()[0]?.model}, ${memory}`,
    kernel: release(),
    node: process.version,
    load: loadavg().map((each) => Number(each.toFixed(1))),
  }
}

/** Whether every goal of every row was met, and every row came to its end. */
export const isAllMet = (outcomes: readonly Outcome[]): boolean =>
  outcomes.every(({ error, figures }) => error === undefined && figures.every(isMet))

/** The table, line by line. */
export function table(outcomes: readonly Outcome[], where: Circumstances): string[] {
  const cells = outcomes.flatMap(({ name, figures, error }) =>
    error === undefined
      ? figures.map((figure) => cellsOf(name, figure))
      : [[name, 'did not come to its end', '', '', '**not met**', error]],
  )
  const head = ['row', 'figure', 'goal', 'measured', '', 'raw']
  const all = [head, ...cells]
  const widths = head.map((_, n) => Math.max(...all.map((line) => line[n]?.length ?? 0)))
  const lines = all.map((line) =>
    line
      .map((cell, n) =>
        n === 5 ? cell : n === 3 ? cell.padStart(widths[n] ?? 0) : cell.padEnd(widths[n] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const { machine, kernel, node, commit, load, command, date } = where
  return [
    ...lines,
    '',
    `${machine}, Linux ${kernel}, Node ${node}, commit ${commit}, load ${load.join(' ')} before`,
    `${command}, ${date}`,
  ]
}

function cellsOf(name: string, figure: Figure): string[] {
  const { what, value, unit, goal, raw = '' } = figure
  const verdict = goal === undefined ? '' : isMet(figure) ? 'met' : '**not met**'
  const measured = unit === undefined ? short(value) : `${short(value)} ${unit}`
  return [name, what, goalText(figure), measured, verdict, raw]
}

function goalText({ goal, unit }: Figure): string {
  if (goal === undefined) return ''
  const text = 'most' in goal ? `≤ ${goal.most}` : `≥ ${goal.least}`
  return unit === undefined ? text : `${text} ${unit}`
}
