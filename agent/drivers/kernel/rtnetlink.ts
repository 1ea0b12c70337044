// The routing family of netlink, sent side, pure: requests about links, addresses, routes and
// neighbours, as bytes. What comes back is in rtnetlink-record.ts.
//
// Constants are those of linux/if_link.h, if_addr.h, rtnetlink.h and neighbour.h.

import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { NetlinkRequest } from './netlink-message.ts'
import {
  attribute,
  attributeText,
  attributeU32,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from './netlink-message.ts'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
export const RTM_NEWNEIGH = 28
const RTM_DELNEIGH = 29
const RTM_GETNEIGH = 30
/** The multicast group of link changes, as a bit for sockaddr_nl. */
export const RTMGRP_LINK = 1

export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINKINFO: 18,
  IFALIAS: 20,
  STATS64: 23,
  NET_NS_FD: 28,
  MAX_MTU: 51,
}
export const IFF_UP = 1
export const AF_INET = 2
export const AF_INET6 = 10

/** An address to bytes in network order. Throws RangeError on anything but plain IPv4 or IPv6. */
export function addressBytes(address: string): Buffer {
  if (!isIPv4(address) && (!isIPv6(address) || address.includes('%'))) {
    throw new RangeError(`"${address}" is not an IP address`)
  }
  return Buffer.from(ipaddr.parse(address).toByteArray())
}

const family = (address: Buffer): number => (address.length === 4 ? AF_INET : AF_INET6)

function linkHeader(ifindex: number, flags = 0, change = 0): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(ifindex, 4)
  header.writeUInt32LE(flags, 8)
  header.writeUInt32LE(change, 12)
  return header
}

const dump = (type: number, body: Buffer, what: string): NetlinkRequest => ({
  type,
  flags: NLM_F_DUMP,
  body,
  what,
})

export const dumpLinks = (): NetlinkRequest => dump(RTM_GETLINK, linkHeader(0), 'list links')
export const dumpAddresses = (): NetlinkRequest =>
  dump(RTM_GETADDR, Buffer.alloc(8), 'list addresses')
export const dumpRoutes = (): NetlinkRequest => dump(RTM_GETROUTE, Buffer.alloc(12), 'list routes')
export const dumpNeighbours = (): NetlinkRequest =>
  dump(RTM_GETNEIGH, Buffer.alloc(12), 'list neighbours')

/** What may change on a link, all in one message: the kernel moves first, then sets the rest. */
export type LinkChange = {
  readonly up?: boolean
  readonly name?: string
  readonly mtu?: number
  /** Empty removes it. At most 255 bytes. */
  readonly alias?: string
  /** An open namespace: the link is moved there. */
  readonly netnsFd?: number
}

/** Changes a link. */
export function setLink(ifindex: number, change: LinkChange): NetlinkRequest {
  const { up, name, mtu, alias, netnsFd } = change
  const parts = [linkHeader(ifindex, up ? IFF_UP : 0, up === undefined ? 0 : IFF_UP)]
  if (netnsFd !== undefined) parts.push(attributeU32(IFLA.NET_NS_FD, netnsFd))
  if (name !== undefined) parts.push(attributeText(IFLA.IFNAME, name))
  if (mtu !== undefined) parts.push(attributeU32(IFLA.MTU, mtu))
  if (alias !== undefined) parts.push(attribute(IFLA.IFALIAS, Buffer.from(alias)))
  const words = Object.entries(change).map(([key, value]) => `${key} ${value}`)
  const what = `set link ${ifindex}: ${words.join(', ')}`
  return { type: RTM_NEWLINK, flags: NLM_F_ACK, body: Buffer.concat(parts), what }
}

function addressBody(ifindex: number, address: string, prefixLength: number): Buffer {
  const IFA_ADDRESS = 1
  const IFA_LOCAL = 2
  const IFA_F_NODAD = 2
  const bytes = addressBytes(address)
  const header = Buffer.alloc(8)
  header[0] = family(bytes)
  header[1] = prefixLength
  // An ENI's address is unique by construction; waiting for duplicates would cost a second.
  header[2] = bytes.length === 16 ? IFA_F_NODAD : 0
  header.writeInt32LE(ifindex, 4)
  return Buffer.concat([header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)])
}

/** Adds an address, IPv6 without duplicate address detection. EEXIST when it is there. */
export function addAddress(ifindex: number, address: string, prefixLength: number): NetlinkRequest {
  return {
    type: RTM_NEWADDR,
    flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    body: addressBody(ifindex, address, prefixLength),
    what: `add address ${address}/${prefixLength}`,
  }
}

