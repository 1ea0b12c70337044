// What happens later in a lab: work that begins after a time, and answers that are held back. All
// of it ends at once on a reset or when the lab goes down. The clock is a parameter, so that a test
// need not wait.

import { Refusal } from '../model/refusal.ts'

/** A clock: its time only ever grows. */
export type Clock = {
  /** Milliseconds since some moment. */
  nowMs(): number
  /** Does the work after that many milliseconds; the answer calls it off. */
  start(ms: number, work: () => void): () => void
}

const REAL: Clock = {
  nowMs: () => performance.now(),
  start(ms, work) {
    const timer = setTimeout(work, ms)
    return () => clearTimeout(timer)
  },
}

export class Timers {
  readonly #clock: Clock
  #ended = false
  readonly #pending = new Set<{ readonly callOff: () => void; readonly dropped?: () => void }>()

  constructor(clock: Clock = REAL) {
    this.#clock = clock
  }

  /** The clock's time, in milliseconds since some moment. */
  nowMs(): number {
    return this.#clock.nowMs()
  }

  /** Does the work after that many milliseconds, unless all is called off before: then `dropped`. */
  after(ms: number, work: () => void, dropped?: () => void): void {
    this.#start(ms, work, dropped)
  }

  /** Resolves after that many milliseconds; rejects with Unavailable when all is called off. */
  wait(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#start(ms, resolve, () =>
        reject(new Refusal('Unavailable', 'The lab was reset or ends: ask again.', 503)),
      )
    })
  }

  /** How many are pending. */
  get count(): number {
    return this.#pending.size
  }

  /** Calls off everything, and whatever is still to be asked for. */
  end(): void {
    this.#ended = true
    this.clear()
  }

  /** Calls off everything that is pending. */
  clear(): void {
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const { callOff, dropped } of pending) {
      callOff()
      dropped?.()
    }
  }

  #start(ms: number, work: () => void, dropped?: () => void): void {
    if (this.#ended) {
      dropped?.()
      return
    }
    const callOff = this.#clock.start(ms, () => {
      this.#pending.delete(entry)
      work()
    })
    const entry = { callOff, ...(dropped === undefined ? {} : { dropped }) }
    this.#pending.add(entry)
  }
}
