// When things happened, read off the journal's own times. Beside the holder, not in it: the holder
// decides, and a decision has no clock.

import type { Event, Holder, Holding, RowId, RowKind, Verb } from './task.ts'
import { holdsNothing, kindOf, rowState, rows } from './task.ts'

/** One step as it went. Times are milliseconds since the epoch. */
export type StepTime = {
  readonly verb: Verb
  readonly row: RowId
  readonly beganAt: number
  readonly doneAt?: number
  /** How often it began: more than once after a retry or a restart. */
  readonly attempts: number
}

/** The moments that DescribeTasks reports, in milliseconds since the epoch. */
export type Timeline = {
  readonly createdAt: number
  readonly pullStartedAt?: number
  readonly pullStoppedAt?: number
  readonly connectivityAt?: number
  readonly startedAt?: number
  readonly stoppingAt?: number
  readonly executionStoppedAt?: number
  readonly stoppedAt?: number
  /** When the latest entry was. */
  readonly latestAt: number
  readonly steps: readonly StepTime[]
}

export const newTimeline = (createdAt: number): Timeline => ({
  createdAt,
  latestAt: createdAt,
  steps: [],
})

/**
 * The timeline after one entry; `before` and `after` are the holder around it. It never runs back:
 * while a clock that was set back has not caught up, nothing takes any time. A task that a spare
 * became begins there: what the spare did before took none of its time.
 */
export function note(
  timeline: Timeline,
  entry: { before: Holder; after: Holder; event: Event; at: number },
): Timeline {
  const { before, after, event } = entry
  const at = Math.max(entry.at, timeline.latestAt)
  if (event.type === 'assigned') return newTimeline(at)
  const moments: { -readonly [K in keyof Timeline]?: Timeline[K] } = {}
  const first = (
    key: Exclude<keyof Timeline, 'steps' | 'createdAt' | 'latestAt'>,
    isNow: () => boolean,
  ) => {
    if (timeline[key] === undefined && isNow()) moments[key] = at
  }
  const all = (kind: RowKind, is: Holding) => !every(before, kind, is) && every(after, kind, is)
  const isPull = () =>
    event.type === 'began' && event.verb === 'ensure' && kindOf(event.row) === 'image'
  const isStopping = after.desired === 'stopped'
  first('pullStartedAt', isPull)
  first('pullStoppedAt', () => all('image', 'held'))
  first('connectivityAt', () => all('link', 'held'))
  first('startedAt', () => !before.ran && after.ran)
  first('stoppingAt', () => before.desired === 'running' && isStopping)
  first('executionStoppedAt', () => isStopping && every(after, 'container', 'none'))
  first('stoppedAt', () => isStopping && holdsNothing(after))
  return { ...timeline, ...moments, latestAt: at, steps: step(timeline.steps, event, at) }
}

const every = (holder: Holder, kind: RowKind, is: Holding): boolean =>
  rows(holder.spec).every(({ id }) => kindOf(id) !== kind || rowState(holder, id).is === is)

function step(steps: readonly StepTime[], event: Event, at: number): readonly StepTime[] {
  if (event.type !== 'began' && event.type !== 'done') return steps
  const index = steps.findLastIndex((s) => s.row === event.row && s.verb === event.verb)
  const last = steps[index]
  if (event.type === 'began') {
    return last === undefined || last.doneAt !== undefined
      ? [...steps, { verb: event.verb, row: event.row, beganAt: at, attempts: 1 }]
      : steps.with(index, { ...last, attempts: last.attempts + 1 })
  }
  return last === undefined ? steps : steps.with(index, { ...last, doneAt: at })
}
