// Goal: the lab's packets do what AWS documents, case by case and for made-up worlds; and the
// documents say what is covered and what is refused. Method: the suite itself, as anybody runs it.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { examine, REPOSITORY, type Report } from './conformance.ts'
import { MUTANTS } from './mutants.ts'
import { catchersOf, mutatedFiles } from './mutate.ts'
import { missing } from './property/property.ts'
import { ROWS } from './rows/rows.ts'
import { casesOf } from './run-rows.ts'
import { areas, coveredLines, refusedLines } from './tables.ts'

const seed = Number(process.env.CONFORMANCE_SEED ?? Math.floor(Math.random() * 2 ** 31))
let report: Report

beforeAll(async () => {
  report = await examine({ seed, probes: 2000 })
}, 300_000)

describe('the lab', () => {
  // P280
  test.each(areas())('does what AWS documents: $area, $cases cases', ({ area, cases }) => {
    const mine = report.cases.filter((result) => result.area === area)
    expect(mine.filter(({ failure }) => failure !== undefined)).toEqual([])
    expect(mine).toHaveLength(cases)
  })

  // P281, P330
  test('agrees with the documentation’s model on two thousand random probes', () => {
    const { property } = report
    expect(property?.counterexample, `CONFORMANCE_SEED=${seed}`).toBeUndefined()
    expect(property?.probes).toBeGreaterThanOrEqual(2000)
    // Worlds in which everything is dropped, or goes straight, would agree with a model that says so.
    expect(missing(property?.verdicts ?? {}), `seed ${seed}`).toEqual([])
  })

  // P331
  test('is asked every case: its own Internet has the host outside that some need', () => {
    expect(report.notAsked).toEqual([])
  })

  // P282
  test('refuses by name what it does not do', () => {
    expect(report.refusals.filter(({ failure }) => failure !== undefined)).toEqual([])
    expect(report.refusals.length).toBeGreaterThan(0)
  })

  test('takes down what it was asked to make', () => {
    expect(report.trouble).toEqual([])
  })
})

describe('the rows', () => {
  test('are two hundred cases at least, each with its own name, reason and document', () => {
    const ids = ROWS.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(casesOf(ROWS).length).toBeGreaterThanOrEqual(200)
    const bare = ROWS.filter(({ why, doc }) => why.length < 10 || !/^https:\/\/\S+$/.test(doc))
    expect(bare.map(({ id }) => id)).toEqual([])
  })

  test('hold each bug of the other emulators', () => {
    for (let bug = 1; bug <= 13; bug++) {
      expect(
        ROWS.some(({ id }) => id.startsWith(`bug-${bug}-`)),
        `bug ${bug}`,
      ).toBe(true)
      expect(
        MUTANTS.some((mutant) => mutant.bug === `bug-${bug}`),
        `mutant of ${bug}`,
      ).toBe(true)
    }
  })

  // P332
  test('are named by mutants whose anchors still match', () => {
    for (const mutant of MUTANTS) {
      expect(catchersOf(mutant).length, mutant.name).toBeGreaterThan(0)
      expect(mutatedFiles(mutant).size, mutant.name).toBeGreaterThan(0)
    }
  })
})

describe('docs/lab.md', () => {
  const text = readFileSync(join(REPOSITORY, 'docs/lab.md'), 'utf8')
  const section = text.split('\n## Conformance\n')[1]?.split('\n## ')[0] ?? ''
  const linesWith = (columns: number): string[] =>
    section
      .split('\n')
      .filter((line) => line.startsWith('| ') && line.split('|').length === columns + 2)

  // P283
  test('has the table of what is covered', () => {
    expect(linesWith(2).slice(1)).toEqual(coveredLines())
  })

  // P283
  test('has the table of what is refused', () => {
    expect(linesWith(3).slice(1)).toEqual(refusedLines())
  })
})
