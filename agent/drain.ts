// Whether this host takes tasks, and what becomes of those it has. A fact of the state file, so a
// restart changes nothing. There are two reasons to drain, and either is enough:
//
//   asked     by a person, or by ECS's UpdateContainerInstancesState, until it is taken back
//   noticed   IMDS announces the end of the instance (notice.ts): until IMDS or a person takes that
//             back, or the host boots anew
//
// What follows: no task is taken on (api/launch.ts), tasks are told to stop (`stop`), in the time
// that is left (`leftMs`); and what EC2 deletes with the instance is left to EC2 (`hold`).

import type { Catalog } from '../state/catalog.ts'
import { StateFileUnwritable } from '../state/database.ts'
import type { Entry, Journal } from '../state/journal.ts'
import { isProtected } from '../state/protection.ts'
import type { Step, Stop } from '../state/task.ts'
import { kindOf, rowState } from '../state/task.ts'
import type { Clock } from './clock.ts'
import { Failure } from './failure.ts'
import type { Draining } from './orders.ts'
import type { Runner } from './runner.ts'

/** The end of this instance, as EC2 or Auto Scaling announces it. */
export type Notice = {
  readonly from: 'spot' | 'autoscaling'
  readonly action: 'terminate' | 'stop' | 'hibernate'
  /** When, milliseconds since the epoch. Auto Scaling names no time. */
  readonly at?: number
}

/**
 * What is taken for the time that is left where none is named, milliseconds: EC2's own notice is
 * two minutes long (EC2 user guide, "Spot Instance interruption notices").
 */
const NOTICE_MS = 120_000

/**
 * How long after its announced end an instance that still lives is believed to live on, milliseconds
 * (times `timeoutScale`). The shutdown begins at that time and takes the agent along within moments:
 * as long as the notice itself is long enough, and no ENI is kept for longer than that.
 */
const OUTLIVED_MS = 120_000

/** The name of the fact. */
const FACT = 'drain'

type Asked = { readonly since: number; readonly why: string; readonly stopTasks: boolean }

type Noticed = Notice & {
  readonly since: number
  readonly endsAt: number
  readonly bootId: string
  /** A person takes the host back all the same. */
  readonly isDismissed?: true
}

type Facts = { readonly asked?: Asked; readonly noticed?: Noticed }

export type DrainOptions = {
  readonly catalog: Pick<Catalog, 'jsonFact' | 'putFact' | 'forgetFact'>
  readonly clock: Pick<Clock, 'now' | 'elapsed'>
  /** Which boot of the host this is: a notice of an earlier one is over. */
  readonly bootId: string
  readonly timeoutScale?: number
}

export class Drain {
  readonly #options: DrainOptions
  readonly #outlivedMs: number
  #facts: Facts
  /** When the instance ends by the clock that never jumps. */
  #endsAtElapsed = 0
  #isSaved = true

  constructor(options: DrainOptions) {
    this.#options = options
    this.#outlivedMs = OUTLIVED_MS * (options.timeoutScale ?? 1)
    const { noticed, ...facts } = (options.catalog.jsonFact(FACT) ?? {}) as Facts
    const isOurs = noticed?.bootId === options.bootId
    this.#facts = isOurs ? { ...facts, noticed } : facts
    this.#endsAtElapsed = this.#elapsedAt(noticed?.endsAt ?? 0)
  }

  /** Why this host takes no tasks; undefined while it does. A notice is shown before an order. */
  view(): Draining | undefined {
    const noticed = this.#standing()
    if (noticed !== undefined) {
      return { since: noticed.since, why: inWords(noticed), endsAt: noticed.endsAt }
    }
    const { asked } = this.#facts
    return asked && { since: asked.since, why: asked.why }
  }

  /** What every task that still runs is to be stopped with; undefined where they may go on. */
  get stop(): Stop | undefined {
    const noticed = this.#standing()
    if (noticed !== undefined) return { code: 'TerminationNotice', reason: inWords(noticed) }
    const { asked } = this.#facts
    if (asked?.stopTasks !== true) return undefined
    return { code: 'UserInitiated', reason: `Host drained: ${asked.why}` }
  }

