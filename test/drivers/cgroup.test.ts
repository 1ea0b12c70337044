// Goal: what a task as a whole may use is held against all that runs in it, and nothing that runs in
// it outlives it, whoever has forgotten it. Method: the real kernel and the real dockerd; the oracles
// are /proc, the files of /sys/fs/cgroup and the docker command. This kernel's cgroups are version 1,
// with an (almost) empty version 2 beside them: its limits are looked at in files of the test's own.

import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { limitsOf } from '../../agent/drivers/cgroup/limits.ts'
import { holderAt, leafOf, parentOf, pathOf } from '../../agent/drivers/cgroup/path.ts'
import { openCgroups } from '../../agent/drivers/cgroup/tree.ts'
import { cgroupDriver } from '../../agent/drivers/cgroup.ts'
import { containerDriver } from '../../agent/drivers/container.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { openOrphans } from '../../agent/drivers/orphans.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { openSurvey, type SeenCgroup } from '../../agent/drivers/survey.ts'
import type { CgroupSpec, ContainerSpec } from '../../state/spec.ts'
import { container, eniDetails, job, never, newHolderId, newHost, spec } from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, sh, wearing } from './test-image.ts'

const ROOT = '/sys/fs/cgroup'
const host = newHost()
const connection = openDocker()
const cgroups = openCgroups()
const driver = cgroupDriver({ docker: connection, cgroups, host })
const containers = containerDriver({ docker: connection, host })
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
const sandboxes = sandboxDriver({ docker: connection, kernel, host, folders })
const children: ChildProcess[] = []
/** What a failed test would leave behind. */
const begun: string[] = []
let image: string

beforeAll(async () => {
  image = await importTestImage()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const name of await wearing(MARK.instance, host.instanceId)) {
    await docker('rm', '--force', name)
  }
  for (const path of begun.splice(0)) {
    await cgroups.end(path)
    await cgroups.remove(path)
  }
})
afterAll(async () => {
  await docker('rmi', image)
  expect(foldersOf(host.instanceId)).toEqual([])
})

/** Every folder of a cgroup whose name has this in it, in any hierarchy. */
const foldersOf = (text: string): string[] => globSync(`${ROOT}/*/enid*/*${text}*`)
const read = (controller: string, path: string, file: string): string =>
  readFileSync(join(ROOT, controller, path, file), 'utf8').trim()
const isThere = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
const pidOf = async (containerId: string): Promise<number> =>
  Number(await docker('inspect', '--format', '{{.State.Pid}}', containerId))
const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

/** A task of these containers, as far up as its sandbox. */
async function task(cgroup: CgroupSpec, own: readonly Partial<ContainerSpec>[] = []) {
  const holderId = newHolderId()
  const idle = { image, command: sh('exec /busybox sleep 1000'), stopTimeoutMs: 0 }
  const all = own.map((one) => container({ ...idle, ...one }))
  const given = spec({ cgroup, containers: all.length > 0 ? all : [container(idle)] })
  const made = await driver.ensure(job('cgroup', { holderId, spec: given }), never())
  begun.push((made as Details['cgroup']).path ?? '')
  const known: Record<string, object> = { cgroup: made, 'eni:0': eniDetails() }
  const of = (row: Parameters<typeof job>[0]) => job(row, { holderId, spec: given, known })
  const sandbox = await sandboxes.ensure(of('sandbox'), never())
  known.sandbox = sandbox
  return { holderId, of, sandbox, path: (made as Details['cgroup']).path ?? '' }
}
type TaskUp = Awaited<ReturnType<typeof task>>

async function down({ of }: TaskUp, ...names: string[]): Promise<void> {
  for (const name of names) await containers.release(of(`container:${name}`), never())
  await sandboxes.release(of('sandbox'), never())
  await driver.release(of('cgroup'), never())
}

