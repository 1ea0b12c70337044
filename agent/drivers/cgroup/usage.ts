// What runs in a cgroup uses, by the kernel's own files, in the words of Docker's statistics: who reads
// those of a task knows them so, as ECS hands them on. Docker itself gives none of a container whose
// network it did not make.
//
// Version 1 has a hierarchy for each controller, version 2 one. A controller that is not there is left
// out, a cgroup that is not there has no usage at all.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Json } from '../../../state/spec.ts'
import { unlessNone } from './gone.ts'

/** USER_HZ, in which the kernel tells of processor time: 100 on every machine that Node runs on. */
const NS_PER_TICK = 1e9 / 100

type Read = (controller: string, file: string) => Promise<string | undefined>
type Counts = Readonly<Record<string, number>>

const textAt = (path: string) => unlessNone(readFile(path, 'utf8'))

/** What is used, in Docker's words. */
export type Usage = { readonly [key: string]: Json }

/** Where the hierarchies are, and what they are. */
export type Mounted = { readonly mounted: string; readonly version: 1 | 2 }

/** The usage; undefined where there is no such cgroup. */
export async function usageOf(
  { mounted, version }: Mounted,
  path: string,
): Promise<Usage | undefined> {
  const folder = (controller: string) => (version === 2 ? mounted : join(mounted, controller))
  const read: Read = (controller, file) => textAt(join(folder(controller), path, file))
  const [pids, pidsMax, stat, meminfo] = await Promise.all([
    read('pids', 'pids.current'),
    read('pids', 'pids.max'),
    textAt('/proc/stat'),
    textAt('/proc/meminfo'),
  ])
  const ofMachine = Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo ?? '')?.[1]) * 1024
  const [cpu, memory, blocks] = await Promise.all(
    version === 2
      ? [cpuV2(read), memoryV2(read, ofMachine), blocksV2(read)]
      : [cpuV1(read), memoryV1(read, ofMachine), blocksV1(read)],
  )
  if (cpu === undefined && memory === undefined) return undefined
  return {
    read: new Date().toISOString(),
    preread: '0001-01-01T00:00:00Z',
    pids_stats: pids === undefined ? {} : { current: Number(pids), ...limit(pidsMax) },
    blkio_stats: blocks as Json,
    cpu_stats: { ...(cpu as object), ...ofProcStat(stat ?? '') },
    precpu_stats: {},
    memory_stats: memory ?? {},
  }
}

async function cpuV1(read: Read): Promise<Json | undefined> {
  const files = ['cpuacct.usage', 'cpuacct.usage_percpu', 'cpuacct.stat']
  const [usage, each, ticks] = await Promise.all(files.map((file) => read('cpuacct', file)))
  if (usage === undefined) return undefined
  const { user = 0, system = 0 } = countsIn(ticks)
  const {
    nr_periods = 0,
    nr_throttled = 0,
    throttled_time = 0,
  } = countsIn(await read('cpu', 'cpu.stat'))
  return {
    cpu_usage: {
      total_usage: Number(usage),
      percpu_usage: (each ?? '').trim().split(/\s+/).map(Number),
      usage_in_kernelmode: system * NS_PER_TICK,
      usage_in_usermode: user * NS_PER_TICK,
    },
    throttling_data: throttling(nr_periods, nr_throttled, throttled_time),
  }
}

async function cpuV2(read: Read): Promise<Json | undefined> {
  const text = await read('cpu', 'cpu.stat')
  if (text === undefined) return undefined
  const counts = countsIn(text)
  const ns = (name: string): number => (counts[name] ?? 0) * 1000
  return {
    cpu_usage: {
      total_usage: ns('usage_usec'),
      usage_in_kernelmode: ns('system_usec'),
      usage_in_usermode: ns('user_usec'),
    },
    throttling_data: throttling(
      counts.nr_periods ?? 0,
      counts.nr_throttled ?? 0,
      ns('throttled_usec'),
    ),
  }
}

