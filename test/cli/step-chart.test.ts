// Goal: the bars of `enid describe` say when each step was and how long it took, within the terminal's
// width. Method: charts of steps written down here, read back character by character.

import { expect, test } from 'vitest'
import { stepChart } from '../../cli/step-chart.ts'
import type { StepView, TaskDetail } from '../../cli/task-view.ts'

const createdAt = '2026-11-27T10:00:00.000Z'
const NOW = Date.parse(createdAt) + 2000

const step = (name: string, afterMs: number, durationMs?: number, more = {}): StepView => {
  const [verb = '', row = ''] = name.split(' ')
  const took = durationMs === undefined ? {} : { durationMs }
  return { verb, row, attempts: 1, afterMs, ...took, ...more }
}
const chart = (steps: StepView[], change: Partial<TaskDetail> = {}, columns = 80): string => {
  const task = { steps, waiting: [], createdAt, lastStatus: 'RUNNING', ...change }
  return stepChart(task, { now: NOW, columns })
}
/** Where the bar of a step begins and how long it is, in parts of the scale; and its characters. */
function bar(text: string, name: string) {
  const line = text.split('\n').find((each) => each.startsWith(name)) ?? expect.fail(text)
  const drawn = line.slice(line.indexOf('|') + 1, line.lastIndexOf('|'))
  const ink = drawn.trim()
  return { from: drawn.indexOf(ink) / drawn.length, part: ink.length / drawn.length, ink }
}

const climb = [
  step('ensure eni:0', 0, 500),
  step('ensure image:web', 0, 1000),
  step('ensure attachment:0', 500, 450),
  step('ensure container:web', 1000, 1000),
]

// P496
test('each bar begins and ends where its step did, on one scale', () => {
  const text = chart(climb)
  expect(text.split('\n')[0]).toMatch(/^STEP +AT +TOOK {2}\|0 ms +2\.0 s\|$/)
  for (const { verb, row, afterMs, durationMs = 0 } of climb) {
    const { from, part, ink } = bar(text, `${verb} ${row}`)
    expect(Math.abs(from - afterMs / 2000), row).toBeLessThan(0.05)
    expect(Math.abs(part - durationMs / 2000), row).toBeLessThan(0.08)
    expect(ink).toMatch(/^#+$/)
  }
  expect(text).toMatch(/^ensure attachment:0 +500 ms +450 ms {2}\|/m)
})

// P496
test.each([60, 80, 132])('nothing is wider than %i columns, however long a name is', (columns) => {
  const long = step(`ensure container:${'name'.repeat(60)}`, 1000, 500)
  const lines = chart([...climb, long], {}, columns).split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBe(columns)
  expect(lines.at(-1)).toContain('…')
  for (const line of lines) expect(line.slice(line.indexOf('|')).length).toBeGreaterThan(17)
})

test('it is plain characters: no colour, no tabs', () => {
  const text = chart([...climb, step('ensure link:0', 1500, 100, { gaveUp: true, failure: 'X' })])
  expect(text).toMatch(/^[ -~\n]+$/)
})

// P496
test('what a step waited is drawn as waiting, with its retries', () => {
  const waited = { retries: 2, waitedMs: 600 }
  const text = chart([step('ensure eni:0', 0, 100), step('ensure link:0', 0, 1000, waited)])
  const { ink } = bar(text, 'ensure link:0')
  expect(ink).toMatch(/^\.+#+$/)
  expect(ink.indexOf('#') / ink.length).toBeCloseTo(0.6, 1)
  expect(text).toContain('\n    2 retries, waited 600 ms\n')
  expect(text).toContain('\n\n# at work   . waiting')
})

// P496
test('a step that failed is marked with its code, one that a stop cut short as that', () => {
  const failed = step('ensure attachment:0', 500, 900, { gaveUp: true, failure: 'NoSlot' })
  const cutShort = step('ensure image:web', 0, 1400, { gaveUp: true })
  const text = chart([cutShort, failed, step('release eni:0', 1450, 100)])
  expect(bar(text, 'ensure attachment:0').ink).toMatch(/^#+!$/)
  expect(text).toContain('|\n    failed: NoSlot\n')
  expect(bar(text, 'ensure image:web').ink).toMatch(/^#+x$/)
  expect(bar(text, 'release eni:0').ink).toMatch(/^#+$/)
})

// P496
test('one that is under way goes on until now, with what it waits for', () => {
  const wait = { code: 'EniDetaching', reason: '', attempt: 3, nextTryAt: createdAt }
  const waiting = [{ row: 'eni:0', verb: 'release', ...wait }]
  const text = chart([step('ensure eni:0', 0, 100), step('release eni:0', 500)], { waiting })
  const { from, part, ink } = bar(text, 'release eni:0')
  expect([ink.endsWith('#>'), from + part]).toEqual([true, 1])
  expect(text).toContain('\n    waits for its next try: EniDetaching\n')
})

// P496
test('what is far apart in time has charts of its own, each on its own scale; of many the ends', () => {
  const repairs = [1, 2, 3, 4, 5, 6].map((n) => step('ensure link:0', n * 60_000, 40))
  const text = chart([...climb, ...repairs, step('release link:0', 3_600_000, 5)])
  const charts = text.split('\n\n')
  expect(charts).toHaveLength(6)
  expect(charts[2]).toBe('… and 3 more between them: --json has every step')
  expect(charts[5]).toMatch(/^STEP +\+AT +TOOK {2}\|60 min +60 min\|\nrelease link:0 +0 ms +5 ms/)
  expect(bar(charts[1] ?? '', 'ensure link:0').part).toBe(1)
})

test('a task without steps has no chart', () => expect(chart([])).toBe(''))
