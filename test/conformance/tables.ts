// The tables that the suite prints and docs/lab.md has: what is covered, and what is refused. Pure.

import { REFUSED } from './refusals.ts'
import { ROWS } from './rows/rows.ts'
import { type CaseResult, casesOf } from './run-rows.ts'

/** The areas, in the order of their first rows, each with its number of cases. */
export function areas(): { area: string; cases: number }[] {
  const counts = new Map<string, number>()
  for (const { row } of casesOf(ROWS)) counts.set(row.area, (counts.get(row.area) ?? 0) + 1)
  return [...counts].map(([area, cases]) => ({ area, cases }))
}

/** docs/lab.md's lines of what is covered. */
export const coveredLines = (): string[] =>
  areas().map(({ area, cases }) => `| ${area} | ${cases} |`)

/** docs/lab.md's lines of what is refused. */
export const refusedLines = (): string[] =>
  REFUSED.map(({ what, call, code }) => `| ${what} | ${call} | ${code} |`)

/** What a run covered, by area, for people. */
export function coveredTable(results: readonly CaseResult[]): string {
  const rows = areas().flatMap(({ area }) => {
    const mine = results.filter((result) => result.area === area)
    if (mine.length === 0) return []
    const [failed, probes] = [mine.filter(({ failure }) => failure !== undefined), sum(mine)]
    return [[area, String(mine.length), String(probes), String(failed.length)]]
  })
  return columns([['AREA', 'CASES', 'PROBES', 'FAILED'], ...rows])
}

/** What a run saw refused, for people. */
export const refusedTable = (rows: readonly { what: string; call: string; code: string }[]) =>
  columns([['REFUSED BY NAME', 'CALL', 'CODE'], ...rows.map((r) => [r.what, r.call, r.code])])

const sum = (results: readonly CaseResult[]): number =>
  results.reduce((total, { probes }) => total + probes, 0)

/** Texts in columns, two blanks apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
