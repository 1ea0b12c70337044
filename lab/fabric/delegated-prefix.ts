// Delegated prefixes in nftables: a whole /28 or /80 that leads to one port. Pure. All of a version
// have one length, so an address is asked for by its network, in sets of exact keys beside those of
// single addresses: a port without prefixes costs what it did, and no set is one of intervals, whose
// every change costs as much as it is large.

import { canonical, familyOf } from './address.ts'
import { addSet, bits, type Command, type Element, type Expression, payload } from './nft.ts'

type Version = 'ipv4' | 'ipv6'

/** The length that every delegated prefix of a version has (EC2 user guide, "Prefix delegation"). */
export const DELEGATED_LENGTH = { ipv4: 28, ipv6: 80 } as const
const MASK = { ipv4: '255.255.255.240', ipv6: 'ffff:ffff:ffff:ffff:ffff::' } as const

/** The prefix that an address of the packet would be in. */
export const networkOf = (field: Expression, version: Version): Expression =>
  bits('&', field, MASK[version])
/** The same of the sender's or the receiver's address. */
export const networkOfEnd = (version: Version, end: 'saddr' | 'daddr'): Expression =>
  networkOf(payload(version === 'ipv4' ? 'ip' : 'ip6', end), version)

/** The set with the prefixes of the ENIs that wear a group. Ids hold no `_`: names are unique. */
export const prefixMemberSet = (groupId: string, version: Version): string =>
  `${version}_prefixes-of-${groupId}`

/** The sets that the gates ask about prefixes. */
export const prefixSets = (): Command[] => [
  addSet('netdev', 'arp_sender_prefix', ['ifname', 'ether_addr', 'ipv4_addr']),
  ...(['ipv4', 'ipv6'] as const).flatMap((version) => [
    addSet('inet', `source_prefix_${version}`, ['ifname', `${version}_addr`]),
    addSet('inet', `destination_prefix_${version}`, ['ifname', `${version}_addr`]),
  ]),
]

/** Everything that the sets must hold for one prefix of a port. */
export function prefixElements(
  prefix: string,
  { link, mac, groupIds }: { link: string; mac: string; groupIds: readonly string[] },
): Element[] {
  const network = canonical(prefix.split('/')[0] ?? '')
  const version = familyOf(network) ?? 'ipv4'
  const inet = (set: string, ...key: string[]): Element => ({ family: 'inet', set, key })
  return [
    inet(`source_prefix_${version}`, link, network),
    inet(`destination_prefix_${version}`, link, network),
    ...groupIds.map((groupId) => inet(prefixMemberSet(groupId, version), network)),
    ...(version === 'ipv6'
      ? []
      : [{ family: 'netdev', set: 'arp_sender_prefix', key: [link, mac, network] } as const]),
  ]
}
