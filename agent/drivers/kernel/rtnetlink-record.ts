// The routing family of netlink, received side, pure: what the kernel says of links, addresses,
// routes and neighbours, as plain records.

import ipaddr from 'ipaddr.js'
import { decodeAttributes, MalformedNetlink, text, u32 } from './netlink-message.ts'
import { AF_INET, AF_INET6, IFF_UP, IFLA, RT_TABLE_MAIN, RTA, RTN_UNICAST } from './rtnetlink.ts'

const IFLA_INFO_KIND = 1

/** A link as the kernel reports it. */
export type LinkRecord = {
  readonly ifindex: number
  readonly name: string
  /** Lower case with colons; empty for a link that has none. */
  readonly mac: string
  readonly mtu: number
  /** The largest MTU the driver takes, in bytes; 0 when it does not say. */
  readonly mtuMax: number
  /** IFF_* bits. */
  readonly flags: number
  readonly up: boolean
  /** Our mark, or what somebody else wrote there; empty when unset. */
  readonly alias: string
  /** `veth`, `bridge`, `ipvlan` …; empty for a real network card. */
  readonly kind: string
}

/** What went over a link since it was made, as Docker words it. */
export type LinkCounts = Readonly<Record<(typeof COUNTS)[number], number>>

/** The first members of struct rtnl_link_stats64 (linux/if_link.h), eight bytes each. */
const COUNTS = [
  'rx_packets',
  'tx_packets',
  'rx_bytes',
  'tx_bytes',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
] as const

/** An address on a link. */
export type AddressRecord = {
  readonly ifindex: number
  readonly address: string
  readonly prefixLength: number
  /** 0 global, 253 link, 254 host. */
  readonly scope: number
}

/** A unicast route. */
export type RouteRecord = {
  /** `default`, or CIDR. */
  readonly destination: string
  readonly gateway: string | undefined
  /** 0 when the route names no link; the first one's where a route has several ways. */
  readonly ifindex: number
  readonly ipv6: boolean
  /** The least wins. */
  readonly metric: number
}

/** A neighbour: what ARP or NDP knows of an address. */
export type NeighbourRecord = {
  readonly ifindex: number
  readonly address: string
  /** Empty while it is not known. */
  readonly mac: string
  /** NUD_* bits. */
  readonly state: number
}

/** Four or sixteen bytes to text, IPv6 in its shortest form (RFC 5952). */
export function addressText(bytes: Buffer): string {
  if (bytes.length !== 4 && bytes.length !== 16) {
    throw new MalformedNetlink(`an address of ${bytes.length} bytes`)
  }
  const address = ipaddr.fromByteArray([...bytes])
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
}

const macText = (bytes: Buffer | undefined): string =>
  bytes === undefined ? '' : (bytes.toString('hex').match(/../g) ?? []).join(':')

/** Decodes RTM_NEWLINK and RTM_DELLINK; undefined for a bridge's port (AF_BRIDGE), not a link. */
export function decodeLink(body: Buffer): LinkRecord | undefined {
  const attributes = decodeAttributes(body, 16)
  if (body[0] !== 0) return undefined
  const linkInfo = attributes.get(IFLA.LINKINFO)
  const kind = linkInfo && text(decodeAttributes(linkInfo, 0), IFLA_INFO_KIND)
  const flags = body.readUInt32LE(8)
  return {
    ifindex: body.readInt32LE(4),
    name: text(attributes, IFLA.IFNAME) ?? '',
    mac: macText(attributes.get(IFLA.ADDRESS)),
    mtu: u32(attributes, IFLA.MTU) ?? 0,
    mtuMax: u32(attributes, IFLA.MAX_MTU) ?? 0,
    flags,
    up: (flags & IFF_UP) !== 0,
    alias: text(attributes, IFLA.IFALIAS) ?? '',
    kind: kind ?? '',
  }
}

/** The counts of a link in RTM_NEWLINK, beside its name; undefined where it has none. */
export function decodeCounts(body: Buffer): { name: string; counts: LinkCounts } | undefined {
  const attributes = decodeAttributes(body, 16)
  const stats = attributes.get(IFLA.STATS64)
  const name = text(attributes, IFLA.IFNAME)
  if (body[0] !== 0 || stats === undefined || name === undefined) return undefined
  if (stats.length < COUNTS.length * 8)
    throw new MalformedNetlink(`counts of ${stats.length} bytes`)
  const counts = COUNTS.map((what, n) => [what, Number(stats.readBigUInt64LE(n * 8))])
  return { name, counts: Object.fromEntries(counts) as LinkCounts }
}

/** Decodes RTM_NEWADDR; undefined for families other than IPv4 and IPv6. */
export function decodeAddress(body: Buffer): AddressRecord | undefined {
  const attributes = decodeAttributes(body, 8)
  if (body[0] !== AF_INET && body[0] !== AF_INET6) return undefined
  // On a point-to-point link 1 is the peer and 2 ours; IPv6 sends 1 alone.
  const bytes = attributes.get(2) ?? attributes.get(1)
  if (bytes === undefined) throw new MalformedNetlink('an address message without an address')
  return {
    ifindex: body.readInt32LE(4),
    address: addressText(bytes),
    prefixLength: body[1] ?? 0,
    scope: body[3] ?? 0,
  }
}

/** Decodes RTM_NEWROUTE; undefined for what is no unicast route of the table, the main one by default. */
export function decodeRoute(body: Buffer, wantedTable = RT_TABLE_MAIN): RouteRecord | undefined {
  const attributes = decodeAttributes(body, 12)
  const table = u32(attributes, RTA.TABLE) ?? body[4]
  const wanted = body[0] === AF_INET || body[0] === AF_INET6
  if (!wanted || table !== wantedTable || body[7] !== RTN_UNICAST) return undefined
  const destination = attributes.get(RTA.DST)
  const gateway = attributes.get(RTA.GATEWAY)
  return {
    destination: destination === undefined ? 'default' : `${addressText(destination)}/${body[1]}`,
    gateway: gateway && addressText(gateway),
    ifindex: u32(attributes, RTA.OIF) ?? firstHop(attributes.get(RTA.MULTIPATH)),
    ipv6: body[0] === AF_INET6,
    metric: u32(attributes, RTA.PRIORITY) ?? 0,
  }
}

/** The link of the first `struct rtnexthop`: length (2), flags, hops, ifindex (4). */
const firstHop = (multipath: Buffer | undefined): number =>
  multipath === undefined || multipath.length < 8 ? 0 : multipath.readInt32LE(4)

/** Decodes RTM_NEWNEIGH; undefined for families other than IPv4 and IPv6. */
export function decodeNeighbour(body: Buffer): NeighbourRecord | undefined {
  const attributes = decodeAttributes(body, 12)
  const address = attributes.get(1)
  if (address === undefined || (body[0] !== AF_INET && body[0] !== AF_INET6)) return undefined
  return {
    ifindex: body.readInt32LE(4),
    address: addressText(address),
    mac: macText(attributes.get(2)),
    state: body.readUInt16LE(8),
  }
}
