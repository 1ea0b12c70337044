// The kernel worker: the one thread that enters namespaces and waits for the kernel. It has no event
// loop of its own. It sleeps in poll(2) on the link announcements, on the monitors in the tasks'
// namespaces and on the bell that the main thread rings after posting a request, and does one thing
// at a time, synchronously.
//
//   main ──post, ring──▶ poll ──▶ request ──▶ result        host's links ──▶ poll ──▶ announcement
//                                               something in a held namespace ──▶ poll ──▶ changed

import fs from 'node:fs'
import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { askGateway, type GatewayQuestion } from './gateway.ts'
import { type GiveBackRequest, returnLink } from './give-back.ts'
import { type World, withNetlink } from './inside.ts'
import { KernelError, type KernelErrorFields, kernelErrorFields } from './kernel-error.ts'
import { eventFd, pollReadable } from './libc.ts'
import type { Difference, FoundLink, Link, LinkExpectation } from './link.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { Namespaces } from './netns.ts'
import { blockSignals } from './no-signals.ts'
import { RTM_NEWLINK, RTMGRP_LINK } from './rtnetlink.ts'
import { decodeLink, type LinkCounts } from './rtnetlink-record.ts'
import { countLinks, isCard, linkByMac, surveyLinks, verifyLink } from './survey.ts'
import { lowerLink, type Placed, placeLink } from './take-in.ts'
import { openEndpoint, takeUpEndpoint } from './task-endpoint.ts'

/** What the main thread can ask for: a name, what goes in, what comes out. */
export type Calls = {
  findLink: (input: { mac: string; netns: string | undefined }) => FoundLink | undefined
  links: (input: { netns: string | undefined }) => Link[]
  countLinks: (input: { netns: string }) => Record<string, LinkCounts>
  placeLink: (input: LinkExpectation) => Placed
  lowerLink: (input: LinkExpectation) => void
  askGateway: (input: GatewayQuestion) => string | undefined
  returnLink: (input: GiveBackRequest) => FoundLink | undefined
  verifyLink: (input: LinkExpectation) => Difference[]
  holdNetns: (input: { netns: string }) => void
  dropNetns: (input: { netns: string }) => void
  openEndpoint: (input: { netns: string; there: number | undefined }) => number
  takeUpEndpoint: (input: { netns: string; fd: number }) => void
}

/** A request, or the end. */
export type ToWorker =
  | { readonly [K in keyof Calls]: { call: K; input: Parameters<Calls[K]>[0] } }[keyof Calls]
  | { readonly call: 'close' }

/** What the worker posts. There is one request at a time, so a result needs no number. */
export type FromWorker =
  | { readonly kind: 'ready'; readonly bellFd: number }
  | { readonly kind: 'result'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly error: KernelErrorFields }
  | { readonly kind: 'defect'; readonly error: unknown }
  | { readonly kind: 'announced'; readonly mac: string }
  | { readonly kind: 'overrun' }
  | { readonly kind: 'changed'; readonly netns: string }

/** A sleep ends this often, because terminate() waits for the thread to be awake. */
const POLL_MS = 200
/** Announcements read per wake-up, so that a storm of them cannot keep requests waiting. */
const ANNOUNCEMENTS_MAX = 64

function createCalls(world: World): Calls {
  const { namespaces } = world
  return {
    findLink: ({ mac, netns }) =>
      withNetlink(world, netns, (netlink) => {
        const link = linkByMac(netlink, mac)
        return link && { ifindex: link.ifindex, name: link.name }
      }),
    links: ({ netns }) => surveyLinks(world, netns),
    countLinks: ({ netns }) => countLinks(world, netns),
    placeLink: (input) => placeLink(world, input),
    lowerLink: (input) => lowerLink(world, input),
    askGateway: (input) => askGateway(world, input),
    returnLink: (input) => returnLink(world, input),
    verifyLink: (input) => verifyLink(world, input),
    holdNetns: ({ netns }) => namespaces.hold(netns),
    dropNetns: ({ netns }) => namespaces.drop(netns),
    openEndpoint: ({ netns, there }) => openEndpoint(world, netns, there),
    takeUpEndpoint: ({ netns, fd }) => takeUpEndpoint(world, netns, fd),
  }
}

function perform(calls: Calls, request: Exclude<ToWorker, { call: 'close' }>): FromWorker {
  // The table and the request agree by type; TypeScript cannot follow the pairing through a union.
  const call = calls[request.call] as (input: typeof request.input) => unknown
  try {
    return { kind: 'result', value: call(request.input) }
  } catch (error) {
    if (error instanceof KernelError) return { kind: 'refused', error: kernelErrorFields(error) }
    return { kind: 'defect', error }
  }
}

function announce(post: (message: FromWorker) => void, monitor: NetlinkSocket): void {
  for (let i = 0; i < ANNOUNCEMENTS_MAX; i++) {
    const messages = monitor.announcements()
    if (messages === 'overrun') post({ kind: 'overrun' })
    else if (messages.length === 0) return
    else {
      for (const message of messages) {
        const link = message.type === RTM_NEWLINK ? decodeLink(message.body) : undefined
        if (link !== undefined && isCard(link, link.mac)) post({ kind: 'announced', mac: link.mac })
      }
    }
  }
}

function run(): void {
  const port = parentPort
  if (port === null) throw new Error('worker.ts runs as a worker thread, started by kernel.ts')
  blockSignals()
  const post = (message: FromWorker): void => port.postMessage(message)
  const world: World = { namespaces: new Namespaces(), home: new NetlinkSocket() }
  const { monitors } = world.namespaces
  const monitor = new NetlinkSocket(RTMGRP_LINK)
  const calls = createCalls(world)
  // The main thread closes the bell, after this thread's end: it must not ring a number that has
  // been given to another file.
  const bellFd = eventFd()
  post({ kind: 'ready', bellFd })
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: ToWorker } | undefined
    if (received?.message.call === 'close') break
    if (received !== undefined) {
      post(perform(calls, received.message))
      continue
    }
    const sleepMs = Math.min(POLL_MS, monitors.deafMs())
    const [rung, announced] = pollReadable([bellFd, monitor.fd, monitors.fd], sleepMs)
    if (rung) fs.readSync(bellFd, Buffer.alloc(8))
    if (announced) announce(post, monitor)
    for (const netns of monitors.changed()) post({ kind: 'changed', netns })
  }
  monitor.close()
  world.home.close()
  world.namespaces.close()
}

run()
