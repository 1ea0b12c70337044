// Named points at which a test may let the agent die, one before and after every commit and every
// effect of every step. In production nobody names one, and nothing happens.
//
//   before began ─▶ [began] ─▶ before effect ─▶ [driver] ─▶ after effect ─▶ [done] ─▶ after done

import type { RowId, Verb } from '../state/task.ts'

/** The moments of one step, in order. */
export const MOMENTS = ['before began', 'before effect', 'after effect', 'after done'] as const
export type Moment = (typeof MOMENTS)[number]

/** One point: a moment of a step, such as `after effect ensure link:0`. */
export const faultPoint = (moment: Moment, verb: Verb, row: RowId): string =>
  `${moment} ${verb} ${row}`

/** Called at every point. */
export type Passing = (moment: Moment, verb: Verb, row: RowId) => void

/** Dies by SIGKILL at the point that ENID_DIE_AT names, as a crash would; does nothing without. */
export function dieAt(name: string | undefined): Passing {
  if (name === undefined) return () => {}
  return (moment, verb, row) => {
    if (faultPoint(moment, verb, row) === name) process.kill(process.pid, 'SIGKILL')
  }
}
