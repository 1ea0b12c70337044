// A network ACL as nftables rules. Pure.
//
// Each ACL has two chains, one per direction. The entries stand in them in the order of their
// numbers, so that the first that matches decides; what none matches goes back to the border's gate
// (border.ts), which drops. Nothing in here asks conntrack: an ACL knows no flows.
//
// Ports are never missing: the kernel puts fragments together before the first gate (conntrack
// needs that), so a datagram is judged whole, and a fragment without its first never leaves.

import { parseCidr } from './address.ts'
import type { Acl, AclEntry } from './fabric.ts'
import {
  addChain,
  addRule,
  type Command,
  deleteChain,
  flushChain,
  goTo,
  match,
  meta,
  payload,
  prefix,
  range,
  type Statement,
  transport,
} from './nft.ts'
import { ANY, ICMP, ICMPV6, PORT_MAX, TCP, UDP } from './protocol.ts'
import { dropped, type Gate, passedBy } from './reason.ts'
import { bounded, checkId } from './security-group.ts'

const NUMBER_MAX = 32766

type Direction = AclEntry['direction']

/** The gate at which the entries of a direction are asked. */
export const GATE_OF = { egress: 'leaving', ingress: 'entering' } as const satisfies Record<
  Direction,
  Gate
>

/** Where an entry ends that allows a packet. */
export const allowedChain = (direction: Direction): string => `${GATE_OF[direction]}_allowed`

/** What an entry is called, and what decides where none matches: EC2's last entry, `*`. */
export const entryName = (aclId: string, direction: Direction, number: number | '*'): string =>
  `${aclId} ${direction} ${number}`

/** The chain with an ACL's entries of one direction. */
export const aclChain = (aclId: string, direction: Direction): string => `acl-${direction}-${aclId}`

/**
 * Creates an ACL, or replaces its entries, whatever their order in the list. Throws an Error that
 * names the entry, the value and what is allowed when one cannot be enforced as it is written.
 */
export function putAcl(acl: Acl, isNew: boolean): Command[] {
  checkId('aclId', acl.aclId)
  const chains = (['ingress', 'egress'] as const).map((direction) => aclChain(acl.aclId, direction))
  const entries = [...acl.entries].sort((a, b) => a.ruleNumber - b.ruleNumber)
  const numbers = entries.map(({ direction, ruleNumber }) => `${direction} entry ${ruleNumber}`)
  const twice = numbers.find((number, at) => numbers.indexOf(number) !== at)
  if (twice !== undefined) throw new Error(`${acl.aclId}: ${twice} is there twice`)
  return [
    ...chains.map((name) => (isNew ? addChain('inet', name) : flushChain('inet', name))),
    ...entries.map((entry) => compileEntry(acl.aclId, entry)),
  ]
}

/** Takes an ACL away. The kernel refuses while a subnet is associated with it. */
export function dropAcl(aclId: string): Command[] {
  return (['ingress', 'egress'] as const).map((direction) =>
    deleteChain('inet', aclChain(aclId, direction)),
  )
}

function compileEntry(aclId: string, entry: AclEntry): Command {
  const { direction, ruleNumber, peer, action } = entry
  const name = entryName(aclId, direction, ruleNumber)
  try {
    bounded('ruleNumber', ruleNumber, 1, NUMBER_MAX)
    const { address, length } = parseCidr(peer.cidr, peer.kind)
    const field = payload(
      peer.kind === 'ipv4' ? 'ip' : 'ip6',
      direction === 'ingress' ? 'saddr' : 'daddr',
    )
    const statements = [
      match(meta('nfproto'), peer.kind),
      ...(length === 0 ? [] : [match(field, prefix(address, length))]),
      ...protocolMatch(entry),
      ...(action === 'allow'
        ? [...passedBy(name), goTo(allowedChain(direction))]
        : dropped(GATE_OF[direction], name)),
    ]
    return addRule('inet', aclChain(aclId, direction), statements, name)
  } catch (error) {
    throw new Error(`entry ${name}: ${(error as Error).message}`)
  }
}

/**
 * ICMP's type and code are read where they stand, not by nftables' own fields: those imply an IP
 * version, and EC2 takes ICMP in IPv6 as well as ICMPv6 in IPv4 (without type and code).
 */
function protocolMatch({ protocol, from, to, peer }: AclEntry): Statement[] {
  if (protocol === TCP || protocol === UDP) {
    const first = bounded('from', from, 0, PORT_MAX)
    const last = bounded('to', to, first, PORT_MAX)
    if (first === 0 && last === PORT_MAX) return [match(meta('l4proto'), protocol)]
    return [match(payload(protocol === TCP ? 'tcp' : 'udp', 'dport'), range(first, last))]
  }
  if (protocol === ICMP || (protocol === ICMPV6 && peer.kind === 'ipv6')) {
    const type = bounded('from (the ICMP type)', from, ANY, 255)
    const code = bounded('to (the ICMP code)', to, ANY, 255)
    if (type === ANY && code !== ANY) throw new Error(`code ${code} needs a type; type is -1 (any)`)
    return [
      match(meta('l4proto'), protocol),
      ...(type === ANY ? [] : [match(transport(0, 8), type)]),
      ...(code === ANY ? [] : [match(transport(8, 8), code)]),
    ]
  }
  if (from !== undefined || to !== undefined) {
    throw new Error(`protocol ${protocol} has no ports; leave from and to out`)
  }
  return protocol === 'all' ? [] : [match(meta('l4proto'), bounded('protocol', protocol, 0, 255))]
}
