// Two ways to do one thing, or more, measured in turns: A B, B A, … Whatever else the machine does falls
// on all alike, and each comes as often after any other. Pure, but for who measures itself.
//
//   alternate ─▶ samples of each ─▶ compare: the ratio of the medians, of the p95s, and pair by pair

import type { Figure, Goal } from './row.ts'

/** One sample: its own figure, usually milliseconds that it measured itself. */
export type Side<T = number> = () => Promise<T>

/** Figures of each side; those of one index were taken one after the other. */
export type Samples<K extends string, T = number> = Readonly<Record<K, readonly T[]>>

/** Takes so many samples of each, after some that do not count: the first run is another thing. */
export async function alternate<K extends string, T = number>(
  sides: Readonly<Record<K, Side<T>>>,
  count: number,
  { warmUp = 2, onTurn = () => {} }: { warmUp?: number; onTurn?: (n: number) => void } = {},
): Promise<Samples<K, T>> {
  const keys = Object.keys(sides) as K[]
  const samples = Object.fromEntries(keys.map((key) => [key, [] as T[]])) as Record<K, T[]>
  for (let n = -warmUp; n < count; n++) {
    for (const key of orderOf(keys, n + warmUp)) {
      const figure = await sides[key]()
      if (n >= 0) samples[key].push(figure)
    }
    if (n >= 0) onTurn(n + 1)
  }
  return samples
}

/** Who goes first changes from turn to turn, and so does what goes before whom. */
function orderOf<K>(keys: readonly K[], turn: number): readonly K[] {
  const first = (turn >> 1) % keys.length
  const turned = [...keys.slice(first), ...keys.slice(0, first)]
  return turn % 2 === 0 ? turned : turned.reverse()
}

/** The figure that this share of all are at most (nearest rank). NaN where there are none. */
export function quantile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((x, y) => x - y)
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? Number.NaN
}

/** The middle one; of an even number the mean of both middle ones. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((x, y) => x - y)
  const half = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/** In words: `p50 12.3 ms, p95 20.1 ms`. */
export const spread = (figures: readonly number[], unit = 'ms'): string =>
  `p50 ${short(median(figures))} ${unit}, p95 ${short(quantile(figures, 0.95))} ${unit}`

/** What the sides are called, and what their ratios have to be. */
export type Comparison = {
  readonly what: string
  readonly a: string
  readonly b: string
  readonly p50?: Goal
  readonly p95?: Goal
  /** Of the medians, in a shortened run. */
  readonly gate?: Goal
}

/** A's part of B: by the medians, by the 95th percentiles, and how the single pairs lie. */
export function compare(
  a: readonly number[],
  b: readonly number[],
  { what, p50, p95, gate, ...names }: Comparison,
): Figure[] {
  const each = a.map((figure, n) => figure / (b[n] ?? Number.NaN))
  const at = (share: number): string => short(quantile(each, share))
  return [
    {
      what: `${what}: p50`,
      value: median(a) / median(b),
      ...(p50 && { goal: p50 }),
      ...(gate && { gate }),
      raw: `${names.a}: ${spread(a)}; ${names.b}: ${spread(b)}`,
    },
    {
      what: `${what}: p95`,
      value: quantile(a, 0.95) / quantile(b, 0.95),
      ...(p95 && { goal: p95 }),
      raw: `${a.length} pairs, pair by pair: 5 % below ${at(0.05)}, half ${at(0.5)}, 95 % ${at(0.95)}`,
    },
  ]
}

/** Three digits that count. */
export const short = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
