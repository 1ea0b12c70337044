// Time as the agent sees it, handed in so that a simulation can bring its own.

export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds from any start that never jump, as `now` does when somebody sets the clock. */
  elapsed(): number
  /** Calls back after `ms`; the returned order cancels that. */
  after(ms: number, call: () => void): () => void
  /** A number in [0, 1), for jitter. */
  random(): number
}

/** The machine's own time. Its timers never keep the process alive. */
export const machineClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
