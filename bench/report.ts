// What was measured, for eyes and for programs: the rows with their figures, and under which
// circumstances, without which a figure says nothing.

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { ROOT } from '../scripts/suites.ts'
import { short } from './pairs.ts'
import { type Figure, type Goal, isMet } from './row.ts'

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
  /** Whether others had more than half a core: what the clock says is then no result. */
  readonly isBusy: boolean
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
    isBusy: (loadavg()[0] ?? 0) > 0.5,
  }
}

/** Whether every row came to its end and every goal of its figures was met: or what gates them. */
export const isAllMet = (outcomes: readonly Outcome[], by: 'goal' | 'gate'): boolean =>
  outcomes.every(
    ({ error, figures }) =>
      error === undefined && figures.every((figure) => isMet(figure.value, figure[by])),
  )

/** The table, line by line, with the goals, or with what gates the figures. */
export function table(
  outcomes: readonly Outcome[],
  where: Circumstances,
  by: 'goal' | 'gate',
): string[] {
  const cells = outcomes.flatMap(({ name, figures, error }) =>
    error === undefined
      ? figures.map((figure) => cellsOf(name, figure, by))
      : [[name, 'did not come to its end', '', '', '**not met**', error]],
  )
  const head = ['row', 'figure', by, 'measured', '', 'raw']
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
  const { machine, kernel, node, commit, load, isBusy, command, date } = where
  const busy = isBusy ? ': a busy machine, its times by the clock are no results' : ''
  return [
    ...lines,
    '',
    `${machine}, Linux ${kernel}, Node ${node}, commit ${commit}, load ${load.join(' ')} before${busy}`,
    `${command}, ${date}`,
  ]
}

function cellsOf(name: string, figure: Figure, by: 'goal' | 'gate'): string[] {
  const { what, value, unit, raw = '' } = figure
  const goal = figure[by]
  const verdict = goal === undefined ? '' : isMet(value, goal) ? 'met' : '**not met**'
  const inUnit = (text: string): string => (unit === undefined ? text : `${text} ${unit}`)
  return [
    name,
    what,
    goal === undefined ? '' : inUnit(inWords(goal)),
    inUnit(short(value)),
    verdict,
    raw,
  ]
}

const inWords = (goal: Goal): string => ('most' in goal ? `≤ ${goal.most}` : `≥ ${goal.least}`)
