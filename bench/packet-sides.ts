// What one small packet costs its sender's processor, in turns: in a namespace as enid leaves it to a
// task, in one with the block of the metadata service alone, and in one where enid only put a card.
// Run by rows/packets.ts in namespaces of its own, with the number of turns; prints nanoseconds.
//
//   lo    a task to itself          out   by its card to the VPC          in   from the VPC to it
//
// A burst is sent from one thread to a socket that nobody reads, so that all of a packet's way is in
// that thread's time: loopback and veth deliver in it. What others do on the machine is not.

import { openSync } from 'node:fs'
import { openKernel } from '../agent/drivers/kernel/kernel.ts'
import {
  AF_INET,
  bind,
  SOCK_DGRAM,
  sendTo,
  setNetns,
  socket,
} from '../agent/drivers/kernel/libc.ts'
import { type Card, expectationOf, ip, openVpc, plug } from './cards.ts'
import { alternate, type Samples, type Side } from './pairs.ts'

/** Some milliseconds. */
const BURST = 5_000
const PORT = 7777
const BYTES = 64

/** What is in the namespace beside the card. */
export type Kind = 'bare' | 'block' | 'task'
export type Way = 'lo' | 'out' | 'in'
export type PacketRun = {
  readonly samples: Samples<`${Way}-${Kind}`>
  /** The namespace of the task, to look at: rulesets and queues, in nft's and tc's own words. */
  readonly ruleset: string
  readonly bytecode: string
  readonly qdiscs: string
  readonly host: string
}

const CONTENTS: Readonly<Record<Kind, { blockImds: boolean; endpoint?: true }>> = {
  bare: { blockImds: false },
  block: { blockImds: true },
  task: { blockImds: true, endpoint: true },
}

async function main(turns: number): Promise<PacketRun> {
  openVpc()
  const home = openSync('/proc/thread-self/ns/net', 'r')
  /** A socket of that namespace, for life; nothing else of this process ever goes there. */
  const socketIn = (netns: string): number => {
    setNetns(openSync(netns, 'r'))
    try {
      return socket(AF_INET, SOCK_DGRAM, 0)
    } finally {
      setNetns(home)
    }
  }
  const sink = (netns: string): void => bind(socketIn(netns), sockaddr('0.0.0.0'))
  const vpc = '/run/netns/vpc'
  sink(vpc)
  const kernel = openKernel(console)
  const sides: Partial<Record<`${Way}-${Kind}`, Side>> = {}
  const cards: Partial<Record<Kind, Card>> = {}
  for (const [n, kind] of (['bare', 'block', 'task'] as const).entries()) {
    const card = plug(n + 1)
    await kernel.takeIn({ ...expectationOf(card), ...CONTENTS[kind] })
    cards[kind] = card
    sink(card.netns)
    const to = { lo: '127.0.0.1', out: card.ipv4Gateway, in: card.ipv4 }
    for (const way of ['lo', 'out', 'in'] as const) {
      const fd = socketIn(way === 'in' ? vpc : card.netns)
      sides[`${way}-${kind}`] = async () => burst(fd, sockaddr(to[way]))
    }
  }
  const samples = await alternate(sides as Required<typeof sides>, turns)
  await kernel.close()
  const inTask = (...command: string[]) => ip('netns', 'exec', `t${cards.task?.n}`, ...command)
  return {
    samples,
    ruleset: inTask('nft', '-j', 'list', 'ruleset'),
    bytecode: inTask('nft', '--debug=netlink', 'list', 'ruleset'),
    qdiscs: inTask('tc', '-s', 'qdisc', 'show'),
    host: ip('-d', '-j', 'link', 'show'),
  }
}

/** Nanoseconds of this thread for each of a burst's packets. */
function burst(fd: number, to: Buffer): number {
  const data = Buffer.alloc(BYTES)
  const before = cpuUs()
  for (let n = 0; n < BURST; n++) sendTo(fd, data, to)
  return ((cpuUs() - before) * 1_000) / BURST
}

const never = new Int32Array(new SharedArrayBuffer(4))

/**
 * This thread's processor time, microseconds. The kernel's word on a thread that runs is as old as its
 * last tick (4 ms here, a quarter of a burst), so it stops running before it asks.
 */
function cpuUs(): number {
  Atomics.wait(never, 0, 0, 0.01)
  const { user, system } = process.threadCpuUsage()
  return user + system
}

/** A sockaddr_in of that address and our port. */
function sockaddr(address: string): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(AF_INET)
  bytes.writeUInt16BE(PORT, 2)
  bytes.set(address.split('.').map(Number), 4)
  return bytes
}

console.log(JSON.stringify(await main(Number(process.argv[2]))))