/** Removes an address. EADDRNOTAVAIL when it is not there. */
export function removeAddress(
  ifindex: number,
  address: string,
  prefixLength: number,
): NetlinkRequest {
  return {
    type: RTM_DELADDR,
    flags: NLM_F_ACK,
    body: addressBody(ifindex, address, prefixLength),
    what: `remove address ${address}/${prefixLength}`,
  }
}

export const RT_TABLE_MAIN = 254
export const RTN_UNICAST = 1
export const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, MULTIPATH: 9, TABLE: 15 }
/** The metric of a default route that names none, as ours does not. */
export const METRIC = { ipv4: 0, ipv6: 1024 }
const RTPROT_KERNEL = 2
const RTPROT_STATIC = 4
const RT_SCOPE_LINK = 253
const RT_SCOPE_NOWHERE = 255

type RouteHeader = {
  readonly protocol: number
  readonly prefixLength?: number
  readonly scope?: number
  readonly type?: number
  readonly flags?: number
  readonly table?: number
}

function routeHeader(family: number, route: RouteHeader): Buffer {
  const header = Buffer.alloc(12)
  header[0] = family
  header[1] = route.prefixLength ?? 0
  header[4] = route.table ?? RT_TABLE_MAIN
  header[5] = route.protocol
  header[6] = route.scope ?? 0
  header[7] = route.type ?? RTN_UNICAST
  header.writeUInt32LE(route.flags ?? 0, 8)
  return header
}

/** Sets the default route through a gateway that need not lie in a subnet of the link. */
export function setDefaultRoute(ifindex: number, gateway: string, table?: number): NetlinkRequest {
  const RTNH_F_ONLINK = 4
  const bytes = addressBytes(gateway)
  const route = { protocol: RTPROT_STATIC, flags: RTNH_F_ONLINK, ...(table && { table }) }
  const header = routeHeader(family(bytes), route)
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
    body: Buffer.concat([header, attribute(RTA.GATEWAY, bytes), attributeU32(RTA.OIF, ifindex)]),
    what: `set the default route via ${gateway}`,
  }
}

/** Sets the route to a subnet on the link as the kernel does when it gets an address of it. */
export function setSubnetRoute(
  ifindex: number,
  subnet: { readonly network: string; readonly prefixLength: number; readonly source: string },
  table?: number,
): NetlinkRequest {
  const { network, prefixLength, source } = subnet
  const bytes = addressBytes(network)
  const scope = RT_SCOPE_LINK
  const route = { prefixLength, protocol: RTPROT_KERNEL, scope, ...(table && { table }) }
  const header = routeHeader(family(bytes), route)
  const parts = [
    header,
    attribute(RTA.DST, bytes),
    attribute(RTA.PREFSRC, addressBytes(source)),
    attributeU32(RTA.OIF, ifindex),
  ]
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
    body: Buffer.concat(parts),
    what: `set the route to ${network}/${prefixLength}`,
  }
}

/** Removes a default route of the link; without a gateway the first one. ESRCH: there is none. */
export function removeDefaultRoute(
  ifindex: number,
  route: { readonly ipv6: boolean; readonly gateway: string | undefined; readonly metric: number },
  table?: number,
): NetlinkRequest {
  const { ipv6, gateway, metric } = route
  // Of any protocol, scope and type.
  const any = { protocol: 0, scope: RT_SCOPE_NOWHERE, type: 0, ...(table && { table }) }
  const parts = [
    routeHeader(ipv6 ? AF_INET6 : AF_INET, any),
    ...(gateway === undefined ? [] : [attribute(RTA.GATEWAY, addressBytes(gateway))]),
    attributeU32(RTA.PRIORITY, metric),
    attributeU32(RTA.OIF, ifindex),
  ]
  return {
    type: RTM_DELROUTE,
    flags: NLM_F_ACK,
    body: Buffer.concat(parts),
    what: `remove the default route via ${gateway ?? 'no gateway'} metric ${metric}`,
  }
}

/** Forgets what ARP or NDP knows of an address. ENOENT when that is nothing. */
export function removeNeighbour(ifindex: number, address: string): NetlinkRequest {
  const NDA_DST = 1
  const bytes = addressBytes(address)
  const header = Buffer.alloc(12)
  header[0] = family(bytes)
  header.writeInt32LE(ifindex, 4)
  return {
    type: RTM_DELNEIGH,
    flags: NLM_F_ACK,
    body: Buffer.concat([header, attribute(NDA_DST, bytes)]),
    what: `forget the neighbour ${address}`,
  }
}
