// Which flows a security group remembers, as EC2 does it (EC2 user guide, "Security group connection
// tracking"). Pure. Each ENI of a flow decides for itself, at the flow's first packet:
//
//   untracked   TCP or UDP that one rule lets to or from everywhere, where another rule lets all
//               ports to and from everywhere in the other direction: nothing is remembered, every
//               packet is judged by the rules as they are, and it ends when a rule goes
//   tracked     all the rest: what was agreed goes on, in both directions, until it times out
//
// The kernel has one entry for a flow, between two ENIs: its mark has one bit for each of them. An
// ICMP error belongs to the entry of the flow it speaks of, but is no part of it: rules judge it.

import type { Rule } from './fabric.ts'
import {
  accept,
  addChain,
  addRule,
  bits,
  type Command,
  ct,
  flowIs,
  goTo,
  match,
  meta,
  type Statement,
  set,
} from './nft.ts'
import { PORT_MAX, TCP, UDP } from './protocol.ts'
import { firstOfFlow, passed, passedBy } from './reason.ts'

/** A command that adds a rule, to which chain, and the group's rule it comes from. */
export type ChainRule = {
  readonly chain: string
  readonly ruleId: string
  readonly command: Command
}

type Direction = Rule['direction']
type Version = 'ipv4' | 'ipv6'

/** Bits of a flow's mark: tracked by the ENI that sent its first packet, and by the other one. */
const TRACKED = { egress: 1, ingress: 2 } as const
const OTHER = { egress: 'ingress', ingress: 'egress' } as const

/** Where a rule of that direction ends that lets a packet through: the flow may be remembered. */
export const agreedChain = (direction: Direction): string => `${direction}_agreed`
/** The same for a flow that is not to be remembered. */
const untrackedChain = (direction: Direction): string => `${direction}_untracked`
/** A group's rules that let TCP or UDP to or from everywhere. Ids hold no `_`: names are unique. */
export const openChain = (groupId: string, direction: Direction): string =>
  `${direction}_open-${groupId}`
/** Says, by the packet's mark, that a group lets every answer go the other way. */
export const freeChain = (groupId: string, direction: Direction): string =>
  `${direction}_free-${groupId}`

/** Before a set of groups is asked; a mark of its own never leaves the fabric. */
export const notFree: Statement = set(meta('mark'), 0)
/** Whether a group of the set lets every answer go the other way. */
export const isFree: Statement = match(meta('mark'), 1)

/** The chains in which a flow is agreed: its first packet is what decides. */
export function agreedChains(): Command[] {
  return (['egress', 'ingress'] as const).flatMap((direction) => {
    const remember = set(ct('mark'), bits('|', ct('mark'), TRACKED[direction]))
    const chain = (name: string, ...first: Statement[]): Command[] => [
      addChain('inet', name),
      addRule('inet', name, [firstOfFlow, ...first, passed(direction)]),
      addRule('inet', name, [accept]),
    ]
    return [...chain(agreedChain(direction), remember), ...chain(untrackedChain(direction))]
  })
}

/**
 * A gate's first rules: what its own ENI tracks passes, whichever way it goes. First of all what both
 * ENIs track, since that is all of a flow between most, and its way need not be asked.
 */
export function passTracked(gate: string, direction: Direction): Command[] {
  const way = (going: 'original' | 'reply', bit: number): Command =>
    addRule('inet', gate, [
      flowIs('new', 'established'),
      match(ct('direction'), going),
      match(bits('&', ct('mark'), bit), bit),
      accept,
    ])
  const byBoth = match(ct('mark'), TRACKED.egress | TRACKED.ingress)
  return [
    addRule('inet', gate, [byBoth, flowIs('new', 'established'), accept]),
    way('original', TRACKED[direction]),
    way('reply', TRACKED[OTHER[direction]]),
  ]
}

/** The chains of one group that tell untracked flows. */
export const untrackedChains = (groupId: string): string[] =>
  (['egress', 'ingress'] as const).flatMap((direction) => [
    openChain(groupId, direction),
    freeChain(groupId, direction),
  ])

/** A rule of a chain, with the id of the group's rule it comes from. */
export const chainRule = (chain: string, statements: Statement[], ruleId: string): ChainRule => ({
  chain,
  ruleId,
  command: addRule('inet', chain, statements, ruleId),
})

/** What a rule from or to everywhere, in one version, adds to them; `ports` is its own match. */
export function untracked(
  groupId: string,
  { direction, protocol, from, to, ruleId }: Rule,
  version: Version,
  ports: readonly Statement[],
): ChainRule[] {
  if (protocol !== 'all' && protocol !== TCP && protocol !== UDP) return []
  const ipVersion = match(meta('nfproto'), version)
  const everyPort = protocol === 'all' || (from === 0 && to === PORT_MAX)
  return (protocol === 'all' ? [TCP, UDP] : [protocol]).flatMap((number) => {
    const isOne = match(meta('l4proto'), number)
    const open = protocol === 'all' ? [isOne] : ports
    const free = [ipVersion, isOne, set(meta('mark'), 1)]
    return [
      chainRule(
        openChain(groupId, direction),
        [ipVersion, ...open, ...passedBy(ruleId), goTo(untrackedChain(direction))],
        ruleId,
      ),
      ...(everyPort ? [chainRule(freeChain(groupId, OTHER[direction]), free, ruleId)] : []),
    ]
  })
}
