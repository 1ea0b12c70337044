// Tasks that wait for room (`enid:wait`). They are in the journal like any other, and nothing of them
// begins; state/queue.ts says who is next. It is looked when something was released or began to
// wait, and every second while anybody waits, because turns and patience end by themselves.
//
//   journal ─▶ something happened ─▶ look: who fits is admitted, who waited too long stops

import type { Entry, Journal } from '../state/journal.ts'
import { admit, type Demand, demandOf, type Waiter } from '../state/queue.ts'
import type { HolderId, Spec } from '../state/spec.ts'
import { isWaiting } from '../state/task.ts'
import type { Clock } from './clock.ts'
import { Failure } from './failure.ts'
import type { Room, Waiting } from './orders.ts'
import { freeNow, hasAddress, type PlacementFacts, room } from './placement.ts'
import type { Runner } from './runner.ts'

/** At most so many wait (judgement): whoever asks for more has another plan than waiting. */
export const WAITERS_MAX = 100
const LOOK_MS = 1000

export type QueueOptions = {
  readonly journal: Journal
  readonly facts: PlacementFacts
  readonly runner: Pick<Runner, 'admit' | 'stop'>
  readonly clock: Clock
  /** Whether this host takes no tasks: then nobody is admitted. */
  readonly isDraining: () => boolean
  readonly onDefect: (error: unknown) => void
}

export class Queue {
  readonly #options: QueueOptions
  readonly #unfollow: () => void
  #cancel: (() => void) | undefined
  #isNeeded = false
  #isClosed = false

  constructor(options: QueueOptions) {
    this.#options = options
    this.#unfollow = options.journal.follow(() => {
      if (this.#isNeeded) this.#lookIn(0)
    })
  }

  /** Admits who fits, stops who waited too long, and looks again while anybody waits. */
  look(): void {
    const { facts, runner, clock, isDraining } = this.#options
    const now = clock.now()
    for (const { id, holder, timeline } of this.#waiters()) {
      if (now - timeline.createdAt < (holder.spec.waitMs ?? 0)) continue
      const { reason, detail } = room(facts, holder.spec)
      const seconds = Math.round((holder.spec.waitMs ?? 0) / 1000)
      const text = `${reason}: waited ${seconds} s for room on this host. ${detail}`
      try {
        runner.stop(id, { code: 'TaskFailedToStart', reason: text })
      } catch (error) {
        // It could not be written down: at the next look.
        if (!(error instanceof Failure) || error.kind !== 'transient') throw error
      }
    }
    if (!isDraining()) for (const id of this.#next().admitted) runner.admit(id)
    this.#isNeeded = this.#waiters().length > 0
    if (this.#isNeeded) this.#lookIn(LOOK_MS)
  }

  /** How many more such tasks fit beside what is held for those that wait, and why not more. */
  room(spec: Spec): Room {
    return room(this.#options.facts, spec, this.#next().left)
  }

  /** Whether one more may wait. */
  get isFull(): boolean {
    return this.#waiters().length >= WAITERS_MAX
  }

  /** What a holder that waits here waits for. */
  waiting(id: HolderId): Waiting[] {
    const holder = this.#options.journal.get(id)?.holder
    if (holder === undefined || !isWaiting(holder)) return []
    return [...this.waits()].flatMap(([each, waiting]) => (each === id ? [waiting] : []))
  }

  /** What each of those that wait here waits for. */
  *waits(): Generator<readonly [HolderId, Waiting]> {
    const all = this.#waiters()
    for (const [place, { id, holder, timeline }] of all.entries()) {
      const { reason, detail } = room(this.#options.facts, holder.spec)
      const until = timeline.createdAt + (holder.spec.waitMs ?? 0)
      const text = `waits for room on this host, place ${place + 1} of ${all.length}, until ${new Date(until).toISOString()}. ${detail}`
      const step = { row: 'eni:0', verb: 'ensure', attempt: 0 } as const
      yield [id, { ...step, code: reason, reason: text, nextTryAt: until }]
    }
  }

  /** Looks no more. Whoever waits, waits on in the next life. */
  close(): void {
    this.#isClosed = true
    this.#unfollow()
    this.#cancel?.()
  }

  #lookIn(ms: number): void {
    if (this.#isClosed) return
    this.#cancel?.()
    this.#cancel = this.#options.clock.after(ms, () => {
      try {
        this.look()
      } catch (error) {
        this.#options.onDefect(error)
      }
    })
  }

  #waiters(): Entry[] {
    const waiting = this.#options.journal.living().filter(({ holder }) => isWaiting(holder))
    return waiting.toSorted((a, b) => a.timeline.createdAt - b.timeline.createdAt)
  }

  #next(): { readonly admitted: readonly HolderId[]; readonly left: Demand } {
    const { facts, clock } = this.#options
    const waiters = this.#waiters().map(
      ({ id, holder: { spec }, timeline }): Waiter => ({
        ...{ id, since: timeline.createdAt },
        demand: demandOf(spec),
        hasAddress: hasAddress(facts, spec),
      }),
    )
    return admit(waiters, freeNow(facts), clock.now())
  }
}
