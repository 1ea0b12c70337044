// Row 7, streams: one TCP stream between two tasks of the lab in parts of one between two containers on
// docker's bridge, and from a task to itself in parts of the same in a container without a network; and
// whether anything of enid's stands in the host's own namespace, which packets of a task do not pass.

import { must } from '../../scripts/demo/program.ts'
import type { DockerSide } from '../docker.ts'
import type { Host } from '../host.ts'
import { alternate, compare, median, short } from '../pairs.ts'
import type { Figure, Goal, Row } from '../row.ts'
import type { Stage } from '../stage.ts'
import { type Place, runContainers, type Stream, stream } from '../throughput.ts'

/** One stream's seconds, and how many there are of each kind in full. */
const SECONDS = 1
const STREAMS = 20
/** Of those to itself: what is looked for is less than what single ones differ by. */
const TO_ITSELF = 60
/** What counts as unchanged: streams of one and the same kind differ by more from run to run. */
const SAME = 0.97
const SLEEP = ['/busybox', 'sleep', '3600']

export const row: Row = {
  what: 'streams between tasks and to itself, beside containers on the bridge and without a network',
  minutes: 3.5,
  run: measureStreams,
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
  const counts = [STREAMS, TO_ITSELF].map((most) => stage.count(most)) as [number, number]
  stage.tell(`${counts.join(' and ')} streams of each kind, of ${SECONDS} s`)
  const between = await alternate(
    {
      tasks: () => stream(tasks, SECONDS),
      bridge: () => stream(bridge.places, SECONDS),
    },
    counts[0],
    { warmUp: 1 },
  )
  const within = await alternate(
    {
      self: () => stream([self, self], SECONDS),
      alone: () => stream([alone, alone], SECONDS),
    },
    counts[1],
    { warmUp: 1 },
  )
  const tables = (await must('nft', ['list', 'tables'])).trim()
  return [
    ...carried('task to task ÷ containers on the bridge', between.tasks, between.bridge, 1),
    ...carried('task to itself ÷ container to itself', within.self, within.alone, SAME),
    {
      what: "nftables of enid's in the host's namespace, beside two running tasks",
      value: tables.split('\n').filter((line) => line.includes('enid')).length,
      unit: 'tables',
      goal: { most: 0 },
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
    part('perCpuSecond', 'in a second of processor time'),
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
  type Facts = { State: { Pid: number } }
  return `/proc/${(await client.ask<Facts>('GET', `/containers/${id}/json`)).State.Pid}/ns/net`
}
