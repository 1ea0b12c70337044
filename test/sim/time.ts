// Time and chance of the simulation: one seed, one queue of what is to happen, nothing else. The
// same seed gives the same run to the last event.

import type { Clock } from '../../agent/clock.ts'

/** A seeded source of numbers (mulberry32: 32 bits of state, good enough to drive faults). */
export class Chance {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  /** Whether something of this likelihood happens. */
  happens(likelihood: number): boolean {
    return this.next() < likelihood
  }
  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }
  /** One of these. */
  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T
  }
}

type Timer = { readonly at: number; readonly order: number; readonly call: () => void }

/** Virtual time. Nothing passes but by `step`. */
export class Timeline {
  now = 1_700_000_000_000
  /** How far the host's clock is off, milliseconds: somebody sets it now and then. */
  skewMs = 0
  #order = 0
  readonly #queue: Timer[] = []

  /** Calls back after `ms` of virtual time; the answer cancels. */
  after(ms: number, call: () => void): () => void {
    const timer = { at: this.now + ms, order: this.#order++, call }
    let index = this.#queue.length
    while (index > 0 && later(this.#queue[index - 1] as Timer, timer)) index--
    this.#queue.splice(index, 0, timer)
    return () => {
      const at = this.#queue.indexOf(timer)
      if (at >= 0) this.#queue.splice(at, 1)
    }
  }

  /** Lets the next thing happen. False when nothing is left to happen. */
  step(): boolean {
    const timer = this.#queue.shift()
    if (timer === undefined) return false
    this.now = Math.max(this.now, timer.at)
    timer.call()
    return true
  }

  /** When the next thing happens, or undefined. */
  get nextAt(): number | undefined {
    return this.#queue[0]?.at
  }
}

const later = (a: Timer, b: Timer): boolean => a.at > b.at || (a.at === b.at && a.order > b.order)

/** A clock of one life of the agent: when the life ends, its timers never fire. */
export class LifeClock implements Clock {
  isOver = false
  readonly #timeline: Timeline
  readonly #chance: Chance
  readonly #bornAt: number
  constructor(timeline: Timeline, chance: Chance) {
    this.#timeline = timeline
    this.#chance = chance
    this.#bornAt = timeline.now
  }
  now = (): number => this.#timeline.now + this.#timeline.skewMs
  elapsed = (): number => this.#timeline.now - this.#bornAt
  random = (): number => this.#chance.next()
  after = (ms: number, call: () => void): (() => void) =>
    this.#timeline.after(ms, () => {
      if (!this.isOver) call()
    })
}

/**
 * Lets every promise that can go on, go on. The runner's longest chain of awaits after a driver's
 * answer is far below this many turns; the simulation checks that nothing moves after it.
 */
export async function drain(): Promise<void> {
  for (let turn = 0; turn < 24; turn++) await undefined
}
