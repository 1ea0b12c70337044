// Looks whether EC2 or Auto Scaling has announced the end of this instance, and tells the drain.
// IMDS that is away, slow or says what nobody can read has announced nothing, and taken nothing back.
//
//   every 5 s:  IMDS ─▶ Notice | none | no answer ─▶ drain ─▶ tasks that still run are stopped

import type { Clock } from './clock.ts'
import type { Drain, Notice } from './drain.ts'
import type { Imds } from './drivers/imds.ts'
import { Failure, sentence } from './failure.ts'
import type { OnDefect } from './runner.ts'

/** Between two looks, milliseconds: what AWS recommends ("every 5 seconds", EC2 user guide). */
export const LOOK_MS = 5_000

/**
 * How long the agent waits at its start for the first look, milliseconds: IMDS answers in a few, and
 * stops of an earlier life go on after it, which are other stops under a notice.
 */
const FIRST_LOOK_MS = 1_000

/** In so many looks one after the other it must be missing before a notice counts as taken back. */
const LOOKS_UNTIL_WITHDRAWN = 3

const ACTIONS = ['terminate', 'stop', 'hibernate'] as const

export type NoticeWatchOptions = {
  readonly imds: Pick<Imds, 'find'>
  readonly drain: Drain
  /** Stops the tasks that the drain wants stopped. */
  readonly enforce: () => void
  readonly clock: Pick<Clock, 'after'>
  readonly log: {
    info(fields: object, text: string): void
    warn(fields: object, text: string): void
  }
  readonly onDefect: OnDefect
}

/**
 * Looks at once and then again and again, until the returned order ends it and what is in flight.
 * Answers when the first look is over, or has taken a second.
 */
export async function watchNotices(options: NoticeWatchOptions): Promise<() => Promise<void>> {
  const { clock, onDefect } = options
  const end = new AbortController()
  const look = openLook(options, end.signal)
  let cancel = () => {}
  let looking: Promise<void> = Promise.resolve()
  const again = () => {
    looking = look().then(() => {
      if (!end.signal.aborted) cancel = clock.after(LOOK_MS, again)
    }, onDefect)
  }
  again()
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const inTime = clock.after(FIRST_LOOK_MS, resolve)
  await Promise.race([looking, late])
  inTime()
  return async () => {
    end.abort()
    cancel()
    await looking
  }
}

/** One look. Rejects with nothing but defects. What a drain has left to be stopped is stopped first. */
function openLook(options: NoticeWatchOptions, signal: AbortSignal): () => Promise<void> {
  const { imds, drain, enforce, log } = options
  let missing = 0
  let trouble = ''

  /** Says it once, until it is over or another one comes. */
  function say(failure: Failure | undefined): void {
    const now = failure === undefined ? '' : `${failure.code}: ${sentence(failure)}`
    if (now !== trouble && failure !== undefined) {
      log.warn({ code: failure.code }, `termination notices: ${now}`)
    } else if (now !== trouble) log.info({}, 'termination notices: looked for again')
    trouble = now
  }

  /** Tells the drain. Throws where it takes the notice for an old picture. */
  function tell(notice: Notice | undefined): void {
    missing = notice === undefined ? missing + 1 : 0
    if (notice === undefined) {
      const isOver = missing >= LOOKS_UNTIL_WITHDRAWN && drain.withdraw()
      if (isOver) log.warn({}, 'IMDS has taken the notice back')
      return
    }
    const news = drain.announce(notice)
    if (news === 'outlived') throw outlived(notice)
    if (news === 'news') log.warn({ ...notice }, `draining: ${drain.view()?.why}`)
  }

  return async () => {
    const before = failureOf(enforce)
    const [notice, away] = await readNotice(imds, signal).then(
      (found) => [found, undefined] as const,
      (error) => [undefined, asFailure(error)] as const,
    )
    if (signal.aborted) return
    const told = away ?? failureOf(() => tell(notice))
    say(before ?? told ?? failureOf(enforce))
  }
}

const outlived = ({ action, at = 0 }: Notice): Failure =>
  new Failure(
    'transient',
    'NoticeOutlived',
    `IMDS announces that this instance is to ${action} at ${new Date(at).toISOString()}, which it has outlived`,
    { hint: 'An old picture, or the clock of this host is ahead; nothing follows from it' },
  )

/** What the work failed with; a defect goes up. */
function failureOf(work: () => void): Failure | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return asFailure(error)
  }
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure && error.kind !== 'defect') return error
  throw error
}

/** What IMDS announces now. Throws `transient` where it does not answer, or not so that one can tell. */
export async function readNotice(
  imds: Pick<Imds, 'find'>,
  signal: AbortSignal,
): Promise<Notice | undefined> {
  const spot = await imds.find('meta-data/spot/instance-action', signal)
  if (spot !== undefined) return spotNotice(spot)
  const target = await imds.find('meta-data/autoscaling/target-lifecycle-state', signal)
  return target?.trim() === 'Terminated' ? { from: 'autoscaling', action: 'terminate' } : undefined
}

function spotNotice(text: string): Notice {
  const { action: named, time } = asObject(text)
  const action = ACTIONS.find((known) => known === named)
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN
  if (action !== undefined && !Number.isNaN(at)) return { from: 'spot', action, at }
  const message = `IMDS says of spot/instance-action: ${JSON.stringify(text.slice(0, 200))}`
  throw new Failure('transient', 'NoticeUnreadable', message, {
    hint: 'An action of terminate, stop or hibernate and a time are expected; nothing follows from it',
  })
}

function asObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
