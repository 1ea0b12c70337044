// Goal: a dockerd that is killed in the instant in which its containerd starts a container forgets
// it: Docker can neither start nor end what runs. The task starts all the same, or stops, and nothing
// of it is left. Method: a dockerd of the test's own, killed as soon as the kernel shows the process;
// the oracles are /proc, the task's cgroup and the docker command. The window is short, so each
// test kills until it was hit, and says how often.

import { globSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { OwnDockerd } from './own-dockerd.ts'
import { Rig } from './rig.ts'

const OBEDIENT = 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done'
/** Seen: a kill in two or three hits. */
const KILLS_MAX = 20

let dockerd: OwnDockerd
let rig: Rig
let group = ''
const usual = process.env.DOCKER_HOST

beforeAll(async () => {
  dockerd = new OwnDockerd({ liveRestore: true })
  process.env.DOCKER_HOST = dockerd.host
  await dockerd.start()
  rig = await Rig.open()
  group = await rig.group('idle')
  await rig.define('idle', OBEDIENT)
}, 180_000)
afterAll(async () => {
  await rig?.close()
  await dockerd?.close()
  if (usual === undefined) delete process.env.DOCKER_HOST
  else process.env.DOCKER_HOST = usual
}, 180_000)

const folderOf = (id: string) => `/sys/fs/cgroup/pids/enid/${rig.instanceId}.${id}`

/** What is looked at comes and goes: a process that is gone has no name, a cgroup no processes. */
function orNone<T>(none: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const isGone = ['ENOENT', 'ENOTDIR', 'ESRCH', 'ENODEV'].includes(
      (error as { code?: string }).code ?? '',
    )
    if (!isGone) throw error
    return none
  }
}
const text = (path: string) => orNone('', () => readFileSync(path, 'utf8'))

/** The processes in each of the task's cgroups, the pause's among them. */
function processesOf(id: string): { containerId: string; pid: number; command: string }[] {
  const folder = folderOf(id)
  return orNone<string[]>([], () => readdirSync(folder)).flatMap((containerId) => {
    const pids = text(`${folder}/${containerId}/cgroup.procs`).split('\n').filter(Boolean)
    return pids.map((pid) => ({
      ...{ containerId, pid: Number(pid) },
      command: text(`/proc/${pid}/comm`).trim(),
    }))
  })
}

/** Starts a task and kills dockerd the moment its container's first process is what it should be. */
async function killAtStart(): Promise<{ id: string; containerId: string; pid: number }> {
  const [id = ''] = await rig.run('idle', [group])
  const deadline = performance.now() + 30_000
  while (performance.now() < deadline) {
    const found = processesOf(id).find(({ command }) => command === 'busybox')
    if (found !== undefined) {
      await dockerd.end('SIGKILL')
      return { id, ...found }
    }
    await pause(0)
  }
  throw new Error(`nothing starts in ${folderOf(id)}`)
}

const isThere = (pid: number) => /\) [^ZX] /.test(text(`/proc/${pid}/stat`))

/** What Docker knows of the container, once it is back. */
async function stateOf(containerId: string): Promise<{ Status: string; Pid: number }> {
  return JSON.parse(await must('docker', ['inspect', '--format', '{{json .State}}', containerId]))
}

// P385
test('the task starts all the same: what Docker forgot is ended, and started again', async () => {
  let hits = 0
  let kills = 0
  for (; hits < 2 && kills < KILLS_MAX; kills++) {
    const { id, containerId, pid } = await killAtStart()
    expect(isThere(pid)).toBe(true)
    await dockerd.start()
    await rig.waitFor(id, 'RUNNING', 120_000)
    const { Status: status, Pid: known } = await stateOf(containerId)
    expect(status).toBe('running')
    const first = processesOf(id).filter((each) => each.containerId === containerId)
    expect(first.map((each) => each.pid)).toContain(known)
    if (known !== pid) {
      hits += 1
      expect(isThere(pid), 'the one that Docker forgot').toBe(false)
    }
    await rig.stopAndWait(id)
    expect(globSync(`/sys/fs/cgroup/*/enid/*${id}*`)).toEqual([])
  }
  console.log(`forgotten in ${hits} of ${kills} kills`)
  expect(hits).toBe(2)
}, 400_000)

// P385
test('one that is stopped meanwhile leaves no process behind', async () => {
  let hits = 0
  let kills = 0
  for (; hits < 2 && kills < KILLS_MAX; kills++) {
    const { id, containerId, pid } = await killAtStart()
    await rig.stop(id)
    await dockerd.start()
    const { Status: status } = await stateOf(containerId).catch(() => ({ Status: 'gone' }))
    if (status !== 'running' && isThere(pid)) hits += 1
    await rig.waitFor(id, 'STOPPED', 120_000)
    expect(isThere(pid)).toBe(false)
    expect(await rig.containers()).toEqual([])
    expect(globSync(`/sys/fs/cgroup/*/enid/*${id}*`)).toEqual([])
  }
  console.log(`forgotten in ${hits} of ${kills} kills`)
  expect(hits).toBe(2)
}, 400_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