/** A process of ours that Docker knows nothing of, put into this cgroup of a container. */
async function stray(leaf: string, line: string, root = ROOT): Promise<number> {
  const controllers = root === ROOT ? ['cpu', 'memory', 'freezer', 'pids'] : ['']
  for (const name of controllers) mkdirSync(join(root, name, leaf), { recursive: true })
  const child = spawn('/bin/busybox', ['sh', '-c', line], { stdio: 'ignore' })
  children.push(child)
  const pid = child.pid as number
  for (const name of controllers) writeFileSync(join(root, name, leaf, 'cgroup.procs'), String(pid))
  await pause(100)
  return pid
}

describe('a task as a whole', () => {
  // P380
  test('has its limits on one cgroup, in which its pause and all its containers are', async () => {
    const up = await task({ cpuUnits: 512, memoryMiB: 64 })
    expect(up.path).toBe(`enid/${host.instanceId}.${up.holderId}`)
    expect(read('cpu', up.path, 'cpu.cfs_period_us')).toBe('100000')
    expect(read('cpu', up.path, 'cpu.cfs_quota_us')).toBe('50000')
    expect(read('memory', up.path, 'memory.limit_in_bytes')).toBe(String(64 * 2 ** 20))
    const { containerId } = await containers.ensure(up.of('container:app'), never())
    for (const id of [up.sandbox.containerId, containerId]) {
      const lines = readFileSync(`/proc/${await pidOf(id)}/cgroup`, 'utf8')
      for (const controller of ['cpu', 'memory', 'freezer']) {
        expect(lines).toMatch(new RegExp(`:${controller}:/${up.path}/${id}\n`))
      }
    }
    await down(up, 'app')
    expect(foldersOf(up.holderId)).toEqual([])
  })

  // P380
  test('without cpu weighs what its containers weigh together, at least 2 each', async () => {
    const up = await task({}, [{ name: 'app', cpuShares: 300 }, { name: 'log' }])
    expect(read('cpu', up.path, 'cpu.shares')).toBe('302')
    expect(read('cpu', up.path, 'cpu.cfs_quota_us')).toBe('-1')
    await down(up)
  })

  // P380
  test('is held to its memory where no container of it has a limit', async () => {
    const hog =
      'x=$(/busybox dd if=/dev/zero bs=1M count=96 2>/dev/null | /busybox tr "\\0" x); echo kept'
    const up = await task({ memoryMiB: 32 }, [{ command: sh(hog) }])
    const { containerId } = await containers.ensure(up.of('container:app'), never())
    await docker('wait', containerId)
    expect(await docker('logs', containerId)).not.toContain('kept')
    expect(read('memory', up.path, 'memory.max_usage_in_bytes')).toBe(String(32 * 2 ** 20))
    await down(up, 'app')
    const free = await task({}, [{ command: sh(hog) }])
    const other = await containers.ensure(free.of('container:app'), never())
    await docker('wait', other.containerId)
    expect(await docker('logs', other.containerId)).toContain('kept')
    await down(free, 'app')
  }, 180_000)

  // P380
  test('is held to its cpu by all its containers together', async () => {
    const busy = { command: sh('while :; do :; done') }
    const up = await task({ cpuUnits: 256 }, [
      { name: 'one', ...busy },
      { name: 'two', ...busy },
    ])
    for (const name of ['one', 'two']) {
      await containers.ensure(up.of(`container:${name}`), never())
    }
    const usage = () => Number(read('cpuacct', up.path, 'cpuacct.usage'))
    const [before, since] = [usage(), performance.now()]
    await pause(3_000)
    const cpus = (usage() - before) / 1e6 / (performance.now() - since)
    expect(cpus).toBeLessThan(0.3)
    expect(cpus).toBeGreaterThan(0.02)
    await down(up, 'one', 'two')
  }, 180_000)
})

