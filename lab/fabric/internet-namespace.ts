// The lab's Internet, a namespace with one host on it: joined to the edge, its addresses, its routes.
// It leads nowhere else, unless by opt-in to the real Internet (uplink.ts).

import fs from 'node:fs'
import { addressBytes } from './address.ts'
import type { Message } from './netlink-message.ts'
import { query, transact } from './netlink-socket.ts'
import {
  BEHIND_EDGE,
  EDGE,
  EDGE_INTERNET,
  EVERYWHERE,
  INTERNET_HOST,
  MAC,
  OUTSIDE_MTU,
} from './outside.ts'
import { LINK_GROUP } from './port-link.ts'
import { setRoute, type Version } from './route-messages.ts'
import { changeAddress, changeLink, changeNeighbour, findLink, parseLink } from './rtnetlink.ts'
import { createVeth } from './veth.ts'

const VERSIONS: readonly Version[] = ['ipv4', 'ipv6']
/** The main table: the only one that this namespace has. */
const MAIN = 254
/** What is found where it should be. */
export const THERE = ['EEXIST']

/** Makes its link to the edge; `fd` is a netlink socket of the edge's. */
export function joinInternet(fd: number, internet: string): void {
  const internetFd = fs.openSync(internet, 'r')
  try {
    const end = { name: 'eth0', mac: MAC.internet, netnsFd: internetFd }
    transact(fd, [createVeth({ name: EDGE_INTERNET, mac: MAC.edge }, end, OUTSIDE_MTU, LINK_GROUP)])
  } finally {
    fs.closeSync(internetFd)
  }
}

/** Gives it its addresses and its routes; with `isEnd` what is not of the lab is unreachable. */
export function setUpInternet(fd: number, isEnd: boolean): void {
  const [lo, eth0] = [indexOf(fd, 'lo'), indexOf(fd, 'eth0')]
  const messages = [
    changeLink(lo, { up: true }),
    changeLink(eth0, { up: true }),
    ...[INTERNET_HOST.ipv4, INTERNET_HOST.ipv6].map((address) => whole(eth0, address)),
    neighbour(eth0, EDGE.linkLocal, MAC.edge),
    ...VERSIONS.map((version) =>
      setRoute({
        table: MAIN,
        cidr: BEHIND_EDGE[version],
        out: eth0,
        gateway: EDGE.linkLocal,
      }),
    ),
    ...(isEnd ? VERSIONS : []).map((version) =>
      setRoute({ table: MAIN, cidr: EVERYWHERE[version] }),
    ),
  ]
  transact(fd, messages, THERE)
}

/** The index of a link by its name. */
export const indexOf = (fd: number, name: string): number =>
  parseLink(query(fd, findLink(name))).ifindex
/** A neighbour that is never asked for. */
export const neighbour = (ifindex: number, address: string, mac: string): Message =>
  changeNeighbour('add', ifindex, addressBytes(address), mac)
/** An address that is all of its block. */
export function whole(ifindex: number, address: string): Message {
  const bytes = addressBytes(address)
  return changeAddress('add', ifindex, bytes, bytes.length * 8)
}
