// What became of spares that failed: how many of each pool, why the last one did, and when the next
// one may be tried. In memory only: after a restart, trying at once is right.

import { StateFileUnwritable } from '../state/database.ts'
import { poolKey, poolOf } from '../state/spare.ts'
import type { HolderId } from '../state/spec.ts'
import type { Holder, Stop } from '../state/task.ts'
import { Failure } from './failure.ts'

/** The pause after a failure, twice as long after each that follows, and the longest; milliseconds. */
export const PAUSE_MS = { first: 5_000, max: 300_000 }
/** A failure so long after the last one is a first one, milliseconds. */
const APART_MS = 600_000

/** The failures of one pool. */
export type PoolFailures = {
  readonly count: number
  readonly last: { readonly spareId: HolderId; readonly at: number; readonly reason: string }
  /** Milliseconds since the epoch; absent once a spare of the pool was handed out. */
  readonly notBefore?: number
}

/** Why a spare stops that is not as it should be. */
export const spareFailed = (reason: string): Stop => ({ code: 'TaskFailedToStart', reason })

/** A spare that failed, or was hurt, and was not told to stop. */
const isFailure = ({ code }: Stop): boolean =>
  code === 'TaskFailedToStart' || code === 'EssentialContainerExited'

export class SpareFailures {
  readonly #pools = new Map<string, PoolFailures & { readonly streak: number }>()
  readonly #known = new Set<HolderId>()

  /** How many failed in all. */
  count = 0

  of(pool: string): PoolFailures | undefined {
    return this.#pools.get(pool)
  }

  /** How a spare stands. The reason why it is on its way down, where it failed and that is news. */
  learn(id: HolderId, holder: Holder, now: number): string | undefined {
    const { stop } = holder
    if (stop === undefined || this.#known.has(id) || !isFailure(stop)) return undefined
    this.#known.add(id)
    const pool = poolKey(poolOf(holder))
    this.count += 1
    const before = this.#pools.get(pool)
    const isFirst = before === undefined || now - before.last.at > APART_MS
    const streak = isFirst ? 1 : before.streak + 1
    const pauseMs = Math.min(PAUSE_MS.max, PAUSE_MS.first * 2 ** (streak - 1))
    this.#pools.set(pool, {
      streak,
      count: (before?.count ?? 0) + 1,
      last: { spareId: id, at: now, reason: stop.reason },
      notBefore: now + pauseMs,
    })
    return stop.reason
  }

  /** A spare of the pool was handed out: whatever failed is over. */
  isOver(pool: string): void {
    const before = this.#pools.get(pool)
    if (before === undefined) return
    const { count, last } = before
    this.#pools.set(pool, { count, last, streak: 0 })
  }
}

/** Whether it is the state file that cannot be written: everything can be tried again. */
export const isUnwritable = (error: unknown): boolean =>
  error instanceof StateFileUnwritable ||
  (error instanceof Failure && error.code === 'StateFileUnwritable')
