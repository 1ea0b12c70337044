// How a rule says why: what it counts, and what it tells the log (verdict-log.ts) of a packet that
// it drops, and of the first packet of a flow that it lets pass. Pure.
//
//   dropped   log "drop <gate> <reason>": every packet
//   passed    the rule writes its number into the packet's mark; where the gate ends, one rule for
//             all of them logs "pass <gate>" and the mark, if the packet is its flow's first. A rule
//             of its own for that would double the rules, and so what a change of them costs.
//
// The comment of a rule is the reason as well: its counter is found by it (kernel-rules.ts).

import { createHash } from 'node:crypto'
import {
  addRule,
  bits,
  type Command,
  counter,
  ct,
  drop,
  log,
  match,
  meta,
  type Statement,
  set,
} from './nft.ts'

/** NFLOG's group; the groups of another namespace are others. */
export const LOG_GROUP = 1

/** Where a packet can be judged, in the order in which it meets them. */
export const GATES = [
  'frames',
  'source',
  'router',
  'destination',
  'egress',
  'leaving',
  'entering',
  'ingress',
  'gateway', // Not a gate that judges: where a flow leaves for one.
] as const
export type Gate = (typeof GATES)[number]

/**
 * IPS_CONFIRMED of a flow's status: a packet of it has passed all gates before. An ICMP error has
 * the status of the flow it is about; a packet of no flow has none, and matches nothing.
 */
const CONFIRMED = 8

/** Whether a packet is the first of its flow. */
export const firstOfFlow: Statement = match(bits('&', ct('status'), CONFIRMED), 0)

/** Counts the packet, says why it is dropped, and drops it. */
export const dropped = (gate: Gate, reason: string): Statement[] => [
  counter,
  log(LOG_GROUP, `drop ${gate} ${reason}`),
  drop,
]

/** A rule that drops, and says why; behind all others, what a chain's policy would do unsaid. */
export const refuse = (chain: string, gate: Gate, reason: string, ...when: Statement[]): Command =>
  addRule(gate === 'frames' ? 'netdev' : 'inet', chain, [...when, ...dropped(gate, reason)], reason)

/** The reason where no route leads a packet on. */
export const NO_ROUTE = 'no route'

/** Counts the packet, and notes who lets it pass: `passed`, further on, tells. */
export const passedBy = (reason: string): Statement[] => [
  counter,
  set(meta('mark'), numberOf(reason)),
]

/** Tells who let the packet pass a gate; for a rule that asked `firstOfFlow`. */
export const passed = (gate: Gate): Statement => log(LOG_GROUP, `pass ${gate}`)

/** The mark of a packet that crosses no subnet's border (near.ts). */
export const WITHIN = 0xffff_ffff

/** What stands for a reason in a packet's mark: never 0, 1 or `WITHIN`, which mean something else there. */
export const numberOf = (reason: string): number => {
  const number = createHash('sha256').update(reason).digest().readUInt32BE(0)
  return Math.min(Math.max(2, number), WITHIN - 1)
}

/** What a log's words say; undefined for words that are not ours. */
export function wordsOf(prefix: string): { drop: boolean; gate: Gate; reason: string } | undefined {
  const [, verb, name, reason = ''] = /^(drop|pass) ([a-z]+)(?: (.*))?$/.exec(prefix) ?? []
  const gate = GATES.find((each) => each === name)
  return verb === undefined || gate === undefined
    ? undefined
    : { drop: verb === 'drop', gate, reason }
}
