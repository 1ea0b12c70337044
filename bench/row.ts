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
  /** What it was made of: the raw numbers of both sides, in words. */
  readonly raw?: string
}

export type Row = {
  /** What is measured against what, in a sentence. */
  readonly what: string
  /** About how long it takes in full, on two quiet cores. */
  readonly minutes: number
  /** Measures. Whatever it makes in the world goes to `stage.defer` to be taken away again. */
  run(stage: Stage): Promise<Figure[]>
}

/** Whether a figure is as it should be; one without a goal is. NaN never is. */
export function isMet({ value, goal }: Figure): boolean {
  if (goal === undefined) return true
  return 'most' in goal ? value <= goal.most : value >= goal.least
}
