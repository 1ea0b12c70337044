// The agent's kernel hands: a task's network card found, taken into its namespace, verified, and
// given back. This is the main thread's side; what it asks for is done by one worker thread
// (worker.ts), which alone enters namespaces. Nothing here blocks the event loop.
//
//   waitForLink ──▶ takeIn (place, then ask the gateways) ──▶ … verify … ──▶ giveBack

import { setTimeout as sleep } from 'node:timers/promises'
import type { GatewayQuestion } from './gateway.ts'
import { KernelError } from './kernel-error.ts'
import { KernelThread } from './kernel-thread.ts'
import type { Difference, FoundLink, Link, LinkExpectation, TakenIn } from './link.ts'
import { checkExpectation, checkMac, gatewaysOf } from './link.ts'
import type { LinkCounts } from './rtnetlink-record.ts'

/** Where the kernel hands say what no call can answer for. pino fits. */
export type KernelLog = {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** How long to wait, and what ends the waiting early. */
export type WaitOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal }

/** An end to a call that has not begun yet; one that has begun finishes and tells its outcome. */
export type CallOptions = { readonly signal?: AbortSignal }

/** For takeIn: how long the gateways have to answer (3,000 ms unless told). */
export type TakeInOptions = CallOptions & { readonly gatewayTimeoutMs?: number }

/**
 * The kernel hands. Every method rejects with KernelError when the kernel or the world refuses, and
 * with the signal's reason when it was aborted. MACs are lower case with colons; a `netns` is the
 * path of a network namespace, and the host's own where it is left out.
 */
export interface Kernel {
  /** Resolves when a card with this MAC is in the host's namespace. ETIMEDOUT. */
  waitForLink(mac: string, options: WaitOptions): Promise<FoundLink>

  /** The card with this MAC, undefined when it is not in the namespace. */
  findLink(mac: string, netns?: string): Promise<FoundLink | undefined>

  /** All links of a namespace with addresses and routes, for surveys. */
  links(netns?: string): Promise<Link[]>

  /** What went over each link of a namespace but `lo`, by the link's name. ENOENT: it is gone. */
  countLinks(netns: string): Promise<Readonly<Record<string, LinkCounts>>>

  /**
   * Ensures that the link stands in the namespace as expected and that its gateways answer. May be
   * repeated at any time, also after a death half-way; a link in use is not disturbed by it.
   * ENODEV: no such link in the host or there. ENOENT, EINVAL: no such namespace. EIO: it does not
   * read back as set. EHOSTUNREACH: a gateway is silent (everything else is done by then).
   */
  takeIn(request: LinkExpectation, options?: TakeInOptions): Promise<TakenIn>

  /**
   * Takes the link back to the host: down, without addresses or alias, renamed after its MAC.
   * Answers where it is, undefined when link or namespace are gone, which is success too. A hold
   * on the namespace ends when no other card is left in it.
   */
  giveBack(
    request: { mac: string; netns: string },
    options?: CallOptions,
  ): Promise<FoundLink | undefined>

  /** How the link differs from what is expected, empty when it does not. Sends no packet. */
  verify(expectation: LinkExpectation, options?: CallOptions): Promise<Difference[]>

  /**
   * Keeps the namespace, so that its link can be given back after its last process, and listens
   * for changes in it. Idempotent. EINVAL: the path leads to another one than is held by it.
   */
  holdNetns(netns: string): Promise<void>

  /**
   * Opens the task's endpoint in its namespace (169.254.170.2) and answers the listening socket's fd,
   * which the caller owns and must close before the namespace is given up. EADDRINUSE: open already,
   * unless that one is given as `there`.
   */
  openEndpoint(netns: string, there?: number): Promise<number>

  /**
   * Holds the namespace that an earlier agent's listener was born in, by the listener alone: so a
   * link comes home though the last process there, and the path, are gone. EINVAL, ENOTSOCK: it is
   * no such listener, or the path leads to another namespace.
   */
  takeUpEndpoint(netns: string, fd: number): Promise<void>

  /** Ends a hold; none is success. While one lasts, the kernel cannot bring the link home. */
  dropNetns(netns: string): Promise<void>

  /**
   * Calls back with a held namespace's path after something in it changed: a link, an address, a
   * route or an nftables rule, by whomever, us included. At most 20 times a second for each; what
   * changed is not told. Answers what ends that.
   */
  onChange(listener: (netns: string) => void): () => void

  /** Ends the worker, every hold included; what still waits is rejected. */
  close(): Promise<void>
}

/** Announcements can be missed (and are, when there are too many); looking finds the link then. */
const LOOK_AGAIN_MS = 250
const GATEWAY_TIMEOUT_MS = 3_000
const GATEWAY_POLL_MS_MAX = 50
/** The kernel would ask again after 1 s; the first question is often lost: the carrier comes up. */
const GATEWAY_ASK_AGAIN_MS = { first: 5, most: 100 }

/** Someone who waits for a link. An announcement is only a hint to look: it may be old. */
type Watcher = { readonly mac: string; look(): void }

