// What may be asked of the warm spares (orders.ts): how tasks begin, and how the pools stand.

import type { Placed, PoolPlace, Way } from '../state/spare.ts'
import type { HolderId, Spec } from '../state/spec.ts'

/** One pool of warm spares as it stands. Moments are milliseconds since the epoch. */
export type SparePoolView = PoolPlace & {
  readonly target: number
  readonly max: number
  /** How many there should be, for what was launched lately. */
  readonly wanted: number
  readonly ready: readonly HolderId[]
  readonly making: readonly HolderId[]
  /** Launches since the agent started: with a spare as it was, in other groups, without one. */
  readonly served: Readonly<Record<Way, number>>
  readonly failedCount: number
  readonly lastFailure?: {
    readonly spareId: HolderId
    readonly at: number
    readonly reason: string
  }
  /** No other one is made before. */
  readonly notBefore?: number
}

/** The warm spares of this host. Counts are since the agent started. */
export type SparesView = {
  readonly isOn: boolean
  /** How many there may be now, and why not more. */
  readonly limit: number
  readonly why: string
  readonly pools: readonly SparePoolView[]
  /** On their way down, their slots not free yet. */
  readonly leavingCount: number
  readonly givenUpCount: number
  readonly failedCount: number
  readonly served: Readonly<Record<Way, number>>
}

/** What may be asked of the warm spares. */
export type SpareOrders = {
  /**
   * How so many such tasks begin: as spares that fit, on their own, or when a spare has given up its
   * slot. Nothing is changed; it holds until something is awaited.
   */
  place(spec: Spec, count: number): readonly Placed[]
  spares(): SparesView
}
