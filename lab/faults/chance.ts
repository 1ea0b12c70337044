// Chance that can be replayed: a draw is a pure function of a seed, a purpose and a number, so the
// n-th draw for one purpose is the same in every run, whatever was drawn for others in between.

import { createHash } from 'node:crypto'

/** The n-th draw of a seed for a purpose: evenly spread over 0 ≤ x < 1. */
export function chance(seed: number, purpose: string, n: number): number {
  const hash = createHash('sha256').update(`${seed}/${purpose}/${n}`).digest()
  return hash.readUInt32BE(0) / 2 ** 32
}

/** A spread of durations, in seconds: the median, the 95th percentile, and the most there is. */
export type Spread = { readonly p50: number; readonly p95: number; readonly max: number }

/** How many standard deviations the 95th percentile of a normal distribution is off its mean. */
const P95_DEVIATIONS = 1.6449

/** The n-th duration of a log-normal spread, in seconds: all above `max` is `max`. */
export function logNormal(spread: Spread, seed: number, purpose: string, n: number): number {
  const [u, v] = [chance(seed, `${purpose}/u`, n), chance(seed, `${purpose}/v`, n)]
  // Box and Muller: two even draws make one normal draw.
  const normal = Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v)
  const sigma = Math.log(spread.p95 / spread.p50) / P95_DEVIATIONS
  return Math.min(spread.max, spread.p50 * Math.exp(sigma * normal))
}
