// What a kind of fault is: one line that says what it does, the options it takes, and what it does
// where. The kinds stand in families, one file each; kinds.ts has them all by name.

import type { World } from '../model/world.ts'
import type { CallPlan } from './call-plan.ts'
import type { FaultOptions } from './fault.ts'
import type { Bucket } from './throttle.ts'

/** What a fault that strikes at a call has to work with. */
export type CallStrike = {
  readonly plan: CallPlan
  readonly options: FaultOptions
  readonly nowMs: number
  /** This fault's own token buckets. */
  readonly buckets: Map<string, Bucket>
}

/** What becomes of one request to IMDS. */
export type ImdsPlan = {
  /** Closed without an answer. */
  absent: boolean
  /** Answered 503. */
  failing: boolean
  /** Sees the world of so long ago. */
  lagMs: number
  /** The ENIs of which only the MAC is told; `true` is all. */
  bare: boolean | readonly string[]
}

/** What each kind says of itself. */
export type KindWords = {
  readonly summary: string
  readonly options: readonly (keyof FaultOptions)[]
  /** What an option is when it is not given; also what is fixed, where it cannot be given. */
  readonly defaults?: FaultOptions
}

/** A fault in the answers of EC2 calls. Says false where it met a call and let it pass. */
export type CallKind = KindWords & {
  readonly family: 'call'
  readonly onCall: (strike: CallStrike) => boolean | undefined
}

/** A fault in the answers of IMDS. */
export type ImdsKind = KindWords & {
  readonly family: 'imds'
  /** `eniIds`: those that the options name, by id or by task. */
  readonly onImds: (plan: ImdsPlan, options: FaultOptions, eniIds: readonly string[]) => void
}

/** Something IMDS tells the instance, at paths below /latest/. */
export type NoticeKind = KindWords & {
  readonly family: 'notice'
  readonly leaves: (options: FaultOptions, givenAt: Date) => Readonly<Record<string, string>>
}

/** Something that another than the agent does: to an ENI, or beside them. */
export type OutsideKind = KindWords & {
  readonly family: 'outside'
  /** An ENI; the group it was told, or else an ENI's; or nothing in particular. */
  readonly befalls: 'eni' | 'group' | 'none'
  readonly deed: (world: World, eniId: string, options: FaultOptions) => World
}

export type Kind = CallKind | ImdsKind | NoticeKind | OutsideKind

/** The options of every fault that is met again and again. */
export const SCRIPT = ['calls', 'times', 'likelihood', 'seed'] as const

/** The options of what an instance's IMDS does; without `instance` every instance's. */
export const OF_IMDS = [...SCRIPT, 'instance'] as const

/** The options of a fault that is about ENIs. */
export const OF_ENI = [...SCRIPT, 'eni', 'task'] as const

/** The options of a fault that any EC2 call may meet. */
export const OF_CALL = [...OF_ENI, 'action'] as const

/** The duration a fault was told, in milliseconds. */
export const durationMs = ({ seconds = 0 }: FaultOptions): number => seconds * 1000
