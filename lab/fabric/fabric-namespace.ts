// The fabric's namespace, from nothing to nothing: made, set up as a router with every gate closed,
// and taken away. What a killed lab of the same name left behind is swept first, or entered as it is,
// to be adopted (adoption.ts). The lab that lives holds a lock on its namespace, which the kernel
// drops however it dies.

import fs from 'node:fs'
import { addressBytes } from './address.ts'
import { baseRuleset } from './gates.ts'
import { close } from './libc.ts'
import { type Nftables, openNftables } from './libnftables.ts'
import { fabricNamespace, markOf } from './names.ts'
import {
  isNamespace,
  lockNamespace,
  makeNamespace,
  namespaceNames,
  namespacePath,
  removeNamespace,
  within,
  withinPath,
} from './namespace.ts'
import type { Message } from './netlink-message.ts'
import { openNetlink, transact, withNetlink } from './netlink-socket.ts'
import { listenToLog } from './nflog.ts'
import { RESERVED_NAMES } from './outside.ts'
import { LINK_GROUP, links } from './port-link.ts'
import { LOG_GROUP } from './reason.ts'
import { changeAddress, changeLink, deleteGroup, deleteLink } from './rtnetlink.ts'
import { IMDS, RESOLVER } from './services.ts'
import { closeUplink } from './uplink.ts'

/** The router's settings. Forwarding first, because switching it on resets others. */
const SYSCTLS: readonly (readonly [path: string, value: string])[] = [
  ['ipv4/ip_forward', '1'],
  ...(['all', 'default'] as const).flatMap((scope): [string, string][] => [
    [`ipv4/conf/${scope}/rp_filter`, '0'], // The source check is ours, and stricter.
    // The kernel's own check of sources asks the routes twice for a packet once there are policy
    // rules, but not where local sources are accepted: the source check is ours in any case.
    [`ipv4/conf/${scope}/accept_local`, '1'],
    [`ipv4/conf/${scope}/send_redirects`, '0'],
    [`ipv4/conf/${scope}/accept_redirects`, '0'],
    [`ipv4/conf/${scope}/accept_source_route`, '0'],
    [`ipv4/conf/${scope}/arp_ignore`, '0'],
    [`ipv6/conf/${scope}/disable_ipv6`, '0'],
    [`ipv6/conf/${scope}/forwarding`, '1'],
    [`ipv6/conf/${scope}/accept_ra`, '0'],
    [`ipv6/conf/${scope}/accept_redirects`, '0'],
    [`ipv6/conf/${scope}/accept_dad`, '0'],
  ]),
  ['ipv4/conf/default/proxy_arp', '1'],
  ['ipv6/conf/default/addr_gen_mode', '1'], // None: the router has the addresses we give it.
  ['ipv4/ip_early_demux', '0'], // No socket here is for a packet that is sent on.
  ['netfilter/nf_conntrack_udp_timeout_stream', '180'], // EC2's figure; Linux's is 120.
]

/** What the thread holds while a fabric is open. All of it belongs to the fabric's namespace. */
export type OpenFabric = {
  readonly name: string
  /** The host's namespace, by path. */
  readonly hostNetns: string
  readonly namespaceFd: number
  readonly loopback: number
  readonly netlink: number
  readonly watch: number
  readonly conntrack: number
  readonly log: number
  readonly nftables: Nftables
}

/**
 * Sweeps, makes the namespace and closes every gate in it. With `keep` nothing is swept, and a
 * namespace that is there is entered, its rules in force. Leaves nothing new when it throws.
 */
