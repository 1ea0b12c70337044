// The fabric's own thread: the only place that enters namespaces and speaks to the kernel. It does
// one call at a time, synchronously, so the 20 ms that deleting a link takes block nobody else, and
// a way back into the wrong namespace can do no harm to the rest of the process.
//
//   main thread (fabric-kernel.ts) ──{ id, name, args }──▶ here ──{ id, result | error }──▶ back
//                                        links that died ──{ gone }──▶
//                                what became of packets ──{ verdicts }──▶

import fs from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { addressBytes, blockOf } from './address.ts'
import { Adoption } from './adoption.ts'
import { forgetFlows } from './conntrack.ts'
import {
  closeNamespace,
  keepBesides,
  type OpenFabric,
  openNamespace,
  releaseNamespace,
  routerSetup,
  sweep,
} from './fabric-namespace.ts'
import { type FlowCount, flowCounts } from './flow-counts.ts'
import { baseRuleset } from './gates.ts'
import { configureGuest, settleNamespace } from './guest.ts'
import { Hearing } from './hearing.ts'
import { forKernel, kernelRules, type RuleCount } from './kernel-rules.ts'
import { close } from './libc.ts'
import { eniOf, fabricNamespace } from './names.ts'
import {
  makeNamespace,
  namespacePath,
  removeNamespace,
  within,
  writeResolvConf,
} from './namespace.ts'
import type { Message } from './netlink-message.ts'
import { news, openNetlink, transact } from './netlink-socket.ts'
import type { Command } from './nft.ts'
import { encodeBatch } from './nft-direct.ts'
import { closeOutside, type Outside, openOutside } from './outside-namespaces.ts'
import { changePolicy, type PolicyChange } from './policy.ts'
import { type LinkPlan, links, type PluggedLink, plugLink, reach, unplugLink } from './port-link.ts'
import { probe } from './probe.ts'
import { changeAddress, parseLink, RTM } from './rtnetlink.ts'
import { listenIn } from './socket.ts'
import { openTranslator } from './translator.ts'
import type { Lost, Verdict } from './verdict.ts'

/** How often the thread looks whether a link died. A look that finds nothing costs microseconds. */
const WATCH_INTERVAL_MS = 25
/**
 * So many reads of the log each time, of up to 32 packets each: a flood of drops costs the lab a
 * bounded part of its time, and what it does not read the kernel counts as lost.
 */
const LOG_READS_MAX = 12

let open: OpenFabric | undefined
let outside: Outside | undefined
let watch: NodeJS.Timeout | undefined
let hearing: Hearing | undefined
/** Hears of flows that end, once somebody counts them. */
let endedFlows: number | undefined
/** Until it is sealed, what is asked for is written down and not done. */
let adoption: Adoption | undefined

