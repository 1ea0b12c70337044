// A security group as nftables rules. Pure.
//
// Each group has two chains, one per direction, that only ever agree; whoever jumps there drops
// what comes back (and two more for each, that tell untracked flows: tracking.ts). Every rule states
// its IP version first, so that nothing said of one version can match the other, and a rule that
// cannot be said exactly is refused: nothing is ever left out, because a rule with a clause missing
// allows more.

import { parseCidr } from './address.ts'
import { networkOfEnd, prefixMemberSet } from './delegated-prefix.ts'
import type { Group, Rule } from './fabric.ts'
import {
  addChain,
  addSet,
  type Command,
  deleteChain,
  deleteRules,
  deleteSet,
  goTo,
  inSet,
  match,
  meta,
  payload,
  prefix,
  range,
  type Statement,
} from './nft.ts'
import { ANY, ICMP, ICMPV6, PORT_MAX, TCP, UDP } from './protocol.ts'
import { passedBy } from './reason.ts'
import { agreedChain, type ChainRule, chainRule, untracked, untrackedChains } from './tracking.ts'

const ID = /^[a-z][a-z0-9-]{0,63}$/i

type Version = 'ipv4' | 'ipv6'
export type Direction = Rule['direction']

/** The chain with a group's rules of one direction. */
export const groupChain = (groupId: string, direction: Direction): string =>
  `${direction}-${groupId}`
/**
 * The set with the private addresses of the ENIs that wear a group. Their delegated prefixes stand
 * in another beside it.
 */
export const memberSet = (groupId: string, version: Version): string => `${version}-of-${groupId}`

/**
 * Creates a group, or replaces the rules it has had `before`: one that says the same is left alone,
 * and its counter with it. The order of a chain's rules does not matter: each only ever agrees. Throws an Error that names the rule, the value and what is allowed when a rule cannot be
 * enforced exactly as it is written.
 */
export function putGroup(group: Group, before?: Group): Command[] {
  checkId('groupId', group.groupId)
  const { groupId } = group
  const rules = group.rules.flatMap((rule) => compileRule(groupId, rule))
  const had = (before?.rules ?? []).flatMap((rule) => compileRule(groupId, rule))
  const ground =
    before === undefined
      ? [
          ...chainsOf(groupId).map((chain) => addChain('inet', chain)),
          ...VERSIONS.flatMap((version) =>
            memberSets(groupId, version).map((set) => addSet('inet', set, [`${version}_addr`])),
          ),
        ]
      : []
  const changes = chainsOf(groupId).flatMap((chain) => {
    const [was, now] = [commandsIn(had, chain), commandsIn(rules, chain)]
    return [...new Set([...was.keys(), ...now.keys()])].flatMap((ruleId) => {
      const [old, recent] = [was.get(ruleId), now.get(ruleId)]
      if (JSON.stringify(old) === JSON.stringify(recent)) return []
      return [...(old === undefined ? [] : [deleteRules(chain, ruleId)]), ...(recent ?? [])]
    })
  })
  return [...ground, ...changes]
}

/** Takes a group away. The kernel refuses while a rule or an ENI still refers to it. */
export function dropGroup(groupId: string): Command[] {
  return [
    ...chainsOf(groupId).map((chain) => deleteChain('inet', chain)),
    ...VERSIONS.flatMap((version) =>
      memberSets(groupId, version).map((set) => deleteSet('inet', set)),
    ),
  ]
}

const VERSIONS: readonly Version[] = ['ipv4', 'ipv6']
const memberSets = (groupId: string, version: Version): string[] => [
  memberSet(groupId, version),
  prefixMemberSet(groupId, version),
]

/** The commands that add a chain's rules, by the id of the group's rule that they come from. */
function commandsIn(rules: readonly ChainRule[], chain: string): Map<string, Command[]> {
  const found = new Map<string, Command[]>()
  for (const rule of rules) {
    if (rule.chain !== chain) continue
    found.set(rule.ruleId, [...(found.get(rule.ruleId) ?? []), rule.command])
  }
  return found
}

const chainsOf = (groupId: string): string[] => [
  groupChain(groupId, 'ingress'),
  groupChain(groupId, 'egress'),
  ...untrackedChains(groupId),
]

