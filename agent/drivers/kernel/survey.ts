// Looking, in the worker: links with what is on them, one link by its MAC, and how a link differs
// from what is expected of it. Changes nothing.

import type { FibRule } from './fib-rule.ts'
import { decodeRule, dumpRules, rulesOf, ruleText } from './fib-rule.ts'
import { blockGist, blockGistExpected, imdsTable } from './imds-block.ts'
import { type World, withNetlink, workInside } from './inside.ts'
import type { Nftables } from './libnftables.ts'
import type { Difference, Link, LinkExpectation } from './link.ts'
import { gatewaysOf } from './link.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { addressBytes, dumpAddresses, dumpLinks, dumpRoutes } from './rtnetlink.ts'
import type { LinkCounts, LinkRecord, RouteRecord } from './rtnetlink-record.ts'
import {
  addressText,
  decodeAddress,
  decodeCounts,
  decodeLink,
  decodeRoute,
} from './rtnetlink-record.ts'
import { endpointExpected, endpointSeen } from './task-endpoint.ts'

const SCOPE_LINK = 253

/**
 * Whether the link is a network card with this MAC. VLANs, bridges and ipvlan wear the MAC of what
 * they stand on; a card as EC2 plugs it has no kind, and a veth pair is the one stand-in for it.
 */
export function isCard(link: LinkRecord, mac: string): boolean {
  return link.mac === mac && (link.kind === '' || link.kind === 'veth')
}

/** The link with this MAC in the socket's namespace. */
export function linkByMac(netlink: NetlinkSocket, mac: string): LinkRecord | undefined {
  return netlink.dump(dumpLinks(), decodeLink).find((link) => isCard(link, mac))
}

/** All links of a namespace (the host's own without a path) with their addresses and routes. */
export function surveyLinks(world: World, netns?: string): Link[] {
  return withNetlink(world, netns, (netlink) => {
    const addresses = netlink.dump(dumpAddresses(), decodeAddress)
    const routes = netlink.dump(dumpRoutes(), (body) => decodeRoute(body))
    return netlink.dump(dumpLinks(), decodeLink).map((link) => ({
      ...link,
      addresses: addresses
        .filter((address) => address.ifindex === link.ifindex)
        .map(({ ifindex: _, ...address }) => address),
      routes: routes
        .filter((route) => route.ifindex === link.ifindex)
        .map(({ ifindex: _, ...route }) => route),
    }))
  })
}

/** What went over each link of a namespace, by its name; `lo` is left out. */
export function countLinks(world: World, netns: string): Record<string, LinkCounts> {
  const all = withNetlink(world, netns, (netlink) => netlink.dump(dumpLinks(), decodeCounts))
  return Object.fromEntries(
    all.filter(({ name }) => name !== 'lo').map(({ name, counts }) => [name, counts]),
  )
}

/** The addresses that a link should have, as CIDR in the kernel's own spelling. */
export function cidrsExpected({ ipv4 = [], ipv6 = [] }: LinkExpectation): string[] {
  return [
    ...ipv4.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    ...ipv6.map((address) => `${addressText(addressBytes(address))}/128`),
  ]
}

/** The addresses that a link has, without IPv6's link-local ones, which the kernel gives itself. */
export function cidrsSeen(netlink: NetlinkSocket, ifindex: number): string[] {
  return netlink
    .dump(dumpAddresses(), decodeAddress)
    .filter((seen) => seen.ifindex === ifindex)
    .filter(({ scope, address }) => scope !== SCOPE_LINK || !address.includes(':'))
    .map(({ address, prefixLength }) => `${address}/${prefixLength}`)
}

/** The gateways that a link's default routes should have, in the kernel's own spelling. */
export const gatewaysExpected = (expectation: LinkExpectation): string[] =>
  gatewaysOf(expectation).map((gateway) => addressText(addressBytes(gateway)))

/** The subnets that should be on the link itself: an IPv4 address brings its own, a /32 none. */
export function subnetsExpected({ ipv4 = [] }: LinkExpectation) {
  return ipv4
    .filter(({ prefixLength }) => prefixLength < 32)
    .map(({ address, prefixLength }) => {
      const mask = (0xffffffff << (32 - prefixLength)) >>> 0
      const network = Buffer.alloc(4)
      network.writeUInt32BE((addressBytes(address).readUInt32BE() & mask) >>> 0)
      return { network: addressText(network), prefixLength, source: address }
    })
}

/** The unicast routes of a link in a table, the main one by default. */
export function routesSeen(netlink: NetlinkSocket, ifindex: number, table?: number): RouteRecord[] {
  const all = netlink.dump(dumpRoutes(), (body) => decodeRoute(body, table))
  return all.filter((route) => route.ifindex === ifindex)
}

