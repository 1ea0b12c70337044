// A world of plain memory for tests of the runner: drivers that do as they are told, fail as they
// are told, and a clock that moves when it is told.

import type { Clock } from '../../agent/clock.ts'
import type { Details, Drivers, Job } from '../../agent/drivers/driver.ts'
import { Runner, type RunnerOptions } from '../../agent/runner.ts'
import type { Journal } from '../../state/journal.ts'
import type { RowId, Verb } from '../../state/task.ts'

/** What a script makes of one call: throw, hang until aborted, or go on. */
export type Script = (call: { verb: Verb; job: Job; attempt: number }) => Promise<void> | void

export class World {
  readonly there = new Set<string>()
  readonly calls: string[] = []
  readonly attempts = new Map<string, number>()
  script: Script = () => {}

  /** Drivers over this world. */
  drivers(): Drivers {
    const driver = {
      ensure: async (job: Job, signal: AbortSignal) => {
        await this.#call('ensure', job, signal)
        this.there.add(`${job.holderId} ${job.row}`)
        return { eniId: `eni-of-${job.holderId}`, choice: job.choice ?? '' } as never
      },
      release: async (job: Job, signal: AbortSignal) => {
        await this.#call('release', job, signal)
        this.there.delete(`${job.holderId} ${job.row}`)
        return job.row.startsWith('container:') ? { logTail: 'bye' } : undefined
      },
    }
    return {
      eni: driver,
      publicIp: driver,
      image: driver,
      volume: driver,
      cgroup: driver,
      sandbox: driver,
      attachment: driver,
      guard: driver,
      link: driver,
      created: driver,
      container: driver,
    } satisfies { [K in keyof Drivers]: { ensure(job: Job, s: AbortSignal): Promise<Details[K]> } }
  }

  async #call(verb: Verb, job: Job, signal: AbortSignal): Promise<void> {
    const key = `${verb} ${job.row}`
    const attempt = (this.attempts.get(key) ?? 0) + 1
    this.attempts.set(key, attempt)
    this.calls.push(job.again ? `${key} again` : key)
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => reject(signal.reason))
    await Promise.race([aborted, (async () => this.script({ verb, job, attempt }))()])
  }
}

/** Hangs until the step is aborted. */
export const hang = (): Promise<void> => new Promise(() => {})

/** A clock that stands still but for `pass`. */
export class StillClock implements Clock {
  time = 1_000_000
  #timers: { at: number; call: () => void }[] = []

  now = (): number => this.time
  elapsed = (): number => this.time
  random = (): number => 0.5
  after = (ms: number, call: () => void): (() => void) => {
    const timer = { at: this.time + ms, call }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer)
    }
  }

  /** Moves on by `ms`, calling back what is due, and lets what follows happen. */
  async pass(ms: number): Promise<void> {
    const until = this.time + ms
    for (;;) {
      await settle()
      const due = this.#timers.filter((t) => t.at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((t) => t !== due)
      this.time = due.at
      due.call()
    }
    this.time = until
    await settle()
  }
}

const DEADLINE_MS = 60_000

/** A runner over such a world: one subnet, one device index, a minute for everything. */
export function newRunner(
  parts: { journal: Journal; world: World; clock: Clock; defects: unknown[] },
  change: Partial<RunnerOptions> = {},
): Runner {
  const { journal, world, clock, defects } = parts
  const kinds = Object.keys(world.drivers()) as (keyof Drivers)[]
  return new Runner({
    journal,
    drivers: world.drivers(),
    choose: (_, row) => ({ 'eni:0': 'subnet-a', 'attachment:0': '1' })[row as string],
    clock,
    deadlineMs: Object.fromEntries(
      kinds.map((kind) => [kind, DEADLINE_MS]),
    ) as RunnerOptions['deadlineMs'],
    onDefect: (error) => defects.push(error),
    ...change,
  })
}

/** Lets every promise that can go on, go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Whether the world holds this row. */
export const holds = (world: World, id: string, row: RowId): boolean =>
  world.there.has(`${id} ${row}`)
