// Taking a link into a task's namespace, in the worker. Every step looks first or may be repeated,
// so that running it again after a death at any instant ends in the same state.
//
//   host: find by MAC ─ down ─ flush ─┐ one message: move, rename, MTU, alias
//   inside:                           └▶ IMDS block ─ sysctls ─ up ─ addresses ─ routes ─ read back

import { addRule } from './fib-rule.ts'
import { blockCommands, imdsTable, unblockCommands } from './imds-block.ts'
import { setIpv6, type World, workInside } from './inside.ts'
import { KernelError, located } from './kernel-error.ts'
import type { LinkExpectation, TakeInTimings, TakenIn } from './link.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import {
  addAddress,
  dumpAddresses,
  METRIC,
  removeAddress,
  removeDefaultRoute,
  setDefaultRoute,
  setLink,
  setSubnetRoute,
} from './rtnetlink.ts'
import type { LinkRecord } from './rtnetlink-record.ts'
import { decodeAddress } from './rtnetlink-record.ts'
import {
  cidrsExpected,
  cidrsSeen,
  differences,
  gatewaysExpected,
  isDefault,
  linkByMac,
  routesSeen,
  rulesExpected,
  subnetsExpected,
} from './survey.ts'
import { ensureEndpoint } from './task-endpoint.ts'

const LOOPBACK_IFINDEX = 1

/** What the worker's part of takeIn answers: the rest is the gateway's answer. */
export type Placed = Omit<TakenIn, 'gatewayMac' | 'timings'> & {
  readonly timings: Omit<TakeInTimings, 'gatewayMs' | 'totalMs'>
}

type Lap = () => number
type Inside = Parameters<Parameters<typeof workInside>[2]>[0]

function stopwatch(): Lap {
  let last = performance.now()
  return () => {
    const now = performance.now()
    const elapsed = now - last
    last = now
    return Math.round(elapsed * 100) / 100
  }
}

/** The largest MTU that the link takes, up to the wanted one. */
function mtuFor(link: LinkRecord, wanted: number): number {
  return link.mtuMax === 0 ? wanted : Math.min(wanted, link.mtuMax)
}

/**
 * Puts the link into the namespace and configures it; throws unless it reads back as expected. One
 * that is to stand down is up as well by then: whether its gateways answer is seen only so.
 */
export function placeLink(world: World, { isDown: _, ...request }: LinkExpectation): Placed {
  const { mac, netns } = request
  return located({ mac, netns }, () =>
    workInside(world, netns, (inside) => {
      const lap = stopwatch()
      const atHome = linkByMac(world.home, mac)
      const findMs = lap()
      if (atHome !== undefined) moveIn(world.home, atHome, request, inside.fd)
      const link = ensureNamed(inside.netlink, request)
      const moveMs = lap()
      ensureImds(inside, request)
      if (request.endpoint) ensureEndpoint(inside)
      const blockMs = lap()
      const mtu = configure(world, inside, link, request)
      const configureMs = lap()
      readBack({ ...request, mtu }, inside)
      const timings = { findMs, moveMs, blockMs, configureMs, verifyMs: lap() }
      return { ifindex: link.ifindex, mtu, timings }
    }),
  )
}

/** Takes a link that stands as expected down; throws unless it reads back so. */
export function lowerLink(world: World, request: LinkExpectation): void {
  const { mac, netns } = request
  located({ mac, netns }, () =>
    workInside(world, netns, (inside) => {
      const link = ensureNamed(inside.netlink, request)
      inside.netlink.transact([setLink(link.ifindex, { up: false })])
      readBack(request, inside)
    }),
  )
}

function readBack(request: LinkExpectation, inside: Inside): void {
  const wrong = differences(request, inside)
  if (wrong.length === 0) return
  const words = wrong.map(({ what, expected, seen }) => `${what}: ${seen}, not ${expected}`)
  throw new KernelError({ errno: 'EIO', what: `read back ${words.join('; ')}` })
}

/** Down first: whoever brought it up is out of the way, and the move is 3 ms faster. */
function moveIn(
  home: NetlinkSocket,
  link: LinkRecord,
  { name, mtu, alias }: LinkExpectation,
  netnsFd: number,
): void {
  makeQuiet(home, link.ifindex)
  const change = { netnsFd, name, mtu: mtuFor(link, mtu), alias }
  try {
    home.transact([setLink(link.ifindex, change)])
  } catch (error) {
    // The move comes first in the kernel: when only a later part failed, the ensuring that follows
    // either mends it or names it. Still at home, the move itself was refused.
    if (linkByMac(home, link.mac) !== undefined) throw error
  }
}