/** The rules that should lead to a link's own table; none where it has none. */
export function rulesExpected({ name, table, ipv4 = [], ipv6 = [] }: LinkExpectation): FibRule[] {
  if (table === undefined) return []
  return rulesOf(table, { name, ipv4: ipv4.map(({ address }) => address), ipv6 })
}

/** Of a link with a table of its own: the rules that lead there, and no default route beside it. */
function ownTableRows(
  expectation: LinkExpectation,
  netlink: NetlinkSocket,
  ifindex: number,
): Row[] {
  const { table } = expectation
  if (table === undefined) return []
  const words = (rules: readonly FibRule[]) => rules.map(ruleText).sort().join('; ')
  const seen = netlink.dump(dumpRules(), decodeRule).filter((rule) => rule.table === table)
  const main = routesSeen(netlink, ifindex).filter(isDefault)
  return [
    ['policy rules', words(rulesExpected(expectation)), words(seen)],
    ['default routes of the main table', '0', String(main.length)],
  ]
}

export const isDefault = ({ destination }: RouteRecord): boolean => destination === 'default'

const isOnLink = ({ destination, gateway }: RouteRecord, subnet: string): boolean =>
  destination === subnet && gateway === undefined

type Row = [what: string, expected: string, seen: string]

const list = (words: readonly string[]): string => [...words].sort().join(' ')

/** What a link has while it is up. */
function upRows(expectation: LinkExpectation, netlink: NetlinkSocket, ifindex: number): Row[] {
  const routes = routesSeen(netlink, ifindex, expectation.table)
  const subnets = subnetsExpected(expectation).map((s) => `${s.network}/${s.prefixLength}`)
  return [
    ['addresses', list(cidrsExpected(expectation)), list(cidrsSeen(netlink, ifindex))],
    [
      'default routes',
      list(gatewaysExpected(expectation)),
      list(routes.filter(isDefault).map(({ gateway }) => gateway ?? 'none')),
    ],
    [
      'subnet routes',
      list(subnets),
      list(subnets.filter((subnet) => routes.some((route) => isOnLink(route, subnet)))),
    ],
    ...ownTableRows(expectation, netlink, ifindex),
  ]
}

/** What it has left while it is down: the kernel takes its routes and its IPv6 addresses. */
function downRows(expectation: LinkExpectation, netlink: NetlinkSocket, ifindex: number): Row[] {
  const isIpv4 = (cidr: string) => !cidr.includes(':')
  const expected = cidrsExpected(expectation).filter(isIpv4)
  const seen = cidrsSeen(netlink, ifindex).filter(isIpv4)
  return [['addresses', list(expected), list(seen)]]
}

/** How a link inside a namespace differs from what is expected; empty when it does not. */
export function differences(
  expectation: LinkExpectation,
  inside: { netlink: NetlinkSocket; nft: Nftables },
): Difference[] {
  const { netlink, nft } = inside
  const { mac, name, alias, mtu, blockImds, endpoint, isDown = false } = expectation
  const links = netlink.dump(dumpLinks(), decodeLink)
  const link = links.find((candidate) => isCard(candidate, mac))
  if (link === undefined) return [{ what: 'mac', expected: mac, seen: 'no link with this MAC' }]
  const mtuExpected = link.mtuMax === 0 ? mtu : Math.min(mtu, link.mtuMax)
  const rows: Row[] = [
    ['name', name, link.name],
    ['alias', alias, link.alias],
    ['up', String(!isDown), String(link.up)],
    ['mtu', String(mtuExpected), String(link.mtu)],
    ...(isDown ? downRows : upRows)(expectation, netlink, link.ifindex),
    [
      'IMDS block',
      blockImds ? blockGistExpected(name, alias) : 'absent',
      blockGist(nft.list(imdsTable(name))),
    ],
    ...(endpoint ? [endpointRow(inside)] : []),
    ['lo up', 'true', String(links.some((candidate) => candidate.name === 'lo' && candidate.up))],
  ]
  return rows
    .filter(([, expected, seen]) => expected !== seen)
    .map(([what, expected, seen]) => ({ what, expected, seen }))
}

const endpointRow = (inside: Parameters<typeof endpointSeen>[0]): [string, string, string] => [
  'task endpoint',
  endpointExpected(),
  endpointSeen(inside),
]

/** The same for a drift check: a namespace that is gone is a difference too, not an error. */
export function verifyLink(world: World, expectation: LinkExpectation): Difference[] {
  const { netns } = expectation
  if (!world.namespaces.exists(netns)) {
    return [{ what: 'netns', expected: netns, seen: 'no such namespace' }]
  }
  return workInside(world, netns, (inside) => differences(expectation, inside))
}
