// Row 7: what enid costs a packet. One TCP stream between two tasks of the lab in parts of one between
// two containers on docker's bridge, and from a task to itself in parts of the same in a container
// without a network; then what one small packet costs in a task's namespace and in a bare one
// (packet-sides.ts), and what stands in its way there, as the kernel lists it.
//
// On EC2 the card is the ENI itself: what stands in the task's own namespace is all there is of enid.

import { must } from '../../scripts/demo/program.ts'
import { runApart } from '../apart.ts'
import type { DockerSide } from '../docker.ts'
import type { Host } from '../host.ts'
import type { PacketRun, Way } from '../packet-sides.ts'
import { alternate, compare, median, short } from '../pairs.ts'
import type { Figure, Goal, Row } from '../row.ts'
import type { Stage } from '../stage.ts'
import { type Place, runContainers, type Stream, stream } from '../throughput.ts'

/** One stream's seconds, and how many there are of each kind in full. */
const SECONDS = 1
const STREAMS = 20
/** What counts as unchanged: two namespaces that are alike differ by so much from run to run. */
const SAME = 0.05
const SLEEP = ['/busybox', 'sleep', '3600']

export const row: Row = {
  what: 'packets between tasks, to itself and out by the card, beside docker and bare namespaces',
  minutes: 3,
  gatePairs: 15,
  async run(stage) {
    const streams = await measureStreams(stage)
    const run = await runApart<PacketRun>(stage, 'packet-sides.ts', [String(stage.pairs)])
    return [...streams, ...smallPackets(run), ...inTheWay(run)]
  },
}

async function measureStreams(stage: Stage): Promise<Figure[]> {
  const docker = stage.docker()
  const Image = await docker.image()
  const host = await stage.host()
  const app = { name: 'app', image: Image, memory: 64, stopTimeout: 1, command: SLEEP }
  const family = await host.define('bench', [app])
  const tasks = [await task(host, docker, family), await task(host, docker, family)] as const
  const bridge = await runContainers()
  stage.defer(() => bridge.remove())
  const none = await docker.create({ Image, Cmd: SLEEP, HostConfig: { NetworkMode: 'none' } })
  await docker.start(none)
  const self = { ...tasks[0], ipv4: '127.0.0.1' }
  const alone = { netnsPath: await netnsOf(docker, none), ipv4: '127.0.0.1' }
  const rounds = stage.count(STREAMS)
  stage.tell(`${rounds} streams of each kind, of ${SECONDS} s`)
  const sides = {
    tasks: () => stream(tasks, SECONDS),
    bridge: () => stream(bridge.places, SECONDS),
    self: () => stream([self, self], SECONDS),
    alone: () => stream([alone, alone], SECONDS),
  }
  const streams = await alternate(sides, rounds, { warmUp: 1 })
  const tables = (await must('nft', ['list', 'tables'])).trim()
  return [
    ...carried('task to task ÷ containers on the bridge', streams.tasks, streams.bridge, 1),
    ...carried('task to itself ÷ container to itself', streams.self, streams.alone, 1 - SAME),
    {
      what: "nftables of enid's in the host's namespace, beside two running tasks",
      value: tables.split('\n').filter((line) => line.includes('enid')).length,
      unit: 'tables',
      goal: { most: 0 },
      gate: { most: 0 },
      raw: tables.replaceAll('\n', ', ') || 'none of anybody',
    },
  ]
}

/** By the clock, which has the goal, and by the processor time of both programs. */
function carried(
  what: string,
  a: readonly Stream[],
  b: readonly Stream[],
  least: number,
): Figure[] {
  const part = (of: keyof Stream, name: string, p50?: Goal): Figure => {
    const raw = (streams: readonly Stream[]): number[] => streams.map((each) => each[of])
    const [figure] = compare(raw(a), raw(b), { what, a: '', b: '', ...(p50 && { p50 }) })
    const gigabits = [a, b].map((side) => short(median(raw(side)))).join(' and ')
    return { ...(figure as Figure), what: `${what}, ${name}`, raw: `p50 ${gigabits} Gbit` }
  }
  return [
    part('perSecond', 'a stream in a second', { least }),
    { ...part('perCpuSecond', 'in a second of processor time'), gate: { least: least * 0.75 } },
  ]
}

const WAYS: Readonly<Record<Way, string>> = {
  lo: 'to itself',
  out: 'out by the card',
  in: 'in by the card',
}

/** A datagram of 64 bytes: what is added to each is more of it than of any other packet. */
function smallPackets({ samples }: PacketRun): Figure[] {
  return (['lo', 'out', 'in'] as const).map((way) => {
    const [bare, block, whole] = (['bare', 'block', 'task'] as const).map((kind) =>
      median(samples[`${way}-${kind}`]),
    ) as [number, number, number]
    const more = (ns: number): string => `${short(ns)} (${(ns - bare).toFixed(0)} more)`
    return {
      what: `a small packet ${WAYS[way]}, in a task ÷ bare`,
      value: whole / bare,
      ...(way === 'lo' && { goal: { most: 1 + SAME } }),
      gate: { most: 1.25 },
      raw: `ns: bare ${short(bare)}, with the block ${more(block)}, in a task ${more(whole)}`,
    }
  })
}

/** What the kernel lists as standing in a packet's way in a task's namespace. */
function inTheWay({ ruleset, bytecode, qdiscs }: PacketRun): Figure[] {
  type Listed = { nftables: { chain?: { family: string; name: string; hook?: string } }[] }
  const chains = (JSON.parse(ruleset) as Listed).nftables.flatMap(({ chain }) => chain ?? [])
  const hooks = chains.map(({ family, name, hook }) => `${family} ${name} at ${hook}`)
  const queues = qdiscs.split('\n').flatMap((line) => /^qdisc (\S+) .*dev (\S+)/.exec(line) ?? [])
  return [
    {
      what: "chains in a task's namespace",
      value: hooks.length,
      unit: 'chains',
      raw: hooks.join(', '),
    },
    {
      what: 'expressions of all rules in them',
      value: bytecode.match(/^ {2}\[ /gm)?.length ?? 0,
      unit: 'expressions',
      gate: { most: 50 },
      raw: queues.join(' '),
    },
  ]
}

/** Runs one task of the family; its namespace and its address. */
async function task(host: Host, docker: DockerSide, family: string): Promise<Place> {
  const [id = ''] = await host.run(family)
  const { enis } = (await host.reached(id, 'RUNNING')) as { enis?: { ipv4: string }[] }
  const filters = encodeURIComponent(
    JSON.stringify({ label: [`enid:holder=${id}`, 'enid:row=sandbox'] }),
  )
  type Found = readonly { readonly Id: string }[]
  const [pause] = await docker.client.ask<Found>('GET', `/containers/json?filters=${filters}`)
  return { netnsPath: await netnsOf(docker, pause?.Id ?? ''), ipv4: enis?.[0]?.ipv4 ?? '' }
}

async function netnsOf({ client }: DockerSide, id: string): Promise<string> {
  type Facts = { NetworkSettings: { SandboxKey: string } }
  return (await client.ask<Facts>('GET', `/containers/${id}/json`)).NetworkSettings.SandboxKey
}
