// The words that the kernel hands' two threads share: what a link should be, what it is, and what a
// piece of work took. Types, the one check of what a caller asks for, and what follows from it.

import { isIPv4, isIPv6 } from 'node:net'
import { KernelError } from './kernel-error.ts'
import type { AddressRecord, LinkRecord, RouteRecord } from './rtnetlink-record.ts'

/** An IPv4 address with the length of its subnet's prefix (so that the subnet is on-link). */
export type Ipv4Address = { readonly address: string; readonly prefixLength: number }

/** How a task's link should stand in the task's namespace. */
export type LinkExpectation = {
  /** The ENI's MAC, `02:…`; how the link is found. */
  readonly mac: string
  /** The namespace's path. */
  readonly netns: string
  /** Our mark; it becomes the link's alias and the nftables comment. 1 to 120 printable ASCII. */
  readonly alias: string
  /** The name inside, such as `eth0`. */
  readonly name: string
  /** Bytes. Where the link allows less, the largest it allows is used and reported. */
  readonly mtu: number
  /** Absent or empty: none of its own, and no route. There must be one address of either version. */
  readonly ipv4?: readonly Ipv4Address[]
  /** Needed when `ipv4` has any. */
  readonly ipv4Gateway?: string
  /**
   * The routing table of its own, where it is not the first card: what comes from its addresses, or is
   * bound to it, leaves by it. Absent: the main table, as the first card has.
   */
  readonly table?: number
  /** Each becomes a /128 without duplicate address detection. Absent or empty: IPv6 is off. */
  readonly ipv6?: readonly string[]
  /** The router's link-local address, `fe80:ec2::1` on EC2. Needed when `ipv6` has any. */
  readonly ipv6Gateway?: string
  /** Whether the instance metadata service is kept out of the task's reach. */
  readonly blockImds: boolean
  /** It stands ready, and down: a spare's. Its routes and IPv6 addresses come when it goes up. */
  readonly isDown?: boolean
  /** Whether the task endpoint's address and rule stand beside it; absent: not looked at. */
  readonly endpoint?: boolean
}

/** What became of one part of taking a link in. Milliseconds. */
export type TakeInTimings = {
  /** Looking for the link by MAC. */
  readonly findMs: number
  /** Down and flushed in the host, then moved, renamed, MTU and alias in one message. */
  readonly moveMs: number
  /** The IMDS block in force. */
  readonly blockMs: number
  /** Sysctls, up, addresses, routes. */
  readonly configureMs: number
  /** Read back and compared. */
  readonly verifyMs: number
  /** Until the gateways answered ARP and NDP. */
  readonly gatewayMs: number
  readonly totalMs: number
}

/** A link that stands as expected, verified. */
export type TakenIn = {
  readonly ifindex: number
  /** What it was set to; expect this one in later checks. */
  readonly mtu: number
  /** The MAC that answered for the gateway: the IPv4 one where there is one. */
  readonly gatewayMac: string
  readonly timings: TakeInTimings
}

/** One way in which a link is not as expected. `what` is a field's name. */
export type Difference = { readonly what: string; readonly expected: string; readonly seen: string }

/** A link with its addresses and its unicast routes of the main table. */
export type Link = LinkRecord & {
  readonly addresses: readonly Omit<AddressRecord, 'ifindex'>[]
  readonly routes: readonly Omit<RouteRecord, 'ifindex'>[]
}

/** Where a link is. */
export type FoundLink = { readonly ifindex: number; readonly name: string }

/** The gateways that it leads to, IPv4 first: those of the versions that it has addresses of. */
export function gatewaysOf(expectation: LinkExpectation): string[] {
  const { ipv4 = [], ipv4Gateway, ipv6 = [], ipv6Gateway } = expectation
  const gateways = [ipv4.length > 0 && ipv4Gateway, ipv6.length > 0 && ipv6Gateway]
  return gateways.flatMap((gateway) => gateway || [])
}

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/
const NAME = /^[a-z][a-z0-9_-]{0,14}$/
const ALIAS = /^[\x20-\x7e]{1,120}$/

function assure(ok: boolean, field: string, value: unknown, rule: string): void {
  if (ok) return
  const what = `${field} is ${JSON.stringify(value)}; it must be ${rule}`
  throw new KernelError({ errno: 'EINVAL', what })
}

/** Refuses a MAC that no link can have. EINVAL. */
export function checkMac(mac: string): void {
  assure(MAC.test(mac), 'mac', mac, 'six lower-case bytes with colons, as EC2 writes it')
}

/** Refuses an expectation that the kernel could not meet, before anything is touched. EINVAL. */
export function checkExpectation(expectation: LinkExpectation): void {
  const {
    mac,
    alias,
    name,
    mtu,
    ipv4 = [],
    ipv4Gateway,
    table,
    ipv6 = [],
    ipv6Gateway,
  } = expectation
  checkMac(mac)
  assure(ALIAS.test(alias), 'alias', alias, '1 to 120 printable ASCII characters')
  assure(NAME.test(name), 'name', name, 'an interface name of at most 15 of a-z, 0-9, _ and -')
  const mtuOk = Number.isInteger(mtu) && mtu >= 1280 && mtu <= 65535
  assure(mtuOk, 'mtu', mtu, 'a whole number from 1280 to 65535')
  assure(ipv4.length + ipv6.length > 0, 'ipv4', ipv4, 'an address, since there is no IPv6 one')
  for (const { address, prefixLength } of ipv4) {
    assure(isIPv4(address), 'ipv4 address', address, 'an IPv4 address')
    const lengthOk = Number.isInteger(prefixLength) && prefixLength >= 1 && prefixLength <= 32
    assure(lengthOk, 'ipv4 prefixLength', prefixLength, 'a whole number from 1 to 32')
  }
  const tableOk = table === undefined || (Number.isInteger(table) && table >= 1 && table <= 252)
  assure(tableOk, 'table', table, 'a whole number from 1 to 252')
  const gateway4Ok = ipv4.length === 0 || isIPv4(ipv4Gateway ?? '')
  assure(gateway4Ok, 'ipv4Gateway', ipv4Gateway, 'an IPv4 address')
  for (const address of ipv6) {
    const addressOk = isIPv6(address) && !address.includes('%')
    assure(addressOk, 'ipv6 address', address, 'an IPv6 address without a zone')
  }
  if (ipv6.length === 0) return
  const gatewayOk = isIPv6(ipv6Gateway ?? '') && !ipv6Gateway?.includes('%')
  assure(gatewayOk, 'ipv6Gateway', ipv6Gateway, 'an IPv6 address, since there are IPv6 addresses')
}