describe('what is left in it', () => {
  // P381
  test.each([
    ['that hears no signal', 'trap "" TERM INT HUP; while :; do sleep 1; done'],
    ['that begins others all the time', 'while :; do sh -c "sleep 5" & sleep 0.01; done'],
    ['of a user of its own', 'exec setpriv --reuid 12345 sleep 1000'],
  ])('is ended with it: one %s', async (_what, line) => {
    const up = await task({})
    const beside = await task({})
    const pid = await stray(leafOf(up.path, 'f'.repeat(64)), line)
    const other = await stray(leafOf(beside.path, 'f'.repeat(64)), 'exec sleep 1000')
    const pids = readFileSync(join(ROOT, 'pids', leafOf(up.path, 'f'.repeat(64)), 'cgroup.procs'))
    await sandboxes.release(up.of('sandbox'), never())
    await driver.release(up.of('cgroup'), never())
    for (const each of [pid, ...String(pids).trim().split('\n').map(Number)]) {
      expect(isThere(each), `process ${each}`).toBe(false)
    }
    expect(foldersOf(up.holderId)).toEqual([])
    expect(isThere(other), 'the task beside it').toBe(true)
    await down(beside)
    expect(isThere(other)).toBe(false)
  })

  // P381
  test('of a container that Docker calls stopped is ended when that is released', async () => {
    const up = await task({}, [{ command: sh('exec /busybox true'), essential: false }])
    const { containerId } = await containers.ensure(up.of('container:app'), never())
    await docker('wait', containerId)
    const pid = await stray(leafOf(up.path, containerId), 'exec sleep 1000')
    await containers.release(up.of('container:app'), never())
    expect(isThere(pid)).toBe(false)
    expect(isThere(await pidOf(up.sandbox.containerId)), 'the pause').toBe(true)
    await down(up)
  })

  // P382
  test('of a task that nobody knows is shown, in use or not, and given back whole', async () => {
    const ec2 = { call: async () => ({}) as never }
    const look = openSurvey({
      ...{ ec2, docker: connection, instanceId: host.instanceId, stateDir: '/nowhere' },
      kernel: { links: async () => [] },
    })
    const seen = async () => {
      const { cgroups: place } = await look([], never())
      return 'seen' in place ? place.seen : place.away
    }
    const up = await task({})
    const wears = { instanceId: host.instanceId, holderId: up.holderId, row: 'cgroup' }
    const thing = { what: 'cgroup', path: up.path, wears }
    expect(await seen()).toEqual([{ ...thing, isUsed: true }])
    await docker('rm', '--force', up.sandbox.containerId)
    expect(await seen()).toEqual([{ ...thing, isUsed: false }])
    const pid = await stray(leafOf(up.path, 'f'.repeat(64)), 'exec sleep 1000')
    const orphans = openOrphans({
      ...{ ec2, docker: connection, instanceId: host.instanceId, stateDir: '/nowhere' },
      kernel: { giveBack: async () => {}, dropNetns: async () => {} },
    })
    const [found] = (await seen()) as readonly SeenCgroup[]
    await orphans.releaseCgroup(found as SeenCgroup, never())
    expect(isThere(pid)).toBe(false)
    expect(await seen()).toEqual([])
    expect(foldersOf(up.holderId)).toEqual([])
  })
})

describe('where cgroups cannot be made', () => {
  const none = cgroupDriver({
    ...{ docker: connection, host },
    cgroups: openCgroups(mkdtempSync(join(tmpdir(), 'enid-no-cgroup-'))),
  })

  // P383
  test('a task that asks for no limit goes without; one that does is refused', async () => {
    const given = (cgroup: CgroupSpec) => job('cgroup', { spec: spec({ cgroup }) })
    expect(await none.ensure(given({}), never())).toEqual({})
    await expect(none.ensure(given({ memoryMiB: 64 }), never())).rejects.toEqual(
      failing({ kind: 'refused', code: 'CgroupUnavailable' }),
    )
    expect(await none.release(given({}), never())).toBeUndefined()
  })

  test('a dockerd without a driver for them is as good as none', async () => {
    const rootless = cgroupDriver({
      ...{ cgroups, host },
      docker: { cgroupDriver: async () => 'none' },
    })
    const given = (cgroup: CgroupSpec) => job('cgroup', { spec: spec({ cgroup }) })
    expect(await rootless.ensure(given({}), never())).toEqual({})
    await expect(rootless.ensure(given({ cpuUnits: 128 }), never())).rejects.toEqual(
      failing({ kind: 'refused', code: 'CgroupUnavailable' }),
    )
  })
})

