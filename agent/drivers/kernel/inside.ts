// A namespace from the inside: the sockets opened there in one visit, used from home afterwards,
// and the sysctls written during it.

import fs from 'node:fs'
import { KernelError } from './kernel-error.ts'
import { Nftables } from './libnftables.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { errnoOf, type Namespaces } from './netns.ts'

/** What the worker works with: its namespaces, and rtnetlink of the host's own. */
export type World = { readonly namespaces: Namespaces; readonly home: NetlinkSocket }

/** Opens rtnetlink and nftables inside the namespace for the time of `work`. */
export function workInside<T>(
  world: World,
  netns: string,
  work: (inside: { netlink: NetlinkSocket; nft: Nftables; fd: number }) => T,
): T {
  return world.namespaces.use(netns, (fd) => {
    let netlink: NetlinkSocket | undefined
    let nft: Nftables | undefined
    try {
      world.namespaces.enter(fd, () => {
        netlink = new NetlinkSocket()
        nft = new Nftables()
      })
      if (netlink === undefined || nft === undefined) throw new Error('unreachable: both are open')
      return work({ netlink, nft, fd })
    } finally {
      // An open socket would keep the namespace, and the link in it, after the last process.
      netlink?.close()
      nft?.close()
    }
  })
}

/** Opens rtnetlink inside the namespace (the host's own without a path) for the time of `work`. */
export function withNetlink<T>(
  world: World,
  netns: string | undefined,
  work: (netlink: NetlinkSocket) => T,
): T {
  if (netns === undefined) return work(world.home)
  return world.namespaces.use(netns, (fd) => {
    const netlink = world.namespaces.enter(fd, () => new NetlinkSocket())
    try {
      return work(netlink)
    } finally {
      netlink.close()
    }
  })
}

/**
 * Sets per-link IPv6 sysctls of the namespace, where they differ. `/proc/sys/net` shows the
 * namespace of whoever opens it, so this is done during a visit.
 */
export function setIpv6(world: World, fd: number, link: string, enabled: boolean): void {
  const root = '/proc/sys/net/ipv6/conf'
  world.namespaces.enter(fd, () => {
    if (!enabled) {
      // A kernel without IPv6 has no such file, and nothing to switch off.
      if (fs.existsSync(root)) setSysctl(`${root}/${link}/disable_ipv6`, '1')
      return
    }
    // ::1 too: a host without IPv6 may hand that down (net.core.devconf_inherit_init_net), and so does
    // Docker's `none` network (moby issue 42748), which an earlier agent's pause containers have.
    setSysctl(`${root}/lo/disable_ipv6`, '0')
    // The address and the route come from EC2's API; an advertisement may not add others, and the
    // link-local address is the MAC's, so nobody else can have it: no second of waiting for that.
    setSysctl(`${root}/${link}/accept_ra`, '0')
    setSysctl(`${root}/${link}/accept_dad`, '0')
    setSysctl(`${root}/${link}/disable_ipv6`, '0')
  })
}

/** Sets a sysctl of a link where it differs. EAGAIN when the link has none (yet, or any more). */
export function setSysctl(path: string, value: string): void {
  try {
    if (fs.readFileSync(path, 'utf8').trim() !== value) fs.writeFileSync(path, value)
  } catch (error) {
    // ENOENT would be taken for a namespace that is gone, and its task with it.
    const errno = errnoOf(error) === 'ENOENT' ? 'EAGAIN' : errnoOf(error)
    throw new KernelError({ errno, what: `write ${value} to ${path}` })
  }
}
