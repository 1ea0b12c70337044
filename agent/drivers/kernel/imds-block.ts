// The block of the instance metadata service: a netdev table on the egress hook of a task's link,
// which even a packet socket has to pass (NET_RAW is Docker's default; a blackhole route it walks
// past). Pure: commands out, a listing in.
//
//   table netdev enid-eth0 { chain egress { type filter hook egress device eth0; policy drop;
//     meta protocol ip   @ll,96,16 0x0800  ip daddr  != 169.254.169.254  accept
//     meta protocol ip6  @ll,96,16 0x86dd  ip6 daddr != fd00:ec2::254    accept
//     meta protocol arp  @ll,96,16 0x0806                                accept
//     counter drop } }
//
// It says what may pass and not what may not, because a packet socket can lie: the protocol that
// the sender declares (meta protocol), the one in the frame (@ll), and a VLAN tag of id 0 in front,
// which the far end takes off. Only where declaration and frame agree is the address where it seems.
// (A socket that declares a protocol *and* asks for PACKET_QDISC_BYPASS fails that test and is cut
// off altogether.) AF_XDP sockets do not pass this hook: containers are kept from them elsewhere.

import type { NftChain, NftCommand, NftObject, NftRule, NftTable } from './libnftables.ts'

/** Where EC2's instance metadata service answers. */
export const IMDS_IPV4 = '169.254.169.254'
export const IMDS_IPV6 = 'fd00:ec2::254'

const CHAIN = 'egress'
const ETHERTYPE = { ip: 0x0800, ip6: 0x86dd, arp: 0x0806 }

/** The table of one link. One for each, so that replacing it is one transaction. */
export function imdsTable(link: string): NftTable {
  return { family: 'netdev', name: `enid-${link}` }
}

function pass(protocol: 'ip' | 'ip6' | 'arp', exceptTo?: string): NftRule['expr'] {
  const declared = { op: '==', left: { meta: { key: 'protocol' } }, right: protocol } as const
  const left = { payload: { base: 'll', offset: 96, len: 16 } } as const
  const framed = { op: '==', left, right: ETHERTYPE[protocol] } as const
  const same = [{ match: declared }, { match: framed }]
  if (protocol === 'arp' || exceptTo === undefined) return [...same, { accept: null }]
  const daddr = { payload: { protocol, field: 'daddr' } } as const
  return [...same, { match: { op: '!=', left: daddr, right: exceptTo } }, { accept: null }]
}

const RULES: readonly NftRule['expr'][] = [
  pass('ip', IMDS_IPV4),
  pass('ip6', IMDS_IPV6),
  pass('arp'),
  [{ counter: null }, { drop: null }],
]

/**
 * What turns the listed table (undefined: there is none) into the one that should be, in one
 * transaction: at no instant does the link stand without its block. Nothing where it is right,
 * because a deletion costs an RCU grace period (14 ms) when the socket closes.
 */
export function blockCommands(
  link: string,
  mark: string,
  listing: readonly NftObject[] | undefined,
): NftCommand[] {
  const objects = block(link, mark)
  if (blockGist(listing) === blockGist(objects)) return []
  return [...unblockCommands(link, listing), ...objects.map((object) => ({ add: object }))]
}

/** What removes the listed table. */
export function unblockCommands(
  link: string,
  listing: readonly NftObject[] | undefined,
): NftCommand[] {
  return listing === undefined ? [] : [{ delete: { table: imdsTable(link) } }]
}

function block(link: string, mark: string): NftObject[] {
  const table = imdsTable(link)
  const at = { family: 'netdev', table: table.name } as const
  const hook = { type: 'filter', hook: 'egress', dev: link, prio: 0, policy: 'drop' } as const
  return [
    { table },
    { chain: { ...at, name: CHAIN, ...hook } },
    ...RULES.map((expr) => ({ rule: { ...at, chain: CHAIN, comment: mark, expr } })),
  ]
}

/** What a rule amounts to, in what every version of libnftables lists alike. */
function gist(rule: NftRule): string {
  const except = rule.expr.map((expression) => {
    if (!('match' in expression)) return ''
    const { left, op, right } = expression.match
    return 'payload' in left && 'field' in left.payload ? `${op} ${right}` : ''
  })
  const verdict = rule.expr.some((expression) => 'accept' in expression) ? 'accept' : 'drop'
  return [rule.comment ?? '', ...except.filter((word) => word !== ''), verdict].join(' ')
}

/** A table in words, for comparing what is there with what should be. */
export function blockGist(listing: readonly NftObject[] | undefined): string {
  if (listing === undefined) return 'absent'
  const chains = listing.flatMap((object): NftChain[] => ('chain' in object ? [object.chain] : []))
  const rules = listing.flatMap((object): NftRule[] => ('rule' in object ? [object.rule] : []))
  const heads = chains.map(({ hook, policy }) => `${hook} policy ${policy}`)
  return [...heads, ...rules.map(gist)].join('; ')
}

/** What blockGist says of a link that is blocked as it should be. */
export function blockGistExpected(link: string, mark: string): string {
  return blockGist(block(link, mark))
}
