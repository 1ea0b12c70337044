// The rtnetlink messages that the fabric speaks: links, addresses, routes, neighbours. Pure.
// The numbers are Linux's (linux/rtnetlink.h, if_link.h, neighbour.h): ABI, they never change.

import {
  attribute,
  attributes,
  dumpOf,
  FLAG,
  type Message,
  message,
  order,
} from './netlink-message.ts'

const { ACK, CREATE, EXCL, REPLACE } = FLAG

/** Message types of rtnetlink. */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
  SETNEIGHTBL: 67,
} as const

/** What a link's message says (linux/if_link.h). */
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  LINKINFO: 18,
  ALIAS: 20,
  GROUP: 27,
  FD: 28,
}
const IFLA_OPERSTATE = 16
/** IF_OPER_UP (linux/if.h). */
const OPERATES = 6
const IFF_UP = 1
const IFA_F_NODAD = 2
const IFA_F_NOPREFIXROUTE = 0x200
const NUD_PERMANENT = 0x80

/** A link as the kernel describes it. `peerIndex` is the other end's ifindex in its namespace. */
export type Link = {
  readonly ifindex: number
  readonly name: string
  readonly mac: string
  readonly alias: string
  readonly peerIndex: number
  readonly group: number
  readonly mtu: number
  /** It carries packets: some time after it was brought up. Till then the kernel drops them. */
  readonly operates: boolean
}

/** Changes one link: what is absent stays as it is. The kernel applies a name before `up`. */
export function changeLink(
  ifindex: number,
  change: { name?: string; mtu?: number; alias?: string; up?: true },
): Message {
  const { name, mtu, alias, up } = change
  return order(
    RTM.NEWLINK,
    `change link ${ifindex} (${Object.keys(change).join(', ')})`,
    linkHeader(ifindex, up ? IFF_UP : 0),
    ...(name === undefined ? [] : [attribute(IFLA.IFNAME, text(name))]),
    ...(mtu === undefined ? [] : [attribute(IFLA.MTU, uint32(mtu))]),
    ...(alias === undefined ? [] : [attribute(IFLA.ALIAS, Buffer.from(alias))]),
  )
}

export const deleteLink = (ifindex: number): Message =>
  order(RTM.DELLINK, `delete link ${ifindex}`, linkHeader(ifindex))

/** Deletes every link of a group at once: one wait for the kernel, however many there are. */
export const deleteGroup = (group: number): Message =>
  order(
    RTM.DELLINK,
    `delete links of group ${group}`,
    linkHeader(0),
    attribute(IFLA.GROUP, uint32(group)),
  )

/** A request for one link by its name, answered by its description. */
export const findLink = (name: string): Message =>
  message(RTM.GETLINK, 0, `find link ${name}`, linkHeader(0), attribute(IFLA.IFNAME, text(name)))

export const listLinks = (): Message => dumpOf(RTM.GETLINK, 'list links', linkHeader(0))

/** The payload of an RTM_NEWLINK or RTM_DELLINK. */
export function parseLink(payload: Buffer): Link {
  const found = attributes(payload, 16)
  const string = (type: number) => (found.get(type) ?? Buffer.of()).toString().replace(/\0.*$/s, '')
  return {
    ifindex: payload.readInt32LE(4),
    name: string(IFLA.IFNAME),
    alias: string(IFLA.ALIAS),
    mac: [...(found.get(IFLA.ADDRESS) ?? [])].map((b) => b.toString(16).padStart(2, '0')).join(':'),
    peerIndex: found.get(IFLA.LINK)?.readInt32LE(0) ?? 0,
    group: found.get(IFLA.GROUP)?.readUInt32LE(0) ?? 0,
    mtu: found.get(IFLA.MTU)?.readUInt32LE(0) ?? 0,
    operates: found.get(IFLA_OPERSTATE)?.[0] === OPERATES,
  }
}

/**
 * Puts an address on a link (or takes it off), without duplicate address detection. One that is in no
 * prefix brings no route to one: of equal routes by 1,000 links, the kernel walks all to add another.
 */
export function changeAddress(
  verb: 'add' | 'remove',
  ifindex: number,
  address: Uint8Array,
  prefixLength: number,
): Message {
  const header = Buffer.of(familyOf(address), prefixLength, IFA_F_NODAD, 0, 0, 0, 0, 0)
  header.writeInt32LE(ifindex, 4)
  return message(
    verb === 'add' ? RTM.NEWADDR : RTM.DELADDR,
    verb === 'add' ? ACK | CREATE | EXCL : ACK,
    `${verb} address ${show(address)}/${prefixLength}`,
    header,
    attribute(2, address), // IFA_LOCAL
    attribute(1, address), // IFA_ADDRESS
    ...(prefixLength === address.length * 8 ? [ALONE] : []),
  )
}

