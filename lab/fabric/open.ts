// The way in: makes a fabric, opens it, sweeps after a dead one; and what a fabric offers beyond
// the contract in fabric.ts, for the lab's own guests and services.

import type { Fabric, FabricWays } from './fabric.ts'
import { FabricKernel } from './fabric-kernel.ts'
import type { GuestPlan } from './guest.ts'
import { NamespaceFabric } from './namespace-fabric.ts'
import type { RealInternet } from './uplink.ts'
import type { VerdictFeed } from './verdict-feed.ts'

const LAB_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/
const HOST_NETNS = '/proc/self/ns/net'

/** What a fabric is made with. */
export type FabricOptions = {
  /** The lab's name: lower-case letters, digits and '-', at most 32. Two names, two labs. */
  readonly name: string
  /** Where guest ends appear, by path: swept for a dead lab's links. Absent: this process's own. */
  readonly hostNetns?: string
  /** Whether the lab's Internet leads on to the real one, by the host. Absent: no. */
  readonly internet?: boolean
  /** A pino logger, or anything that takes fields and words. */
  readonly log: {
    info(fields: object, words: string): void
    error(fields: object, words: string): void
  }
}

/** The host on the lab's Internet. */
export type InternetHost = {
  readonly netnsPath: string
  readonly ipv4: string
  readonly ipv6: string
  /** How the real Internet is reached from there; absent: not at all. */
  readonly real?: RealInternet
}

/** What lies outside the VPC, for the lab's own host there. */
export interface Outlook {
  /** The namespace of the lab's own Internet, and its host's addresses. */
  readonly internet: InternetHost
}

/** The fabric and what the lab's own guests and services need of it. */
export interface LabFabric extends Fabric {
  /**
   * With `restore` a dead lab's fabric is taken over while its packets flow: `restore` asks for all
   * that should be there, by the contract's calls, in an order in which it could be made from
   * nothing; then all of it is in force at once, what is there and was not asked for goes, and links
   * that are not there are plugged. Whoever adds a call has nothing else to do for it: adoption.ts.
   */
  open(restore?: Restore): Promise<void>
  /** Ends, and leaves everything as it is: packets flow, and the next lab may take it over. */
  release(): Promise<void>
  /**
   * A serving socket born in a namespace (the fabric's own, for its services), non-blocking and with
   * SO_REUSEADDR: TCP for `server.listen({ fd })`, UDP for dgram's `bind({ fd })`. The caller closes
   * it, before the fabric closes.
   */
  listenIn(netns: string, address: string, port: number, protocol?: 'tcp' | 'udp'): Promise<number>
  readonly ways: FabricWays & Outlook
  /**
   * Makes the namespace `/run/netns/enid-lab-<lab>.<name>`, `lo` up; answers its path. A command that
   * `ip netns exec` runs in it has that resolv.conf.
   */
  makeNetns(name: string, resolvConf?: string): Promise<string>
  /** Removes such a namespace. Gone is success; its processes live on in it until they end. */
  removeNetns(name: string): Promise<void>
  /** Removes every such namespace but those with these paths. */
  keepNetns(paths: readonly string[]): Promise<void>
  /** Configures a plugged interface in a guest: eth0, addresses, MTU, default routes. */
  configureGuest(plan: GuestPlan): Promise<void>
  /** What becomes of packets, and the rules' counters. */
  readonly verdicts: Omit<VerdictFeed, 'tell'>
}

/** Asks a fabric for all that a world holds. */
export type Restore = (fabric: LabFabric) => Promise<void>

/**
 * Makes a fabric and opens it: its namespace exists and its enforcement is proven. With `restore` it
 * takes over what a dead lab of this name left, without it sweeps that away.
 */
export async function openFabric(options: FabricOptions, restore?: Restore): Promise<LabFabric> {
  const fabric = createFabric(options)
  await fabric.open(restore)
  return fabric
}

/** Makes a fabric that is not open yet: it has a name, and nothing in the kernel. */
export function createFabric(options: FabricOptions): LabFabric {
  checkName(options.name)
  return new NamespaceFabric({ hostNetns: HOST_NETNS, internet: false, ...options })
}

/**
 * Removes what a killed lab of this name left: namespaces, links on the host. Rejects and touches
 * nothing while a lab of this name lives. Opening sweeps by itself.
 */
export async function sweepFabric(name: string, hostNetns = HOST_NETNS): Promise<void> {
  checkName(name)
  const kernel = new FabricKernel(() => {})
  try {
    await kernel.call('sweep', name, hostNetns)
  } finally {
    await kernel.end()
  }
}

function checkName(name: string): void {
  if (LAB_NAME.test(name)) return
  throw new Error(`lab name is '${name}'; use lower-case letters, digits and '-', at most 32`)
}
