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
import { freeNow, hasAddress, type PlacementFacts, room, withoutSpares } from './placement.ts'
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

/** What launches wait for that spares have. */
export type SparesWanted = {
  readonly slots: number
  /** The subnets of each address that is missing. */
  readonly addresses: readonly (readonly string[])[]
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

  /**
   * How many more such tasks fit beside what is held for those that wait, and why not more. Spares
   * are in nobody's way: they are taken over, or given up.
   */
  room(spec: Spec): Room {
    const facts = withoutSpares(this.#options.facts)
    return room(facts, spec, this.#next(facts).left)
  }

  /** What is free at this moment for whoever does not wait. */
  get left(): Demand {
    return this.#next().left
  }

  /** What those that wait would take at once, were there no spares: slots, and addresses in subnets. */
  get wanted(): SparesWanted {
    const { facts, journal } = this.#options
    if (this.#waiters().length === 0) return { slots: 0, addresses: [] }
    const { admitted } = this.#next(withoutSpares(facts))
    const specs = admitted.flatMap((id) => journal.get(id)?.holder.spec ?? [])
    return {
      slots: specs.reduce((sum, spec) => sum + demandOf(spec).eniCount, 0),
      addresses: specs
        .filter((spec) => !hasAddress(facts, spec))
        .flatMap(({ enis }) => enis.map(({ subnetIds }) => subnetIds)),
    }
  }

  /** Whether no more may wait. */
  get isFull(): boolean {
    return this.waiterCount >= WAITERS_MAX
  }

  /** How many wait. */
  get waiterCount(): number {
    return this.#waiters().length
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
    if (all.length === 0) return
    const { facts } = this.#options
    const bare = withoutSpares(facts)
    for (const [place, { id, holder, timeline }] of all.entries()) {
      const { reason, detail, taskCount } = room(facts, holder.spec)
      const isComing = taskCount === 0 && room(bare, holder.spec).taskCount > 0
      const spare = isComing ? '. A warm spare is given up for it' : ''
      const until = timeline.createdAt + (holder.spec.waitMs ?? 0)
      const text = `waits for room on this host, place ${place + 1} of ${all.length}, until ${new Date(until).toISOString()}. ${detail}${spare}`
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

  #next(facts: PlacementFacts = this.#options.facts): {
    readonly admitted: readonly HolderId[]
    readonly left: Demand
  } {
    const { clock } = this.#options
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