function compileRule(groupId: string, rule: Rule): ChainRule[] {
  try {
    checkId('ruleId', rule.ruleId)
    return versionsOf(rule).flatMap((version) => {
      const [peers, ports] = [peerMatches(rule, version), protocolMatch(rule)]
      return peers.flatMap((peer) => {
        const statements = [
          match(meta('nfproto'), version),
          ...peer,
          ...ports,
          ...passedBy(rule.ruleId),
          goTo(agreedChain(rule.direction)),
        ]
        return [
          chainRule(groupChain(groupId, rule.direction), statements, rule.ruleId),
          ...(peer.length === 0 ? untracked(groupId, rule, version, ports) : []),
        ]
      })
    })
  } catch (error) {
    throw new Error(`rule ${rule.ruleId} of ${groupId}: ${(error as Error).message}`)
  }
}

/** The IP versions that a rule speaks of: its CIDR's, or both; ICMP and ICMPv6 belong to one. */
function versionsOf({ peer, protocol }: Rule): Version[] {
  const only = protocol === ICMP ? 'ipv4' : protocol === ICMPV6 ? 'ipv6' : undefined
  if (peer.kind === 'group') return only === undefined ? ['ipv4', 'ipv6'] : [only]
  if (only !== undefined && only !== peer.kind) {
    throw new Error(
      `protocol ${protocol} is ${only}, its CIDR ${peer.cidr} is ${peer.kind}, so it can match` +
        ` nothing; use protocol ${peer.kind === 'ipv4' ? ICMP : ICMPV6}`,
    )
  }
  return [peer.kind]
}

/** The ways in which a packet's other end can be the peer; one without a match is everybody. */
function peerMatches({ direction, peer }: Rule, version: Version): Statement[][] {
  const end = direction === 'ingress' ? 'saddr' : 'daddr'
  const field = payload(version === 'ipv4' ? 'ip' : 'ip6', end)
  if (peer.kind === 'group') {
    checkId('groupId', peer.groupId)
    return [
      [match(field, inSet(memberSet(peer.groupId, version)))],
      [match(networkOfEnd(version, end), inSet(prefixMemberSet(peer.groupId, version)))],
    ]
  }
  const { address, length } = parseCidr(peer.cidr, version)
  return [length === 0 ? [] : [match(field, prefix(address, length))]]
}

function protocolMatch({ protocol, from, to }: Rule): Statement[] {
  if (protocol === TCP || protocol === UDP) {
    const first = bounded('from', from, 0, PORT_MAX)
    const last = bounded('to', to, first, PORT_MAX)
    if (first === 0 && last === PORT_MAX) return [match(meta('l4proto'), protocol)]
    return [match(payload(protocol === TCP ? 'tcp' : 'udp', 'dport'), range(first, last))]
  }
  if (protocol === ICMP || protocol === ICMPV6) {
    const name = protocol === ICMP ? 'icmp' : 'icmpv6'
    const type = bounded('from (the ICMP type)', from, ANY, 255)
    const code = bounded('to (the ICMP code)', to, ANY, 255)
    if (type === ANY && code !== ANY) throw new Error(`code ${code} needs a type; type is -1 (any)`)
    return [
      match(meta('l4proto'), protocol),
      ...(type === ANY ? [] : [match(payload(name, 'type'), type)]),
      ...(code === ANY ? [] : [match(payload(name, 'code'), code)]),
    ]
  }
  if (from !== undefined || to !== undefined) {
    throw new Error(`protocol ${protocol} has no ports; leave from and to out`)
  }
  return protocol === 'all' ? [] : [match(meta('l4proto'), bounded('protocol', protocol, 0, 255))]
}

/** The value, if it is a whole number of that range; throws an Error that names it otherwise. */
export function bounded(
  field: string,
  value: number | undefined,
  min: number,
  max: number,
): number {
  if (value !== undefined && Number.isInteger(value) && value >= min && value <= max) return value
  throw new Error(`${field} is ${value}; it must be a whole number from ${min} to ${max}`)
}

/** Throws unless the id is letters, digits and '-': it becomes part of names in nftables. */
export function checkId(field: string, id: string): void {
  if (!ID.test(id)) {
    throw new Error(`${field} is '${id}'; allowed are letters, digits and '-', at most 64`)
  }
}
