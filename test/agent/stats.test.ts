// Goal: a container's statistics tell what was used since the sample before, as ECS's do, whoever asks
// however often. Method: samples made up and taken at times of the test's own.

import { describe, expect, test } from 'vitest'
import { type Sample, Samples, told } from '../../agent/stats.ts'

const sample = (at: number, rx: number, tx = 0): Sample => ({
  at,
  stats: { read: `at ${at}`, cpu_stats: { total: at }, precpu_stats: {} },
  bytes: { rx, tx },
})

describe('the statistics of a container', () => {
  // P502
  test('have rates, and the sample before, in the words of ECS', () => {
    expect(told(sample(3000, 5000, 700), sample(1000, 1000, 700))).toEqual({
      ...{ read: 'at 3000', cpu_stats: { total: 3000 } },
      ...{ preread: 'at 1000', precpu_stats: { total: 1000 } },
      network_rate_stats: { rx_bytes_per_sec: 2000, tx_bytes_per_sec: 0 },
    })
  })

  // P502
  test('have no rates without a sample before, or where nothing was counted', () => {
    expect(told(sample(1000, 9), undefined)).toEqual(sample(1000, 9).stats)
    const { bytes: _, ...uncounted } = sample(1000, 9)
    expect(told(sample(3000, 9), uncounted)).not.toHaveProperty('network_rate_stats')
    // A card that was plugged in anew counts from nothing.
    expect(told(sample(3000, 5), sample(1000, 9))).toMatchObject({
      network_rate_stats: { rx_bytes_per_sec: 0 },
    })
  })

  // P502
  test('are compared with a sample that is a second old at least, however often one asks', () => {
    const samples = new Samples()
    const [a, b, c, d] = [1000, 1500, 2100, 2200].map((at) => sample(at, at)) as Sample[]
    if (!a || !b || !c || !d) throw new Error('four samples')
    expect(samples.take('x', a)).toBeUndefined()
    expect(samples.take('x', b)).toBeUndefined()
    expect(samples.take('x', c)).toBe(a)
    expect(samples.take('x', d)).toBe(a)
    expect(samples.take('y', d), 'each container has its own').toBeUndefined()
    expect(samples.take('x', sample(70_000, 0)), 'what was long ago says nothing').toBeUndefined()
  })
})
