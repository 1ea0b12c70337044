// When things happened, read off the journal's own times. Beside the holder, not in it: the holder
// decides, and a decision has no clock.

import type { Event, Holder, RowId, Verb } from './task.ts'
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
  readonly steps: readonly StepTime[]
}

export const newTimeline = (createdAt: number): Timeline => ({ createdAt, steps: [] })

/** The timeline after one entry; `before` and `after` are the holder around it. */
export function note(
  timeline: Timeline,
  { before, after, event, at }: { before: Holder; after: Holder; event: Event; at: number },
): Timeline {
  const moments: { -readonly [K in keyof Timeline]?: Timeline[K] } = {}
  const first = (key: Exclude<keyof Timeline, 'steps' | 'createdAt'>, when: boolean) => {
    if (when && timeline[key] === undefined) moments[key] = at
  }
  const pulling = event.type === 'began' && event.verb === 'ensure' && kindOf(event.row) === 'image'
  first('pullStartedAt', pulling)
  first('pullStoppedAt', !every(before, 'image', 'held') && every(after, 'image', 'held'))
  first('connectivityAt', !every(before, 'link', 'held') && every(after, 'link', 'held'))
  first('startedAt', !before.ran && after.ran)
  first('stoppingAt', before.desired === 'running' && after.desired === 'stopped')
  first('executionStoppedAt', after.desired === 'stopped' && every(after, 'container', 'none'))
  first('stoppedAt', after.desired === 'stopped' && holdsNothing(after))
  return { ...timeline, ...moments, steps: step(timeline.steps, event, at) }
}

function every(holder: Holder, kind: string, is: string): boolean {
  const ofKind = rows(holder.spec).filter(({ id }) => kindOf(id) === kind)
  return ofKind.every(({ id }) => rowState(holder, id).is === is)
}

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