/** Starts the worker. A worker that cannot work rejects the first call. */
export function openKernel(log: KernelLog): Kernel {
  const watchers = new Set<Watcher>()
  const listeners = new Set<(netns: string) => void>()
  const thread = new KernelThread({
    announced: (mac) => {
      for (const watcher of watchers) if (watcher.mac === mac) watcher.look()
    },
    overrun: () => {
      log.warn({ watchers: watchers.size }, 'link announcements were dropped; looking again')
      for (const watcher of watchers) watcher.look()
    },
    changed: (netns) => {
      for (const listener of listeners) listener(netns)
    },
    died: (error) => log.error({ err: error }, 'the kernel worker died'),
  })
  return {
    waitForLink: (mac, options) => waitForLink(thread, watchers, mac, options),
    findLink: async (mac, netns) => {
      checkMac(mac)
      return await thread.call('findLink', { mac, netns })
    },
    links: (netns) => thread.call('links', { netns }),
    countLinks: (netns) => thread.call('countLinks', { netns }),
    takeIn: (request, options = {}) => takeIn(thread, request, options),
    giveBack: async ({ mac, netns }, options) => {
      checkMac(mac)
      return await thread.call('returnLink', { mac, netns }, options?.signal)
    },
    verify: async (expectation, options) => {
      checkExpectation(expectation)
      return await thread.call('verifyLink', expectation, options?.signal)
    },
    holdNetns: (netns) => thread.call('holdNetns', { netns }),
    dropNetns: (netns) => thread.call('dropNetns', { netns }),
    openEndpoint: (netns, there) => thread.call('openEndpoint', { netns, there }),
    takeUpEndpoint: (netns, fd) => thread.call('takeUpEndpoint', { netns, fd }),
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => thread.close(),
  }
}

async function waitForLink(
  thread: KernelThread,
  watchers: Set<Watcher>,
  mac: string,
  { timeoutMs, signal }: WaitOptions,
): Promise<FoundLink> {
  checkMac(mac)
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<FoundLink>()
  const look = (): void => {
    const found = thread.call('findLink', { mac, netns: undefined })
    found.then((link) => link && resolve(link), reject)
  }
  const watcher: Watcher = { mac, look }
  const abort = (): void => reject(signal?.reason)
  const late = setTimeout(() => {
    const what = `no link with this MAC appeared in the host within ${timeoutMs} ms`
    reject(new KernelError({ errno: 'ETIMEDOUT', what, mac }))
  }, timeoutMs)
  const again = setInterval(look, LOOK_AGAIN_MS)
  signal?.addEventListener('abort', abort)
  watchers.add(watcher)
  try {
    look()
    return await promise
  } finally {
    watchers.delete(watcher)
    signal?.removeEventListener('abort', abort)
    clearInterval(again)
    clearTimeout(late)
  }
}

async function takeIn(
  thread: KernelThread,
  request: LinkExpectation,
  { signal, gatewayTimeoutMs = GATEWAY_TIMEOUT_MS }: TakeInOptions,
): Promise<TakenIn> {
  checkExpectation(request)
  const begun = performance.now()
  const { ifindex, mtu, timings } = await thread.call('placeLink', request, signal)
  const placed = performance.now()
  const { mac, netns, name } = request
  const gateways = gatewaysOf(request)
  const answers = await Promise.all(
    gateways.map((gateway) =>
      gatewayMacOf(thread, { mac, netns, name, ifindex, gateway }, gatewayTimeoutMs, signal),
    ),
  )
  const silent = gateways.filter((_, i) => answers[i] === undefined)
  const [gatewayMac] = answers
  const answered = performance.now()
  if (silent.length > 0 || gatewayMac === undefined) {
    const waited = Math.round(answered - placed)
    const who = silent.map((gateway) => `${gateway} (${gateway.includes(':') ? 'NDP' : 'ARP'})`)
    const what = `no answer from the gateway ${who.join(' and ')} in ${waited} ms; is the ENI attached to this instance, and in that subnet?`
    throw new KernelError({ errno: 'EHOSTUNREACH', what, mac, netns })
  }
  if (request.isDown) await thread.call('lowerLink', { ...request, mtu }, signal)
  return {
    ifindex,
    mtu,
    gatewayMac,
    timings: { ...timings, gatewayMs: round(answered - placed), totalMs: round(answered - begun) },
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100

/** The MAC that answers for a gateway; undefined when none did in time. */
async function gatewayMacOf(
  thread: KernelThread,
  question: Omit<GatewayQuestion, 'ask'>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const deadline = performance.now() + timeoutMs
  let askedAt = Number.NEGATIVE_INFINITY
  let askAgainMs = GATEWAY_ASK_AGAIN_MS.first
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, GATEWAY_POLL_MS_MAX)) {
    const now = performance.now()
    const ask = now - askedAt >= askAgainMs
    if (ask && askedAt > 0) askAgainMs = Math.min(askAgainMs * 2, GATEWAY_ASK_AGAIN_MS.most)
    if (ask) askedAt = now
    const gatewayMac = await thread.call('askGateway', { ...question, ask }, signal)
    if (gatewayMac !== undefined) return gatewayMac
    if (performance.now() > deadline) return undefined
    // The call above looks at the signal; 50 ms is soon enough.
    await sleep(pauseMs)
  }
}
