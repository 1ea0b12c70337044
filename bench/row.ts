// What a row of `npm run bench` is: a file in rows/ that exports one as `row`, under whose name it is
// run. Its figures are ratios wherever something can stand beside it: both sides measured in turn, in
// one run, on one machine, with their raw numbers in `raw`.

import type { Stage } from './stage.ts'

/** What a figure has to be: `most` so much, or at `least`. */
export type Goal = { readonly most: number } | { readonly least: number }

/** One line of the table. */
export type Figure = {
  readonly what: string
  readonly value: number
  /** `ms`, `MB`, `calls`; left out for a ratio. */
  readonly unit?: string
  /** Without one it is there to be read. */
  readonly goal?: Goal
  /**
   * What a shortened run has to keep on any machine, however busy: what repeated runs showed, and a
   * margin (README.md). Only for ratios of which those runs are alike.
   */
  readonly gate?: Goal
  /** What it was made of: the raw numbers of both sides, in words. */
  readonly raw?: string
}

export type Row = {
  /** What is measured against what, in a sentence. */
  readonly what: string
  /** About how long it takes in full, on two quiet cores. */
  readonly minutes: number
  /** Its part in `--gate`: with so many pairs. Left out, it has none. */
  readonly gatePairs?: number
  /** Measures. Whatever it makes in the world goes to `stage.defer` to be taken away again. */
  run(stage: Stage): Promise<Figure[]>
}

/** Whether a value is as it should be; without a goal it is. NaN never is. */
export function isMet(value: number, goal: Goal | undefined): boolean {
  if (goal === undefined) return true
  return 'most' in goal ? value <= goal.most : value >= goal.least
}
