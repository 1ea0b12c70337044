// Goal: what `npm run bench` says of its samples is so, and a figure beyond its goal fails the run.
// Method: samples of known medians and ratios; sides that note when they are called.

import { describe, expect, test } from 'vitest'
import { alternate, compare, median, quantile } from '../../bench/pairs.ts'
import { type Circumstances, isAllMet, table } from '../../bench/report.ts'
import { isMet } from '../../bench/row.ts'

describe('samples', () => {
  // P492
  test('are taken in turns: each side first, last, and after each other equally often', async () => {
    const calls: string[] = []
    const side = (name: string) => async () => calls.push(name)
    const sides = { a: side('a'), b: side('b'), c: side('c') }
    const samples = await alternate(sides, 12, { warmUp: 0 })
    const turns = Array.from({ length: 12 }, (_, n) => calls.slice(3 * n, 3 * n + 3).join(''))
    for (const turn of turns) expect([...turn].sort().join('')).toBe('abc')
    for (const at of [0, 1, 2]) {
      for (const name of 'abc') expect(turns.filter((turn) => turn[at] === name)).toHaveLength(4)
    }
    for (const [one, other] of ['ab', 'bc', 'ca']) {
      const count = (pair: string) => turns.filter((turn) => turn.includes(pair)).length
      expect(count(`${one}${other}`)).toBe(count(`${other}${one}`))
    }
    expect(samples.a).toHaveLength(12)
  })

  // P492
  test('of the first turns do not count', async () => {
    let n = 0
    const { a } = await alternate({ a: async () => n++ }, 3, { warmUp: 2 })
    expect(a).toEqual([2, 3, 4])
  })

  test.each([
    [[3, 1, 2], 2, 3],
    [[4, 1, 2, 3], 2.5, 4],
    [Array.from({ length: 100 }, (_, n) => n + 1), 50.5, 95],
    [[], Number.NaN, Number.NaN],
  ])('of %j have the median %d and the 95th percentile %d', (figures, half, high) => {
    expect(median(figures)).toBe(half)
    expect(quantile(figures, 0.95)).toBe(high)
  })

  // P492
  test('are compared by the ratio of the medians and of the 95th percentiles, raw numbers beside', () => {
    const figures = compare([2, 1, 9], [4, 8, 4], {
      what: 'a ÷ b',
      a: 'a',
      b: 'b',
      p50: { most: 1 },
    })
    expect(figures).toMatchObject([
      {
        what: 'a ÷ b: p50',
        value: 0.5,
        goal: { most: 1 },
        raw: 'a: p50 2 ms, p95 9 ms; b: p50 4 ms, p95 8 ms',
      },
      { what: 'a ÷ b: p95', value: 9 / 8 },
    ])
    expect(figures[1]?.raw).toBe('3 pairs, pair by pair: 5 % below 0.125, half 0.5, 95 % 2.25')
  })
})

describe('the run', () => {
  const where: Circumstances = {
    ...{ date: 'today', command: 'npm run bench', commit: 'abc+', machine: '2 × some' },
    ...{ kernel: '6', node: 'v24', load: [1, 2, 3], isBusy: true },
  }
  const row = { name: 'link', what: '', seconds: 1 }
  const figure = { what: 'it', value: 0.8, goal: { most: 0.7 }, gate: { most: 1 } }

  // P493
  test('fails where a goal is missed, a gate where that is, and both where a row did not end', () => {
    const missed = [{ ...row, figures: [figure] }]
    expect([isAllMet(missed, 'goal'), isAllMet(missed, 'gate')]).toEqual([false, true])
    const slower = [{ ...row, figures: [{ ...figure, value: 1.1 }] }]
    expect(isAllMet(slower, 'gate')).toBe(false)
    const broken = [{ ...row, figures: [], error: 'no card' }]
    expect([isAllMet(broken, 'goal'), isAllMet(broken, 'gate')]).toEqual([false, false])
  })

  // P493
  test('takes no figure that is none for one that is met', () => {
    expect(isMet(Number.NaN, { most: 1 })).toBe(false)
    expect(isMet(Number.NaN, { least: 1 })).toBe(false)
    expect([isMet(1, { least: 1 }), isMet(1, { most: 1 }), isMet(2, undefined)]).toEqual([
      true,
      true,
      true,
    ])
  })

  // P493
  test('is a table that says what was not met, and on what machine, kernel, commit and load', () => {
    const lines = table([{ ...row, figures: [figure] }], where, 'goal').join('\n')
    expect(lines).toMatch(/link +it +≤ 0\.7 +0\.8 +\*\*not met\*\*/)
    expect(lines).toContain(
      '2 × some, Linux 6, Node v24, commit abc+, load 1 2 3 before: a busy machine',
    )
    const broken = table([{ ...row, figures: [], error: 'no card' }], where, 'goal').join('\n')
    expect(broken).toMatch(/link +did not come to its end +\*\*not met\*\* +no card/)
  })
})