describe('version 2', () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-cgroup2-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  // P384
  test('limits are written where it has them, handed on from above', async () => {
    const has = (at: string) => {
      mkdirSync(join(folder, at), { recursive: true })
      writeFileSync(join(folder, at, 'cgroup.controllers'), 'cpuset cpu io memory pids\n')
      writeFileSync(join(folder, at, 'cgroup.procs'), '')
    }
    for (const at of ['', 'enid', 'enid.slice']) has(at)
    const second = openCgroups(folder)
    expect(second.version).toBe(2)
    const given = spec({ cgroup: { cpuUnits: 256, memoryMiB: 96 } })
    for (const name of ['cgroupfs', 'systemd'] as const) {
      const path = pathOf(name, host.instanceId, newHolderId())
      await second.make(path, limitsOf(given, 2))
      expect(readFileSync(join(folder, path, 'cpu.max'), 'utf8')).toBe('25000 100000')
      expect(readFileSync(join(folder, path, 'memory.max'), 'utf8')).toBe(String(96 * 2 ** 20))
    }
    expect(readFileSync(join(folder, 'cgroup.subtree_control'), 'utf8')).toBe('+pids')
    const weighed = spec({ cgroup: {}, containers: [container({ cpuShares: 1024 })] })
    expect(limitsOf(weighed, 2)).toEqual([{ controller: 'cpu', file: 'cpu.weight', text: '39' }])
  })

  // P384
  test('ends all that is in a cgroup at once, by the real kernel', async () => {
    const second = openCgroups(join(ROOT, 'unified'))
    expect(second.version).toBe(2)
    const path = pathOf('cgroupfs', host.instanceId, newHolderId())
    const root = join(ROOT, 'unified')
    const pid = await stray(
      leafOf(path, 'a'.repeat(64)),
      'while :; do sleep 5 & sleep 0.01; done',
      root,
    )
    expect(existsSync(join(root, path, 'cgroup.kill'))).toBe(true)
    await expect(second.remove(path)).rejects.toEqual(
      failing({ kind: 'transient', code: 'CgroupBusy' }),
    )
    await second.end(path)
    expect(isThere(pid)).toBe(false)
    await second.remove(path)
    expect(existsSync(join(root, path))).toBe(false)
    await second.remove(path)
    await second.end(path)
  })

  // P384
  test("Docker's two drivers put it where each can find it", () => {
    const [instanceId, holderId] = ['i-0123456789abcdef0', newHolderId()]
    const slice = `enid-0123456789abcdef0_${holderId}.slice`
    const path = pathOf('systemd', instanceId, holderId)
    expect(path).toBe(`enid.slice/${slice}`)
    expect(parentOf(path)).toBe(slice)
    expect(leafOf(path, 'abc')).toBe(`enid.slice/${slice}/docker-abc.scope`)
    expect(parentOf(pathOf('cgroupfs', instanceId, holderId))).toBe(
      `/enid/i-0123456789abcdef0.${holderId}`,
    )
    for (const name of ['cgroupfs', 'systemd'] as const) {
      const own = pathOf(name, instanceId, holderId)
      expect(holderAt(own, instanceId)).toBe(holderId)
      expect(holderAt(own, 'i-0fedcba9876543210')).toBeUndefined()
    }
    expect(holderAt('enid/other', instanceId)).toBeUndefined()
  })
})
