// The list of suites, read from the table in test/README.md: the one place where a suite's minutes
// and needs stand. A test file that no row covers is an error, so no suite is ever forgotten.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A row of the table. */
export type Suite = {
  /** A folder or a file: `test/net`, `test/tidy.test.ts`. */
  readonly path: string
  /** What the suite may take, wall clock, on two cores. */
  readonly minutes: number
  /** `nothing`, or what has to be there: `root`, `docker`, … */
  readonly needs: string
}

export const ROOT = join(import.meta.dirname, '..')

/** All suites, in the table's order. Throws where the table and the files do not agree. */
export function readSuites(): Suite[] {
  const text = readFileSync(join(ROOT, 'test', 'README.md'), 'utf8')
  const rows = text.matchAll(/^\| `(test\/[^`]+)` \| ([\d.]+) \| ([^|]+?) \|/gm)
  const suites = [...rows].map(([, path = '', minutes = '', needs = '']) => ({
    path,
    minutes: Number(minutes),
    needs,
  }))
  const covers = (file: string) =>
    suites.some(({ path }) => file === path || file.startsWith(`${path}/`))
  const stray = globSync('test/**/*.test.ts', { cwd: ROOT }).filter((file) => !covers(file))
  if (stray.length > 0) {
    throw new Error(
      `${stray.join(', ')}: no row of the table in test/README.md covers it. Add one.`,
    )
  }
  return suites
}

/** The files of a suite. */
export const filesOf = ({ path }: Suite): string[] =>
  path.endsWith('.ts') ? [path] : globSync(`${path}/**/*.test.ts`, { cwd: ROOT }).sort()
