// The nftables of the way to the real Internet. Pure. On the host it is a table of the lab's own, which
// speaks of the lab's link alone: what others' tables say of it holds as well, and what they drop stays
// dropped.
//
//   link ─▶ from_lab: the lab's address, to a public one ─▶ forward: out by the default route's link
//           and by its gateway ─▶ masquerade ─▶ uplink
//   link ◀─ forward: only what is an answer ◀─ uplink
//   link ─▶ input ✕        the host itself ─▶ output ✕ (but words about packets under way)
//
// The first chain stands before connection tracking and before anybody's translation: an address of
// the host's own, of which Docker would make a container's, is no public one.

import { parseCidr } from './address.ts'
import {
  accept,
  addLook,
  addNatChain,
  addRule,
  addTable,
  anyOf,
  bits,
  type Command,
  counter,
  deleteChain,
  deleteTable,
  drop,
  type Expression,
  fib,
  flowIs,
  flushChain,
  inTable,
  masquerade,
  match,
  meta,
  nextHop,
  payload,
  prefix,
  routeMss,
  type Statement,
  set,
  tcpMss,
} from './nft.ts'
import { GIVEN_OUT_IPV6, NOT_PUBLIC } from './not-public.ts'
import { TCP, UDP } from './protocol.ts'
import type { Version } from './route-messages.ts'

/** Where the host's default route leads, and the lab's address on the way there. */
export type Way = {
  readonly version: Version
  /** The lab's address, as the host sees it. */
  readonly address: string
  /** The host's link to the Internet. */
  readonly uplink: string
  /** The next router, where the route has one of this IP version. */
  readonly gateway?: string
}

/** The discard port (RFC 863): what the proof is sent to, and never leaves the host. */
export const PROOF_PORT = 9
/** The chain in which the proof ends, and what its rules are called. */
export const PROOF = 'proof'

const iif = meta('iifname')
const oif = meta('oifname')
const protocolOf = { ipv4: 'ip', ipv6: 'ip6' } as const
const field = (version: Version, name: string): Expression => payload(protocolOf[version], name)
const rule = (chain: string, ...statements: Statement[]): Command =>
  addRule('inet', chain, statements)

const SYN = 2
const SYN_OR_RST = 6

/** The host's whole table, in place of one that is there; the proof's packets end in it. */
export function uplinkRuleset(table: string, link: string, ways: readonly Way[]): Command[] {
  const [fromLab, toLab] = [match(iif, link), match(oif, link)]
  return inTable(table, [
    ...noUplinkRules(),
    addTable('inet'),
    addLook('from_lab', 'prerouting', -310),
    rule('from_lab', match(iif, link, '!='), accept),
    ...ways.map((way) => rule('from_lab', ...isPublic(way), accept)),
    rule('from_lab', drop),
    addLook('forward', 'forward', -10),
    ...ways.map(({ uplink }) => rule('forward', fromLab, match(oif, uplink), ...fitting())),
    ...ways.map((way) =>
      rule('forward', fromLab, match(oif, way.uplink), ...isPublic(way), ...byGateway(way), accept),
    ),
    rule('forward', fromLab, drop),
    ...ways.flatMap(({ version, address, uplink }) => {
      const answers = [match(iif, uplink), match(field(version, 'daddr'), address)]
      const known = flowIs('established', 'related')
      return [rule('forward', toLab, ...answers, known, accept)]
    }),
    rule('forward', toLab, drop),
    addLook('input', 'input', -10),
    rule('input', fromLab, drop),
    addLook('output', 'output', -10),
    rule('output', toLab, match(payload('icmp', 'type'), anyOf(3, 11, 12)), accept),
    rule('output', toLab, match(payload('icmpv6', 'type'), anyOf(1, 2, 3, 4)), accept),
    rule('output', toLab, drop),
    addNatChain('leaving', 'postrouting', 100),
    ...ways.map(({ version, address, uplink }) =>
      rule('leaving', match(oif, uplink), match(field(version, 'saddr'), address), masquerade),
    ),
    addLook(PROOF, 'postrouting', -310),
    ...ways.map((way) => {
      const isOne = [match(meta('l4proto'), UDP), match(payload('udp', 'dport'), PROOF_PORT)]
      const from = match(field(way.version, 'saddr'), way.address)
      return addRule('inet', PROOF, [from, ...isOne, counter, drop], way.version)
    }),
  ])
}

/** The proof is over: its port is one like any other. */
export const endOfProof = (table: string): Command[] =>
  inTable(table, [flushChain('inet', PROOF), deleteChain('inet', PROOF)])

/** Takes the table away, or does nothing where there is none. */
export const withoutUplink = (table: string): Command[] => inTable(table, noUplinkRules())

/** On the lab's Internet: what leaves it has the address that the host knows. */
export const beforeUplink = (link: string): Command[] => [
  ...noUplinkRules(),
  addTable('inet'),
  addNatChain('leaving', 'postrouting', 100),
  rule('leaving', match(oif, link), masquerade),
]

const noUplinkRules = (): Command[] => [addTable('inet'), deleteTable('inet')]

/** From the lab's own address to one that is of the Internet and not of this host. */
function isPublic({ version, address }: Way): Statement[] {
  const to = field(version, 'daddr')
  const given = version === 'ipv6' ? [match(to, blocks([GIVEN_OUT_IPV6], version))] : []
  return [
    match(field(version, 'saddr'), address),
    ...given,
    match(to, blocks(NOT_PUBLIC[version], version), '!='),
    match(fib('type', 'daddr'), 'unicast'),
  ]
}

/** By the default route's router and not to itself: so to nobody on the uplink's own wire. */
function byGateway({ version, gateway }: Way): Statement[] {
  if (gateway === undefined) return []
  return [match(nextHop(version), gateway), match(field(version, 'daddr'), gateway, '!=')]
}

/** Has TCP's ends agree on segments that fit the uplink, whose MTU may be a tunnel's. */
const fitting = (): Statement[] => [
  match(meta('l4proto'), TCP),
  match(bits('&', payload('tcp', 'flags'), SYN_OR_RST), SYN),
  set(tcpMss, routeMss),
]

const blocks = (cidrs: readonly string[], version: Version): Expression => ({
  set: cidrs.map((cidr) => {
    const { address, length } = parseCidr(cidr, version)
    return prefix(address, length)
  }),
})