const calls = {
  /** With `adopt` a dead lab's namespace is entered as it is, until `seal` puts right what differs. */
  open(name: string, hostNetns: string, adopt: boolean): void {
    const opened = openNamespace(name, hostNetns, adopt)
    try {
      outside = openOutside(opened)
    } catch (error) {
      if (adopt) releaseNamespace(opened)
      else closeNamespace(opened)
      throw error
    }
    open = opened
    hearing = new Hearing(open.log, {
      links: () =>
        links(fabric().netlink).map(({ ifindex, alias }) => [ifindex, eniOf(name, alias)] as const),
      comments: () => kernelRules(fabric().conntrack, 'inet').map(({ comment }) => comment),
    })
    watch = setInterval(() => {
      report()
      reportLog(LOG_READS_MAX)
    }, WATCH_INTERVAL_MS)
    if (!adopt) return
    adoption = new Adoption(open)
    adoption.apply(baseRuleset())
    adoption.want(routerSetup(open.loopback))
  },

  /** Ends an adoption: all that was asked for since `open` is in force when this returns. */
  seal(): void {
    adoption?.seal()
    adoption = undefined
  },

  /** Removes the namespaces beside the fabric's, but for these (by path). */
  keepNetns: (paths: readonly string[]) => keepBesides(fabric().name, paths),

  close(): void {
    clearInterval(watch)
    if (outside !== undefined) closeOutside(outside)
    outside = undefined
    if (open !== undefined) closeNamespace(open)
    open = undefined
    hearing = undefined
    if (endedFlows !== undefined) close(endedFlows)
    endedFlows = undefined
  },

  release(): void {
    clearInterval(watch)
    if (open !== undefined) releaseNamespace(open)
    open = undefined
  },

  sweep,

  /** One transaction: all of it is in force when this returns, or none. */
  apply(commands: readonly Command[]): void {
    if (adoption !== undefined) {
      adoption.apply(commands)
      return
    }
    const { namespaceFd, nftables, conntrack } = fabric()
    const exact = forKernel(commands, (chain) => kernelRules(conntrack, 'inet', chain))
    hearing?.rulesCame(commands)
    if (exact.length === 0) return
    const batch = encodeBatch(exact)
    if (batch === undefined) within(namespaceFd, () => nftables.run(exact))
    else transact(conntrack, batch)
  },

  /** The same at the edge; flows from or to `addresses` are translated anew from then on. */
  applyAtEdge(commands: readonly Command[], addresses: readonly string[]): void {
    const { edgeFd, nftables, conntrack } = beyond()
    within(edgeFd, () => nftables.run(commands))
    forgetFlows(conntrack, addresses.map(blockOf))
  },

  changePolicy: (change: PolicyChange) => changePolicy(fabric().netlink, beyond().ifindex, change),

  openTranslator,

  /** Reports all that the log says up to now. */
  hear: (): void => reportLog(Number.POSITIVE_INFINITY),

  /** What flows carried since the last call; the first has the kernel begin to count. */
  flowCounts(): { counts: FlowCount[]; lost: boolean } {
    const { namespaceFd, conntrack } = fabric()
    endedFlows ??= within(namespaceFd, () => {
      fs.writeFileSync('/proc/sys/net/netfilter/nf_conntrack_acct', '1')
      return openNetlink('flows')
    })
    return flowCounts(conntrack, endedFlows)
  },

  /** What every rule with a comment has counted. */
  ruleCounts: (): RuleCount[] =>
    (['netdev', 'inet'] as const)
      .flatMap((family) => kernelRules(fabric().conntrack, family))
      .flatMap(({ counts, handle: _, ...count }) => (counts ? [count] : [])),

  plugLink(plan: LinkPlan, guard: readonly Command[]): PluggedLink {
    const { netlink, name } = fabric()
    const link = plugLink(netlink, plan, () => calls.apply(guard))
    hearing?.linkCame(link.fabricIfindex, eniOf(name, plan.mark))
    return link
  },

  /** The port's link, with its guard, where a dead lab left it; undefined when it has to be made. */
  adoptLink(plan: LinkPlan, guard: readonly Command[]): PluggedLink | undefined {
    return adoption?.claimPort(plan, guard)
  },

  unplugLink: (fabricIfindex: number) => unplugLink(fabric().netlink, fabricIfindex),

  /** Leads an address to a link, or no longer. Removing what is not there is success. */
  changeReach(
    verb: 'add' | 'remove',
    link: { fabricIfindex: number; mac: string },
    addresses: readonly string[],
  ): void {
    const messages = reach(verb, link.fabricIfindex, link.mac, addresses)
    order(messages, verb === 'add' ? [] : ['ESRCH', 'ENOENT', 'ENODEV'])
  },

  forgetFlows: (addresses: readonly string[]) =>
    forgetFlows(fabric().conntrack, addresses.map(blockOf)),

  /** Gives the router an address of its own, or takes it away. */
  changeGateway(verb: 'add' | 'remove', address: string): void {
    const bytes = addressBytes(address)
    const tolerate = verb === 'add' ? [] : ['EADDRNOTAVAIL']
    order([changeAddress(verb, fabric().loopback, bytes, bytes.length * 8)], tolerate)
  },

  linkIndexes: (): number[] => links(fabric().netlink).map(({ ifindex }) => ifindex),

  makeNetns(beside: string, resolvConf?: string): string {
    const name = fabricNamespace(fabric().name, beside)
    // One that a dead lab made goes on, whoever is in it.
    if (adoption === undefined || !fs.existsSync(namespacePath(name))) {
      makeNamespace(name)
      settleNamespace(namespacePath(name))
    }
    if (resolvConf !== undefined) writeResolvConf(name, resolvConf)
    return namespacePath(name)
  },

  removeNetns: (beside: string) => removeNamespace(fabricNamespace(fabric().name, beside)),
  configureGuest,
  listenIn,
  probe,
}

/** The calls that the main thread may make. */
export type Calls = typeof calls
/** A call on its way here. */
export type Request = { readonly id: number; readonly name: keyof Calls; readonly args: unknown[] }
/**
 * An answer; the news that links (by ifindex) died, `lost`: there was more than fitted; or what
 * became of packets.
 */
export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { message: string; code: string | undefined } }
  | { readonly gone: number[]; readonly lost: boolean }
  | { readonly verdicts: (Verdict | Lost)[] }

function fabric(): OpenFabric {
  if (open === undefined) throw new Error('the fabric is closed')
  return open
}

function beyond(): Outside {
  if (outside === undefined) throw new Error('the fabric is closed')
  return outside
}

/** Has the kernel do it, or writes it down. Nothing asks for less before an adoption is sealed. */
function order(messages: Message[], tolerate: readonly string[]): void {
  if (adoption !== undefined) adoption.want(messages)
  else transact(fabric().netlink, messages, tolerate)
}

function report(): void {
  const { messages, lost } = news(fabric().watch)
  const gone = messages
    .filter(({ type }) => type === RTM.DELLINK)
    .map(({ payload }) => parseLink(payload).ifindex)
  if (gone.length > 0 || lost) reply({ gone, lost })
}

function reportLog(readsMax: number): void {
  const verdicts = hearing?.verdicts(readsMax) ?? []
  if (verdicts.length > 0) reply({ verdicts })
}

function reply(message: Reply): void {
  parentPort?.postMessage(message)
}

parentPort?.on('message', ({ id, name, args }: Request) => {
  try {
    const call = calls[name] as (...args: unknown[]) => unknown
    reply({ id, result: call(...args) })
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    reply({ id, error: { message, code } })
  }
})