/** The flags once more, with one that the header has no room for. */
const ALONE = attribute(8, Buffer.of(IFA_F_NODAD, IFA_F_NOPREFIXROUTE >> 8, 0, 0)) // IFA_FLAGS

/** A route out of a link: to `to` (absent: the default route), perhaps by a gateway. */
export function changeRoute(
  verb: 'add' | 'remove',
  ifindex: number,
  to: { address: Uint8Array; prefixLength: number } | undefined,
  gateway?: Uint8Array,
): Message {
  const family = familyOf(to?.address ?? gateway ?? Buffer.alloc(4))
  const scope = gateway === undefined && family === 2 ? 253 : 0 // RT_SCOPE_LINK : UNIVERSE
  const onlink = gateway === undefined ? 0 : 4 // RTNH_F_ONLINK
  const header = Buffer.of(family, to?.prefixLength ?? 0, 0, 0, 254, 4, scope, 1, 0, 0, 0, 0)
  header.writeUInt32LE(onlink, 8)
  return message(
    verb === 'add' ? RTM.NEWROUTE : RTM.DELROUTE,
    verb === 'add' ? ACK | CREATE | EXCL : ACK,
    `${verb} route to ${to === undefined ? 'default' : show(to.address)}`,
    header,
    ...(to === undefined ? [] : [attribute(1, to.address)]), // RTA_DST
    ...(gateway === undefined ? [] : [nextHop(family, gateway)]),
    attribute(4, uint32(ifindex)), // RTA_OIF
  )
}

/** RTA_GATEWAY, or RTA_VIA where the gateway is of the other IP version. */
function nextHop(family: number, gateway: Uint8Array): Buffer {
  const own = familyOf(gateway)
  if (own === family) return attribute(5, gateway)
  return attribute(18, Buffer.concat([Buffer.of(own, 0), gateway])) // struct rtvia
}

/** A permanent neighbour: the fabric never asks a guest who it is, so no guest can lie about it. */
export function changeNeighbour(
  verb: 'add' | 'remove',
  ifindex: number,
  address: Uint8Array,
  mac: string,
): Message {
  const header = Buffer.of(familyOf(address), 0, 0, 0, 0, 0, 0, 0, NUD_PERMANENT, 0, 0, 0)
  header.writeInt32LE(ifindex, 4)
  return message(
    verb === 'add' ? RTM.NEWNEIGH : RTM.DELNEIGH,
    verb === 'add' ? ACK | CREATE | REPLACE : ACK,
    `${verb} neighbour ${show(address)}`,
    header,
    attribute(1, address), // NDA_DST
    ...(verb === 'add' ? [attribute(2, macBytes(mac))] : []), // NDA_LLADDR
  )
}

/** Answers ARP for others at once: the default `proxy_delay` costs up to 0.8 s (measured). */
export function noProxyDelay(table: 'arp_cache' | 'ndisc_cache', ifindex: number): Message {
  const parameters = Buffer.concat([
    attribute(1, uint32(ifindex)), // NDTPA_IFINDEX
    attribute(13, Buffer.alloc(8)), // NDTPA_PROXY_DELAY, u64 ms
  ])
  return order(
    RTM.SETNEIGHTBL,
    `set proxy_delay of ${table}`,
    Buffer.of(table === 'arp_cache' ? 2 : 10, 0, 0, 0),
    attribute(1, text(table)), // NDTA_NAME
    attribute(6, parameters), // NDTA_PARMS
  )
}

/** The six bytes of `02:…`. */
export const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')

/** struct ifinfomsg of a link; 0 is one that has no index yet. */
export function linkHeader(ifindex: number, flags = 0): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(ifindex, 4)
  header.writeUInt32LE(flags, 8)
  header.writeUInt32LE(flags, 12) // The mask of the flags to change.
  return header
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export const text = (value: string): Buffer => Buffer.from(`${value}\0`)
const familyOf = (address: Uint8Array): number => (address.length === 4 ? 2 : 10)
const show = (address: Uint8Array): string =>
  address.length === 4 ? address.join('.') : Buffer.from(address).toString('hex')
