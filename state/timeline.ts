// When things happened, read off the journal's own times. Beside the holder, not in it: the holder
// decides, and a decision has no clock.

import type { Course, Ec2Called, Event, Holder, Holding, RowId, RowKind, Verb } from './task.ts'
import { holdsNothing, kindOf, rowState, rows } from './task.ts'

/** One step as it went. Times are milliseconds since the epoch. */
export type StepTime = {
  readonly verb: Verb
  readonly row: RowId
  readonly beganAt: number
  readonly doneAt?: number
  /** When it ended without being done. */
  readonly gaveUpAt?: number
  /** The code that it failed with; absent where the stop of its task cut it short. */
  readonly failure?: string
  /** How often it began: more than once after a restart, or with another choice. */
  readonly attempts: number
} & Course

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
  /** How often steps began and were done that are not kept any more; absent: all are. */
  readonly forgotten?: number
}

/**
 * So many steps of one row and verb are kept, the first and the latest: a container that restarts every
 * minute for months makes no end of them.
 */
const SAME_MAX = 20

/** So many calls of a step are kept, the latest: one that is retried for days makes no end of them. */
export const CALLS_MAX = 8

/** Looks are not kept unless they failed: a stop makes six while EC2 detaches, most of them with others. */
export const isKept = ({ action, code }: Ec2Called): boolean =>
  code !== undefined || !action.startsWith('Describe')

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
    key: Exclude<keyof Timeline, 'steps' | 'createdAt' | 'latestAt' | 'forgotten'>,
    isNow: () => boolean,
  ) => {
    if (timeline[key] === undefined && isNow()) moments[key] = at
  }
  const all = (kind: RowKind, is: Holding) => !every(before, kind, is) && every(after, kind, is)
  const isPull = () =>
    event.type === 'began' && event.verb === 'ensure' && kindOf(event.row) === 'image'
  const isStopping = after.desired === 'stopped'
  const turns = before.desired === 'running' && isStopping
  first('pullStartedAt', isPull)
  first('pullStoppedAt', () => all('image', 'held'))
  first('connectivityAt', () => all('link', 'held'))
  first('startedAt', () => !before.ran && after.ran)
  first('stoppingAt', () => turns)
  first('executionStoppedAt', () => isStopping && every(after, 'container', 'none'))
  first('stoppedAt', () => isStopping && holdsNothing(after))
  const told = step(timeline.steps, event, at)
  const { steps, forgotten } = bounded(turns ? cutShort(told, at) : told, event)
  const gone = (timeline.forgotten ?? 0) + forgotten
  return { ...timeline, ...moments, latestAt: at, steps, ...(gone > 0 && { forgotten: gone }) }
}

/** Without the second of those like the one that began, where there are too many. */
function bounded(steps: readonly StepTime[], event: Event) {
  const isLike = ({ row, verb }: StepTime) =>
    event.type === 'began' && row === event.row && verb === event.verb
  const like = event.type === 'began' ? steps.filter(isLike) : []
  const second = like.length > SAME_MAX ? like[1] : undefined
  if (second === undefined) return { steps, forgotten: 0 }
  const forgotten = changesOf(second)
  return { steps: steps.filter((each) => each !== second), forgotten }
}

const changesOf = ({ attempts, doneAt }: StepTime): number =>
  attempts + (doneAt === undefined ? 0 : 1)

/** How often a step began or was done: never less than before. */
export const changes = ({ steps, forgotten = 0 }: Timeline): number =>
  steps.reduce((sum, each) => sum + changesOf(each), forgotten)

const every = (holder: Holder, kind: RowKind, is: Holding): boolean =>
  rows(holder.spec).every(({ id }) => kindOf(id) !== kind || rowState(holder, id).is === is)

function step(steps: readonly StepTime[], event: Event, at: number): readonly StepTime[] {
  switch (event.type) {
    case 'began':
      return began(steps, event, at)
    case 'done':
      return ended(steps, event, { doneAt: at }, event.course)
    case 'declined':
    case 'refused':
    case 'lost': {
      const end = { gaveUpAt: at, failure: event.cause.code }
      return ended(steps, { verb: 'ensure', row: event.row }, end, event.course)
    }
    default:
      return steps
  }
}

type Which = { readonly verb: Verb; readonly row: RowId }
const latest = (steps: readonly StepTime[], { verb, row }: Which): number =>
  steps.findLastIndex((s) => s.row === row && s.verb === verb)

function began(steps: readonly StepTime[], { verb, row }: Which, at: number): readonly StepTime[] {
  const index = latest(steps, { verb, row })
  const last = steps[index]
  if (last === undefined || last.doneAt !== undefined) {
    return [...steps, { verb, row, beganAt: at, attempts: 1 }]
  }
  const { gaveUpAt: _, failure: __, ...open } = last
  return steps.with(index, { ...open, attempts: last.attempts + 1 })
}

/** What was lost though no step of its was under way leaves the steps as they are. */
function ended(
  steps: readonly StepTime[],
  which: Which,
  end: Pick<StepTime, 'doneAt' | 'gaveUpAt' | 'failure'>,
  course: Course = {},
): readonly StepTime[] {
  const index = latest(steps, which)
  const last = steps[index]
  if (last === undefined || (last.doneAt !== undefined && end.doneAt === undefined)) return steps
  const { gaveUpAt: _, failure: __, ...open } = last
  return steps.with(index, { ...open, ...together(last, course), ...end })
}

/** A step that was declined goes on with another choice: what it took adds up. */
function together(before: Course, now: Course): Course {
  const retries = (before.retries ?? 0) + (now.retries ?? 0)
  const waitedMs = (before.waitedMs ?? 0) + (now.waitedMs ?? 0)
  const calls = [...(before.calls ?? []), ...(now.calls ?? [])].slice(-CALLS_MAX)
  return {
    ...(retries > 0 && { retries }),
    ...(waitedMs > 0 && { waitedMs }),
    ...(calls.length > 0 && { calls }),
  }
}

const isOpen = ({ verb, doneAt, gaveUpAt }: StepTime): boolean =>
  verb === 'ensure' && doneAt === undefined && gaveUpAt === undefined

/** Nothing is made any more once the task is to stop. */
const cutShort = (steps: readonly StepTime[], at: number): readonly StepTime[] =>
  steps.some(isOpen) ? steps.map((s) => (isOpen(s) ? { ...s, gaveUpAt: at } : s)) : steps
