// What a dead lab's packets and flows go by, read from the kernel by the lab that takes over: the
// marks by which they ask route tables, and whose numbers their conntrack zones are made of.

import { kernelRules } from './kernel-rules.ts'
import { marksOf } from './policy.ts'
import { HOP_CHAINS, numberIn } from './routing.ts'

export type StandingRoutes = {
  /** In use: another table must not be asked by one of them. */
  readonly marks: readonly number[]
  /** A flow is found in the zone that it began in, so whoever has a number keeps it. */
  readonly numbered: readonly NonNullable<ReturnType<typeof numberIn>>[]
}

/** Reads it; `tables` are the numbers of the kernel's tables that have routes or rules. */
export function standingRoutes(conntrack: number, tables: readonly number[]): StandingRoutes {
  const comments = HOP_CHAINS.flatMap((chain) =>
    kernelRules(conntrack, 'inet', chain).map(({ comment }) => comment),
  )
  return {
    marks: marksOf(tables),
    numbered: comments.flatMap((comment) => numberIn(comment) ?? []),
  }
}
