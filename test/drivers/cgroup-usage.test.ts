// Goal: what a container uses is told as Docker tells it, from the kernel's own files. Method: the real
// kernel and dockerd, whose own statistics of a container with one of its networks are the oracle; this
// kernel's controllers are version 1, so version 2 is read from files as the kernel's manual has them
// (Documentation/admin-guide/cgroup-v2.rst).

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCgroups } from '../../agent/drivers/cgroup/tree.ts'
import { usageOf } from '../../agent/drivers/cgroup/usage.ts'
import { docker, importTestImage, sh } from './test-image.ts'

type Stats = {
  cpu_stats: {
    cpu_usage: Record<string, number>
    throttling_data: Record<string, number>
    system_cpu_usage: number
    online_cpus: number
  }
  memory_stats: { usage: number; limit: number; stats: Record<string, number> }
  pids_stats: { current: number; limit?: number }
  blkio_stats: Record<string, { op: string; value: number }[] | null>
}

let image: string
let id: string
const parent = `/enid-test-${randomBytes(4).toString('hex')}`

beforeAll(async () => {
  image = await importTestImage()
  const options = ['--network=none', `--cgroup-parent=${parent}`, '--memory=64m', '--pids-limit=9']
  const work = 'n=0; while [ $n -lt 200000 ]; do n=$((n+1)); done; exec /busybox sleep 600'
  id = await docker('run', '--detach', ...options, image, ...sh(work))
})
afterAll(async () => {
  await docker('rm', '--force', id)
  await docker('rmi', image)
  await openCgroups().remove(parent.slice(1))
})

async function statsOfDocker(): Promise<Stats> {
  const socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').slice(7)
  const path = `/containers/${id}/stats?stream=false&one-shot=true`
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath, path }, async (answer) => {
      resolve((await answer.toArray()).join(''))
    })
    asked.once('error', reject).end()
  })
  return JSON.parse(text)
}

// P524
test('what a container uses is told as Docker tells it', async () => {
  // It idles by the time it is looked at, so that two looks agree.
  const args = async () => docker('top', id, '-o', 'pid,args')
  await expect.poll(args, { timeout: 20_000 }).toMatch(/sleep 600/)
  const before = await statsOfDocker()
  const own = (await openCgroups().usage(`${parent.slice(1)}/${id}`)) as unknown as Stats
  const after = await statsOfDocker()
  const within = (pick: (of: Stats) => number, slack = 0) => {
    expect(pick(own)).toBeGreaterThanOrEqual(pick(before) - slack)
    expect(pick(own)).toBeLessThanOrEqual(pick(after) + slack)
  }
  const usage = (name: string) => (of: Stats) => of.cpu_stats.cpu_usage[name] ?? Number.NaN
  within(usage('total_usage'))
  expect(usage('total_usage')(own), 'it has worked').toBeGreaterThan(10_000_000)
  // The kernel counts these by ticks.
  for (const mode of ['usage_in_usermode', 'usage_in_kernelmode']) within(usage(mode), 20_000_000)
  within((of) => of.cpu_stats.system_cpu_usage)
  expect(own.cpu_stats.online_cpus).toBe(after.cpu_stats.online_cpus)
  expect(own.cpu_stats.throttling_data).toEqual(after.cpu_stats.throttling_data)
  expect(own.cpu_stats.cpu_usage.percpu_usage).toHaveLength(
    (after.cpu_stats.cpu_usage.percpu_usage as unknown as number[]).length,
  )
  expect(own.memory_stats.limit).toBe(64 << 20)
  within((of) => of.memory_stats.usage, 1 << 20)
  // The kernel tells more than this Docker knows of.
  expect(Object.keys(own.memory_stats.stats)).toEqual(
    expect.arrayContaining(Object.keys(after.memory_stats.stats)),
  )
  expect(own.pids_stats).toEqual({ current: 1, limit: 9 })
  expect(after.pids_stats).toEqual({ current: 1, limit: 9 })
  const ops = (of: Stats) =>
    (of.blkio_stats.io_service_bytes_recursive ?? []).map(({ op, value }) => [
      op.toLowerCase(),
      value,
    ])
  expect(ops(own)).toEqual(ops(after))
})

test('of a cgroup that is gone there is none', async () => {
  expect(await openCgroups().usage('enid/never')).toBeUndefined()
})

// P524
test('version 2 is told in the same words', async () => {
  const mounted = mkdtempSync(join(tmpdir(), 'enid-usage-'))
  try {
    const files = {
      'cpu.stat':
        'usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 7\nnr_throttled 2\nthrottled_usec 90\n',
      'memory.current': '4096\n',
      'memory.max': 'max\n',
      'memory.stat': 'anon 1024\nfile 2048\n',
      'pids.current': '3\n',
      'pids.max': 'max\n',
      'io.stat': '254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n',
    }
    mkdirSync(join(mounted, 'a/b'), { recursive: true })
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(mounted, 'a/b', name), text)
    }
    const own = await usageOf({ mounted, version: 2 }, 'a/b')
    const machine = Number(/MemTotal: +(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1])
    const block = { major: 254, minor: 0 }
    expect(own).toMatchObject({
      cpu_stats: {
        cpu_usage: {
          ...{ total_usage: 5_000_000, usage_in_usermode: 3_000_000 },
          usage_in_kernelmode: 2_000_000,
        },
        throttling_data: { periods: 7, throttled_periods: 2, throttled_time: 90_000 },
      },
      memory_stats: {
        ...{ usage: 4096, stats: { anon: 1024, file: 2048 } },
        limit: machine * 1024,
      },
      blkio_stats: {
        io_service_bytes_recursive: [
          { ...block, op: 'read', value: 4096 },
          { ...block, op: 'write', value: 8192 },
        ],
        io_serviced_recursive: [
          { ...block, op: 'read', value: 1 },
          { ...block, op: 'write', value: 2 },
        ],
      },
    })
    expect(own?.pids_stats).toEqual({ current: 3 })
  } finally {
    rmSync(mounted, { recursive: true })
  }
})