/** Takes a link down and every address from it. */
export function makeQuiet(netlink: NetlinkSocket, ifindex: number): void {
  netlink.transact([setLink(ifindex, { up: false })])
  const addresses = netlink.dump(dumpAddresses(), decodeAddress)
  const ours = addresses.filter((address) => address.ifindex === ifindex)
  const removals = ours.map(({ address, prefixLength }) =>
    removeAddress(ifindex, address, prefixLength),
  )
  // The kernel takes IPv6 addresses away itself when a link goes down.
  netlink.transact(removals, ['EADDRNOTAVAIL'])
}

/** Finds the link inside, under the name it should have. The block is bound to that name. */
function ensureNamed(netlink: NetlinkSocket, { mac, name }: LinkExpectation): LinkRecord {
  const link = linkByMac(netlink, mac)
  if (link === undefined) {
    const what = 'no link with this MAC in the host or in the namespace; is the ENI attached?'
    throw new KernelError({ errno: 'ENODEV', what })
  }
  if (link.name === name) return link
  netlink.transact([setLink(link.ifindex, { up: false }), setLink(link.ifindex, { name })])
  return { ...link, name, up: false }
}

/** Blocks IMDS, or lifts the block of an earlier request. */
function ensureImds({ nft }: Inside, { name, alias, blockImds }: LinkExpectation): void {
  const listing = nft.list(imdsTable(name))
  if (blockImds) nft.run('block IMDS', blockCommands(name, alias, listing))
  else nft.run('lift the IMDS block', unblockCommands(name, listing))
}

/**
 * Sysctls, MTU, alias, up, exactly the expected addresses and default routes. Other routes of the
 * link are left alone: a task that may set them has its reasons. Answers the MTU.
 */
function configure(
  world: World,
  { netlink, fd }: Inside,
  link: LinkRecord,
  request: LinkExpectation,
): number {
  const { ifindex } = link
  const { name, alias, ipv4 = [], ipv6 = [], table } = request
  setIpv6(world, fd, name, ipv6.length > 0)
  const mtu = ensureMtu(netlink, link, mtuFor(link, request.mtu))

  const expected = new Set(cidrsExpected(request))
  const foreign = cidrsSeen(netlink, ifindex).filter((cidr) => !expected.has(cidr))
  const removals = foreign.map((cidr) => {
    const [address = '', prefixLength] = cidr.split('/')
    return removeAddress(ifindex, address, Number(prefixLength))
  })
  netlink.transact(removals, ['EADDRNOTAVAIL'])

  const gateways = gatewaysExpected(request)
  // A default route that somebody added may win over ours by its metric.
  const strays = routesSeen(netlink, ifindex, table)
    .filter(isDefault)
    .filter(({ gateway = '', metric, ipv6 }) => {
      return !gateways.includes(gateway) || metric !== (ipv6 ? METRIC.ipv6 : METRIC.ipv4)
    })
  // A further card is nobody's way out but for what is its own.
  const beside = table === undefined ? [] : routesSeen(netlink, ifindex).filter(isDefault)
  const noStrays = [
    ...strays.map((route) => removeDefaultRoute(ifindex, route, table)),
    ...beside.map((route) => removeDefaultRoute(ifindex, route)),
  ]
  netlink.transact(noStrays, ['ESRCH'])

  netlink.transact(
    [
      setLink(LOOPBACK_IFINDEX, { up: true }),
      ...(link.alias === alias ? [] : [setLink(ifindex, { alias })]),
      setLink(ifindex, { up: true }),
      ...ipv4.map(({ address, prefixLength }) => addAddress(ifindex, address, prefixLength)),
      ...ipv6.map((address) => addAddress(ifindex, address, 128)),
      ...subnetsExpected(request).map((subnet) => setSubnetRoute(ifindex, subnet, table)),
      ...gateways.map((gateway) => setDefaultRoute(ifindex, gateway, table)),
      ...rulesExpected(request).map(addRule),
    ],
    ['EEXIST'],
  )
  return mtu
}

/** Sets the MTU where it differs; what the driver refuses, it keeps. */
function ensureMtu(netlink: NetlinkSocket, link: LinkRecord, mtu: number): number {
  if (link.mtu === mtu) return mtu
  try {
    netlink.transact([setLink(link.ifindex, { mtu })])
    return mtu
  } catch (error) {
    const refusals = ['EINVAL', 'ERANGE', 'EOPNOTSUPP']
    if (error instanceof KernelError && refusals.includes(error.errno)) return link.mtu
    throw error
  }
}
