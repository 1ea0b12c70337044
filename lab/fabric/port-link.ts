// An ENI's link: the veth pair, the fabric's end of it, and the routes that lead to it. All from
// the fabric's own netlink socket; the guest's namespace is entered once, to mark the guest's end.
//
//   fabric namespace                          guest's namespace (the host's)
//   e…  fe80::1, fe80:ec2::1, proxy ARP  ══  ens…  the ENI's MAC, MTU 9001, down, no address
//   10.0.0.5/32 dev e…, neighbour = MAC
//   10.0.0.16/28 via the guest's link-local address, whose neighbour is the MAC too

import fs from 'node:fs'
import { addressBytes, blockOf, linkLocal } from './address.ts'
import { within } from './namespace.ts'
import type { Message } from './netlink-message.ts'
import { dump, openNetlink, query, transact, withNetlink } from './netlink-socket.ts'
import {
  changeAddress,
  changeLink,
  changeNeighbour,
  changeRoute,
  deleteLink,
  findLink,
  type Link,
  listLinks,
  noProxyDelay,
  parseLink,
} from './rtnetlink.ts'
import { createVeth } from './veth.ts'

/** A VPC's MTU, and the veth's: both ends must carry it (EC2 user guide). */
export const MTU = 9001
/** Every link of ours is in this group in the fabric's namespace, so that all can go at once. */
export const LINK_GROUP = 0xe1d
/** The router's MAC on every link, so that a re-plugged guest finds the neighbour that it knew. */
const ROUTER_MAC = '0a:00:00:00:00:01'
/** The router's link-local addresses: any VPC's first hop, and the one all subnets have. */
const ROUTER_LINK_LOCAL = ['fe80::1', 'fe80:ec2::1'].map(addressBytes)

/** What a link is made of. `addresses` are the ENI's, both families, and its prefixes. */
export type LinkPlan = {
  readonly mark: string
  readonly mac: string
  readonly addresses: readonly string[]
  readonly fabricName: string
  readonly guestName: string
  readonly netns: string
}
/** A link that is there: both ends' indexes, each in its namespace. */
export type PluggedLink = {
  readonly name: string
  readonly ifindex: number
  readonly fabricIfindex: number
}

/**
 * Makes the pair, has `guard` put its frames under guard, and only then brings the fabric's end up:
 * until that, nothing passes whatever the guest does. On any error nothing is left.
 */
export function plugLink(netlink: number, plan: LinkPlan, guard: () => void): PluggedLink {
  const netnsFd = fs.openSync(plan.netns, 'r')
  try {
    const near = { name: plan.fabricName, mac: ROUTER_MAC }
    const far = { name: plan.guestName, mac: plan.mac, netnsFd }
    transact(netlink, [createVeth(near, far, MTU, LINK_GROUP)])
    const made = parseLink(query(netlink, findLink(plan.fabricName)))
    try {
      guard()
      // Who waited for the card may have taken it away already, and marks it as his.
      withNetlink(
        within(netnsFd, () => openNetlink('route')),
        (fd) => transact(fd, [changeLink(made.peerIndex, { alias: plan.mark })], ['ENODEV']),
      )
      transact(netlink, ready(made.ifindex, plan))
      return { name: plan.guestName, ifindex: made.peerIndex, fabricIfindex: made.ifindex }
    } catch (error) {
      transact(netlink, [deleteLink(made.ifindex)], ['ENODEV'])
      throw error
    }
  } finally {
    fs.closeSync(netnsFd)
  }
}

/** Deletes a link, both ends, wherever the guest's end is by now. Gone is success. */
export function unplugLink(netlink: number, fabricIfindex: number): void {
  transact(netlink, [deleteLink(fabricIfindex)], ['ENODEV'])
}

/** Every link of the netlink socket's namespace. */
export function links(netlink: number): Link[] {
  return dump(netlink, listLinks()).map(parseLink)
}

/** What makes the fabric's end of a link one, and brings it up. */
export function ready(ifindex: number, { mark, mac, addresses }: LinkPlan): Message[] {
  return [
    changeLink(ifindex, { alias: mark }),
    noProxyDelay('arp_cache', ifindex),
    noProxyDelay('ndisc_cache', ifindex),
    changeLink(ifindex, { up: true }),
    ...ROUTER_LINK_LOCAL.map((address) =>
      changeAddress('add', ifindex, address, address.length * 8),
    ),
    changeNeighbour('add', ifindex, addressBytes(linkLocal(mac)), mac),
    ...reach('add', ifindex, mac, addresses),
  ]
}

/** What leads addresses to a link, or no longer. */
export function reach(
  verb: 'add' | 'remove',
  ifindex: number,
  mac: string,
  addresses: readonly string[],
): Message[] {
  return addresses.map(blockOf).flatMap((block) => {
    const isOne = block.prefixLength === block.address.length * 8
    return isOne
      ? [changeNeighbour(verb, ifindex, block.address, mac), changeRoute(verb, ifindex, block)]
      : [changeRoute(verb, ifindex, block, addressBytes(linkLocal(mac)))]
  })
}