  /** How long this host still lives, milliseconds; undefined where nobody has announced its end. */
  leftMs(): number | undefined {
    const noticed = this.#standing()
    if (noticed === undefined || this.#isOutlived()) return undefined
    return Math.max(0, this.#endsAtElapsed - this.#options.clock.elapsed())
  }

  /**
   * Why a release is not to begin: the guard says that EC2 deletes the ENI with the instance, and
   * nothing below it can be released before the guard is. A stop of the instance deletes nothing.
   */
  hold({ holder }: Entry, { verb, row }: Step): Failure | undefined {
    const noticed = this.#standing()
    if (noticed?.action !== 'terminate' || this.#isOutlived()) return undefined
    const isGuard = verb === 'release' && kindOf(row) === 'guard'
    if (!isGuard || rowState(holder, row).is !== 'held') return undefined
    // The task stops because its ENI or its card is gone: the guard may be gone with the attachment.
    const n = Number(row.slice('guard:'.length))
    if ([`eni:${n}`, `attachment:${n}`, `link:${n}`].includes(holder.stop?.row ?? ''))
      return undefined
    const { eniId } = rowState(holder, `eni:${n}`).details as { eniId: string }
    const message =
      `${eniId} is left to EC2, which deletes it with this instance at ${iso(noticed.endsAt)}: ` +
      inWords(noticed)
    return new Failure('transient', 'LeftToEc2', message, {
      hint: `Should the instance outlive that, enid gives it back after ${iso(noticed.endsAt + this.#outlivedMs)}`,
      isAway: true,
    })
  }

  /** Somebody wants the host drained. Asking again may change whether tasks are stopped, and why. */
  ask({ why, stopTasks }: Omit<Asked, 'since'>): void {
    const since = this.#facts.asked?.since ?? this.#options.clock.now()
    this.#change({ ...this.#facts, asked: { since, why, stopTasks } })
  }

  /** Somebody wants the host back. */
  takeBack(): void {
    const { noticed } = this.#facts
    this.#change(noticed === undefined ? {} : { noticed: { ...noticed, isDismissed: true } })
  }

  /**
   * IMDS announces this. One that was outlived before it was ever seen is an old picture: `outlived`,
   * and no notice. The state file may be unwritable: it is written at the next look, and holds from
   * now on.
   */
  announce(notice: Notice): 'news' | 'known' | 'outlived' {
    const { noticed } = this.#facts
    const { from, action, at } = notice
    if (noticed?.from === from && noticed.action === action && noticed.at === at) {
      this.#save()
      return 'known'
    }
    if (at !== undefined && this.#options.clock.now() >= at + this.#outlivedMs) return 'outlived'
    const since = this.#options.clock.now()
    const { bootId } = this.#options
    const endsAt = at ?? since + NOTICE_MS * (this.#options.timeoutScale ?? 1)
    this.#facts = { ...this.#facts, noticed: { ...notice, since, endsAt, bootId } }
    this.#endsAtElapsed = this.#elapsedAt(endsAt)
    this.#isSaved = false
    this.#save()
    return 'news'
  }

  /** IMDS announces nothing any more. Answers whether that is news. */
  withdraw(): boolean {
    const { noticed, ...facts } = this.#facts
    if (noticed !== undefined) {
      this.#facts = facts
      this.#isSaved = false
    }
    this.#save()
    return noticed !== undefined
  }

  /** The notice, if it counts. */
  #standing(): Noticed | undefined {
    const { noticed } = this.#facts
    return noticed?.isDismissed ? undefined : noticed
  }

  #isOutlived(): boolean {
    return this.#options.clock.elapsed() >= this.#endsAtElapsed + this.#outlivedMs
  }

  #elapsedAt(time: number): number {
    const { clock } = this.#options
    return clock.elapsed() + time - clock.now()
  }

  /** What a person asks for is written down, or refused. */
  #change(facts: Facts): void {
    this.#write(facts)
    this.#facts = facts
  }

  #save(): void {
    if (this.#isSaved) return
    try {
      this.#write(this.#facts)
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
    }
  }

  #write(facts: Facts): void {
    const { catalog } = this.#options
    if (facts.asked === undefined && facts.noticed === undefined) catalog.forgetFact(FACT)
    else catalog.putFact(FACT, JSON.stringify(facts))
    this.#isSaved = true
  }
}

/**
 * Stops every task that still runs, where the drain says so. An order leaves protected ones, until
 * `now` is past their protection; the end of the instance leaves none. Throws as Runner.stop does.
 */
export function stopDrained(drain: Drain, journal: Journal, runner: Runner, now: number): void {
  const { stop } = drain
  if (stop === undefined) return
  for (const { id, holder } of journal.living()) {
    if (stop.code === 'TerminationNotice' || !isProtected(holder, now)) runner.stop(id, stop)
  }
}

const VERBS = { terminate: 'terminates', stop: 'stops', hibernate: 'hibernates' } as const

function inWords({ from, action, endsAt }: Noticed): string {
  return from === 'spot'
    ? `EC2 ${VERBS[action]} this instance at ${iso(endsAt)} (spot interruption notice)`
    : `Auto Scaling terminates this instance and names no time: ${iso(endsAt)} is reckoned with`
}

const iso = (at: number): string => new Date(at).toISOString()