export function openNamespace(name: string, hostNetns: string, keep: boolean): OpenFabric {
  if (!keep) sweep(name, hostNetns)
  const isNew = !isNamespace(fabricNamespace(name))
  if (isNew) {
    removeNamespace(fabricNamespace(name))
    makeNamespace(fabricNamespace(name))
  }
  const namespaceFd = lockNamespace(fabricNamespace(name))
  if (namespaceFd === undefined) throw new Error(inUse(name))
  try {
    const opened = within(namespaceFd, () => {
      for (const [path, value] of SYSCTLS) fs.writeFileSync(`/proc/sys/net/${path}`, value)
      const nftables = openNftables()
      if (isNew) nftables.run(baseRuleset())
      return {
        nftables,
        netlink: openNetlink('route'),
        watch: openNetlink('links'),
        conntrack: openNetlink('netfilter'),
        log: openNetlink('log'),
      }
    })
    const loopback = links(opened.netlink).find((link) => link.name === 'lo')?.ifindex ?? 1
    transact(opened.log, listenToLog(LOG_GROUP))
    transact(opened.netlink, routerSetup(loopback), ['EEXIST'])
    return { name, hostNetns, namespaceFd, loopback, ...opened }
  } catch (error) {
    if (isNew) removeNamespace(fabricNamespace(name))
    fs.closeSync(namespaceFd)
    throw error
  }
}

/** The router's own link and the addresses that every VPC has. */
export const routerSetup = (loopback: number): Message[] => [
  changeLink(loopback, { up: true }),
  ...[IMDS.ipv4, IMDS.ipv6, RESOLVER.ipv4, RESOLVER.ipv6]
    .map(addressBytes)
    .map((address) => changeAddress('add', loopback, address, address.length * 8)),
]

/** Takes everything away: every link of ours, the namespaces beside, the namespace. */
export function closeNamespace(fabric: OpenFabric): void {
  closeUplink(fabric.name, fabric.hostNetns)
  transact(fabric.netlink, [deleteGroup(LINK_GROUP)], ['ENODEV'])
  for (const name of besides(fabric.name)) removeNamespace(name)
  removeNamespace(fabricNamespace(fabric.name))
  releaseNamespace(fabric)
}

/** Lets go of everything, which stays as it is. */
export function releaseNamespace(fabric: OpenFabric): void {
  fabric.nftables.close()
  for (const fd of [fabric.netlink, fabric.watch, fabric.conntrack, fabric.log]) close(fd)
  fs.closeSync(fabric.namespaceFd)
}

/**
 * Removes what a lab of this name left when it was killed: its links, on the host and in guests,
 * and its namespaces. Throws and touches nothing while a lab of this name lives.
 */
export function sweep(name: string, hostNetns: string): void {
  const own = fabricNamespace(name)
  if (namespaceNames().includes(own)) {
    const namespaceFd = lockNamespace(own)
    if (namespaceFd === undefined) throw new Error(inUse(name))
    try {
      if (isNamespace(own)) {
        withNetlink(
          within(namespaceFd, () => openNetlink('route')),
          (fd) => transact(fd, [deleteGroup(LINK_GROUP)], ['ENODEV']),
        )
      }
      removeNamespace(own)
    } finally {
      fs.closeSync(namespaceFd)
    }
  }
  for (const beside of besides(name)) removeNamespace(beside)
  closeUplink(name, hostNetns)
  withNetlink(
    withinPath(hostNetns, () => openNetlink('route')),
    (fd) => {
      for (const link of links(fd)) {
        if (!link.alias.startsWith(markOf(name))) continue
        transact(fd, [deleteLink(link.ifindex)], ['ENODEV'])
      }
    },
  )
}

/** Removes the namespaces beside a lab's own, but for those outside and those with these paths. */
export function keepBesides(name: string, paths: readonly string[]): void {
  const outside = RESERVED_NAMES.map((each) => namespacePath(fabricNamespace(name, each)))
  const kept = [...outside, ...paths]
  for (const each of besides(name)) if (!kept.includes(namespacePath(each))) removeNamespace(each)
}

/** The names of the namespaces beside a lab's own. */
const besides = (name: string): string[] =>
  namespaceNames().filter((each) => each.startsWith(fabricNamespace(name, '')))

const inUse = (name: string): string =>
  `a lab named '${name}' is running on this machine; stop it, or choose another name`
