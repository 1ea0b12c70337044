// The fabric's own thread: the only place that enters namespaces and speaks to the kernel. It does
// one call at a time, synchronously, so the 20 ms that deleting a link takes block nobody else, and
// a way back into the wrong namespace can do no harm to the rest of the process.
//
//   main thread (fabric-kernel.ts) ──{ id, name, args }──▶ here ──{ id, result | error }──▶ back
//                                        links that died ──{ gone }──▶
//                                what became of packets ──{ verdicts }──▶

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
  sweep,
} from './fabric-namespace.ts'
import { type FlowCount, FlowCounter } from './flow-counts.ts'
import { configureGuest, makeBeside } from './guest.ts'
import { Hearing } from './hearing.ts'
import { forKernel, kernelRules, type RuleCount, ruleCounts } from './kernel-rules.ts'
import { eniOf, fabricNamespace } from './names.ts'
import { removeNamespace, within } from './namespace.ts'
import type { Message } from './netlink-message.ts'
import { news, transact } from './netlink-socket.ts'
import type { Command } from './nft.ts'
import { encodeBatch } from './nft-direct.ts'
import { blockSignals } from './no-signals.ts'
import { type Outside, openOutside } from './outside-namespaces.ts'
import { changePolicy, type PolicyChange, policyMessages } from './policy.ts'
import { type LinkPlan, links, type PluggedLink, plugLink, reach, unplugLink } from './port-link.ts'
import { probe } from './probe.ts'
import { changeAddress, parseLink, RTM } from './rtnetlink.ts'
import { listenIn } from './socket.ts'
import { type StandingRoutes, standingRoutes } from './standing-routes.ts'
import { openTranslator } from './translator.ts'
import type { Lost, Verdict } from './verdict.ts'

/** How often the thread looks whether a link died. A look that finds nothing costs microseconds. */
const WATCH_INTERVAL_MS = 25
/** So many reads of the log each time, of up to 32 packets: of a flood the rest is counted as lost. */
const LOG_READS_MAX = 12

let open: OpenFabric | undefined
let outside: Outside | undefined
let watch: NodeJS.Timeout | undefined
let hearing: Hearing | undefined
let counter: FlowCounter | undefined
/** Until it is sealed, what is asked for is written down and not done. */
let adoption: Adoption | undefined

const calls = {
  /** With `adopt` a dead lab's namespace is entered as it is, until `seal` puts right what differs. */
  open(name: string, hostNetns: string, adopt: boolean, internet: boolean): Outside['real'] {
    const opened = openNamespace(name, hostNetns, adopt)
    try {
      if (adopt) adoption = new Adoption(opened)
      outside = openOutside(opened, adoption, internet)
    } catch (error) {
      adoption = undefined
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
    return outside.real
  },

  /** Ends an adoption: all that was asked for since `open` is in force when this returns. */
  seal(): void {
    adoption?.seal()
    adoption = undefined
    beyond().edge.seal()
  },

  /** Removes the namespaces beside the fabric's, but for these (by path). */
  keepNetns: (paths: readonly string[]) => keepBesides(fabric().name, paths),

  close: (): void => end(closeNamespace),
  release: (): void => end(releaseNamespace),
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
  applyAtEdge: (commands: readonly Command[], addresses: readonly string[]) =>
    beyond().edge.apply(commands, addresses),

  changePolicy(change: PolicyChange): void {
    const { ifindex } = beyond()
    if (adoption !== undefined) adoption.want(policyMessages(ifindex, change.after))
    else changePolicy(fabric().netlink, ifindex, change)
  },

  /** What a dead lab's packets ask, and which zones its flows are in. */
  standingRoutes: (): StandingRoutes =>
    standingRoutes(fabric().conntrack, adoption?.policyTables() ?? []),

  openTranslator,

  /** Reports all that the log says up to now. */
  hear: (): void => reportLog(Number.POSITIVE_INFINITY),

  /** What flows carried since the last call; the first has the kernel begin to count. */
  flowCounts(): { counts: FlowCount[]; lost: boolean } {
    const { namespaceFd, conntrack } = fabric()
    counter ??= within(namespaceFd, () => new FlowCounter())
    return counter.read(conntrack)
  },

  /** What every rule with a comment has counted. */
  ruleCounts: (): RuleCount[] => ruleCounts(fabric().conntrack),

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

  makeNetns: (beside: string, resolvConf?: string): string =>
    makeBeside(fabricNamespace(fabric().name, beside), adoption !== undefined, resolvConf),

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

/** Ends what the thread holds, the namespaces as the caller says. */
function end(how: (fabric: OpenFabric) => void): void {
  clearInterval(watch)
  outside?.edge.close()
  counter?.close()
  if (open !== undefined) how(open)
  outside = counter = open = hearing = undefined
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

blockSignals()
parentPort?.on('message', ({ id, name, args }: Request) => {
  try {
    const call = calls[name] as (...args: unknown[]) => unknown
    reply({ id, result: call(...args) })
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    reply({ id, error: { message, code } })
  }
})
