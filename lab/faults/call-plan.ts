// What becomes of one EC2 call while the lab misbehaves: a sheet that the latency profile and every
// fault that strikes write on, and that lab/ec2/call.ts and the switchboard then follow.
//
//   wait ──▶ refuse? ──▶ others act ──▶ effect ──▶ others act ──▶ wait ──▶ refuse? ──▶ deliver

import type { Refusal } from '../model/refusal.ts'
import type { World } from '../model/world.ts'
import type { CallFacts } from './call-facts.ts'

/** How an answer goes out: whole, not at all (FIN or RST), or in drops over a time. */
export type Delivery = 'whole' | 'close' | 'reset' | { readonly overMs: number }

/** Something done to the world by another than the caller. Throws a Refusal when it cannot be. */
export type Deed = (world: World) => World

/** A deed, and when: 0 is before the answer. The target is the ENI of the call. */
export type LaterDeed = {
  readonly afterMs: number
  readonly deed: (world: World, eniId: string) => World
}

export type CallPlan = {
  readonly facts: CallFacts
  /** Who wrote on it: the names of the faults, for the call log. */
  readonly hits: string[]
  beforeMs: number
  afterMs: number
  /** Answered instead of the effect. */
  refusal?: Refusal
  /** Answered after the effect, instead of its output. */
  refusalAfter?: Refusal
  delivery: Delivery
  /** A call that reads sees the world of so long ago. */
  lagMs: number
  /** What is younger than this is NotFound to a call that changes. */
  unseenMs: number
  /** What EC2 does later by itself (attaching → attached …) happens so much later. */
  settleMs: number
  /** The link appears so long after the answer; Infinity is never. */
  linkMs: number
  /** The link goes, and comes again, so long after it appeared. */
  againMs?: number
  /** IMDS learns of it so much later. */
  imdsMs: number
  /** IMDS knows the MAC, but nothing below it, for so long. */
  imdsBareMs: number
  readonly deedsBefore: Deed[]
  readonly deedsAfter: LaterDeed[]
}

/** A sheet on which nothing is written: a call that nothing happens to. */
export const blankPlan = (facts: CallFacts): CallPlan => ({
  facts,
  hits: [],
  beforeMs: 0,
  afterMs: 0,
  delivery: 'whole',
  lagMs: 0,
  unseenMs: 0,
  settleMs: 0,
  linkMs: 0,
  imdsMs: 0,
  imdsBareMs: 0,
  deedsBefore: [],
  deedsAfter: [],
})