const throttling = (periods: number, throttled: number, ns: number): Json => ({
  ...{ periods, throttled_periods: throttled, throttled_time: ns },
})

async function memoryV1(read: Read, ofMachine: number): Promise<Json | undefined> {
  const of = (name: string) => read('memory', `memory.${name}`)
  const names = ['usage_in_bytes', 'max_usage_in_bytes', 'failcnt', 'limit_in_bytes', 'stat']
  const [usage, most, failed, limited, stats] = await Promise.all(names.map(of))
  if (usage === undefined) return undefined
  return {
    ...{ usage: Number(usage), max_usage: Number(most), failcnt: Number(failed) },
    ...{ stats: countsIn(stats), limit: Math.min(Number(limited), ofMachine) },
  }
}

async function memoryV2(read: Read, ofMachine: number): Promise<Json | undefined> {
  const of = (name: string) => read('memory', `memory.${name}`)
  const [usage, limited, stats] = await Promise.all(['current', 'max', 'stat'].map(of))
  if (usage === undefined) return undefined
  const most = limit(limited).limit ?? ofMachine
  return { usage: Number(usage), stats: countsIn(stats), limit: Math.min(most, ofMachine) }
}

type Block = { readonly major: number; readonly minor: number; op: string; value: number }

/** `8:0 Read 4096`, device by device, and a total of all at the end. */
async function blocksV1(read: Read): Promise<Json> {
  const listed = async (file: string): Promise<Block[]> => {
    const lines = ((await read('blkio', file)) ?? '').split('\n')
    return lines.flatMap((line) => {
      const [, major, minor, op = '', value] = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line) ?? []
      if (major === undefined) return []
      return [{ major: Number(major), minor: Number(minor), op, value: Number(value) }]
    })
  }
  const [bytes, served] = await Promise.all(
    ['io_service_bytes_recursive', 'io_serviced_recursive'].map((file) =>
      listed(`blkio.throttle.${file}`),
    ),
  )
  return blocks(bytes ?? [], served ?? [])
}

/** `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …`, device by device. */
async function blocksV2(read: Read): Promise<Json> {
  const lines = ((await read('io', 'io.stat')) ?? '').split('\n').filter((line) => line !== '')
  const counted = (names: Readonly<Record<string, string>>): Block[] =>
    lines.flatMap((line) => {
      const [device = '', ...pairs] = line.split(' ')
      const [major = 0, minor = 0] = device.split(':').map(Number)
      return pairs.flatMap((pair) => {
        const [name = '', value] = pair.split('=')
        const op = names[name]
        return op === undefined ? [] : [{ major, minor, op, value: Number(value) }]
      })
    })
  const bytes = counted({ rbytes: 'read', wbytes: 'write' })
  return blocks(bytes, counted({ rios: 'read', wios: 'write' }))
}

const blocks = (bytes: readonly Block[], served: readonly Block[]): Json => ({
  ...{ io_service_bytes_recursive: [...bytes], io_serviced_recursive: [...served] },
})

/** All processors together, and how many there are. Of its columns Docker adds up the first seven. */
function ofProcStat(text: string): Counts {
  const columns = /^cpu +(.*)$/m.exec(text)?.[1]?.split(' ').slice(0, 7) ?? []
  const ticks = columns.reduce((sum, column) => sum + Number(column), 0)
  const online_cpus = text.match(/^cpu\d/gm)?.length ?? 0
  return { system_cpu_usage: ticks * NS_PER_TICK, online_cpus }
}

/** `max` is no limit, and left out. */
function limit(text: string | undefined): { readonly limit?: number } {
  const value = Number(text)
  return Number.isNaN(value) ? {} : { limit: value }
}

/** `name value`, line by line. */
function countsIn(text: string | undefined): Counts {
  const lines = (text ?? '').split('\n').filter((line) => line !== '')
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', value] = line.split(' ')
      return [name, Number(value)]
    }),
  )
}
