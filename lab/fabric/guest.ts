// What a guest does for itself on EC2, done for one: finds its interface by MAC, calls it eth0, and
// gives it its addresses and default routes. For probes and `enid lab exec`; a task's own interface
// is its agent's business.

import fs from 'node:fs'
import { addressBytes } from './address.ts'
import { makeNamespace, namespacePath, withinPath, writeResolvConf } from './namespace.ts'
import { openNetlink, transact, withNetlink } from './netlink-socket.ts'
import { links, MTU } from './port-link.ts'
import { changeAddress, changeLink, changeRoute } from './rtnetlink.ts'

/** A guest's interface as it should be. Addresses carry their prefix length: `10.0.0.5/20`. */
export type GuestPlan = {
  readonly netns: string
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** The subnet's router; the IPv6 one is always fe80::1. Absent: no IPv4 default route. */
  readonly ipv4Gateway?: string
}

/** How long a link may take until it carries packets, milliseconds: at a load of 20 it takes a few. */
const OPERATES_WITHIN_MS = 5_000

/**
 * Configures the interface with that MAC, and answers when it carries packets. Throws when there is none. With `bornAs` only one that has
 * that name still, as nobody has configured it, and no other: all of it comes in one send.
 */
export function configureGuest(plan: GuestPlan, bornAs?: string): void {
  const { netns, mac, ipv4, ipv6, ipv4Gateway } = plan
  const socket = withinPath(netns, () => {
    settle()
    return openNetlink('route')
  })
  withNetlink(socket, (fd) => {
    const all = links(fd)
    const found = all.find((link) => link.mac === mac)
    if (bornAs !== undefined && found?.name !== bornAs) return
    if (found === undefined) throw new Error(`no interface with MAC ${mac} in ${netns}`)
    const lo = all.find((link) => link.name === 'lo')?.ifindex ?? 1
    const { ifindex } = found
    transact(fd, [
      changeLink(lo, { up: true }),
      changeLink(ifindex, { name: 'eth0', mtu: MTU, up: true }),
      ...[...ipv4, ...ipv6].map((cidr) => {
        const [address = '', length = ''] = cidr.split('/')
        if (!/^\d+$/.test(length)) throw new Error(`'${cidr}' lacks a prefix length`)
        return changeAddress('add', ifindex, addressBytes(address), Number(length))
      }),
      ...(ipv4Gateway === undefined
        ? []
        : [changeRoute('add', ifindex, undefined, addressBytes(ipv4Gateway))]),
      ...(ipv6.length === 0
        ? []
        : [changeRoute('add', ifindex, undefined, addressBytes('fe80::1'))]),
    ])
    untilOperates(fd, ifindex, netns)
  })
}

/**
 * A veth is given its queue by a worker of the kernel's, some time after it was brought up. What is
 * sent before is lost, and on a busy machine that was the first packet by a new NAT gateway.
 */
function untilOperates(fd: number, ifindex: number, netns: string): void {
  const deadline = performance.now() + OPERATES_WITHIN_MS
  const bell = new Int32Array(new SharedArrayBuffer(4))
  while (!links(fd).some((link) => link.ifindex === ifindex && link.operates)) {
    if (performance.now() > deadline) {
      throw new Error(
        `eth0 of ${netns} carries nothing ${OPERATES_WITHIN_MS} ms after it was brought up`,
      )
    }
    Atomics.wait(bell, 0, 0, 1)
  }
}

/** Makes a named namespace for a guest; with `keep`, one that is there goes on, whoever is in it. */
export function makeBeside(name: string, keep: boolean, resolvConf?: string): string {
  const path = namespacePath(name)
  if (!keep || !fs.existsSync(path)) {
    makeNamespace(name)
    settleNamespace(path)
  }
  if (resolvConf !== undefined) writeResolvConf(name, resolvConf)
  return path
}

/** Brings `lo` up in a new namespace and makes IPv6 addresses usable at once. */
function settleNamespace(netns: string): void {
  const socket = withinPath(netns, () => {
    settle()
    return openNetlink('route')
  })
  withNetlink(socket, (fd) => {
    const lo = links(fd).find((link) => link.name === 'lo')
    transact(fd, [changeLink(lo?.ifindex ?? 1, { up: true })])
  })
}

function settle(): void {
  for (const key of ['disable_ipv6', 'accept_dad', 'accept_ra']) {
    for (const scope of ['all', 'default']) {
      fs.writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/${key}`, '0')
    }
  }
}
