// Goal: after a reboot of the host every task that ran stops and says so, its ENI is given back
// though its card lies about under any name, what was to stop is stopped, what had only begun goes
// on, and no namespace of the earlier boot is trusted. Method: what a reboot leaves, made by hand:
// agent, dockerd, containerd and all containers dead at once, nothing mounted, another boot id.

import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateServiceCommand,
  type CreateServiceCommandInput,
  DeleteServiceCommand,
} from '@aws-sdk/client-ecs'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bootId } from '../../agent/drivers/boot-id.ts'
import { faultPoint } from '../../agent/fault-point.ts'
import { must, program } from '../../scripts/demo/program.ts'
import { OwnDockerd } from './own-dockerd.ts'
import { fact, Rig } from './rig.ts'

const DECOY = `enid-decoy-${process.pid}`
const dockerd = new OwnDockerd({ liveRestore: true })
const usual = process.env.DOCKER_HOST
let rig: Rig
let group = ''
let path = ''

beforeAll(async () => {
  process.env.DOCKER_HOST = dockerd.host
  await dockerd.start()
  rig = await Rig.open()
  group = await rig.group('any')
  await rig.define('idle', 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done')
  await rig.define('deaf', 'trap "" TERM; while :; do /busybox sleep 1; done', { stopTimeout: 120 })
  path = join(rig.env.ENID_STATE_DIR ?? '', 'enid.db')
})
afterAll(async () => {
  await rig?.close()
  await dockerd.close()
  await program('ip', ['netns', 'delete', DECOY])
  if (usual === undefined) delete process.env.DOCKER_HOST
  else process.env.DOCKER_HOST = usual
})

/** The name of the host's link with this MAC. */
async function linkName(mac: string): Promise<string | undefined> {
  const links = JSON.parse(await must('ip', ['-j', 'link'])) as {
    ifname: string
    address?: string
  }[]
  return links.find(({ address }) => address === mac)?.ifname
}

/** A live namespace of somebody else's, with a card and an address, where the way into the dead one led. */
async function reuse(way: string): Promise<string> {
  await must('ip', ['netns', 'add', DECOY])
  await must('ip', ['-n', DECOY, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other'])
  await must('ip', ['-n', DECOY, 'address', 'add', '192.0.2.7/24', 'dev', 'eth0'])
  await must('ip', ['-n', DECOY, 'link', 'set', 'eth0', 'up'])
  rmSync(way)
  symlinkSync(`/run/netns/${DECOY}`, way)
  return await decoy()
}
const decoy = () => must('ip', ['-n', DECOY, '-j', 'address'])

// P125, P522
test('after a reboot its tasks stop and say so, and everything is given back', async () => {
  const running = await rig.run('idle', [group], 2)
  const tasks = await Promise.all(running.map((id) => rig.waitFor(id, 'RUNNING')))
  const [first = '', second = ''] = tasks.map((task) => fact(task, 'macAddress'))
  const [stopping = ''] = await rig.run('deaf', [group])
  await rig.waitFor(stopping, 'RUNNING')
  await rig.stop(stopping, 'enough')
  await expect.poll(async () => (await rig.task(stopping)).lastStatus).toBe('STOPPING')
  // One that has an ENI and nothing on the host yet.
  await rig.endAgent('SIGTERM')
  await rig.startAgent(faultPoint('after done', 'ensure', 'eni:0'))
  await rig.run('idle', [group]).catch(() => [])
  await rig.agentDeath()
  expect(await rig.enis()).toHaveLength(4)

  await dockerd.powerOff()
  for (const mac of [first, second]) await expect.poll(() => linkName(mac)).toBeDefined()
  const name = (await linkName(first)) ?? ''
  await must('ip', ['link', 'set', name, 'down'])
  await must('ip', ['link', 'set', name, 'name', 'dev9'])
  await must('ip', ['link', 'set', 'dev9', 'up'])
  const strange = await reuse(rig.way(running[0] ?? ''))
  const db = new Sqlite(path)
  const kept = db.prepare("SELECT value FROM facts WHERE name = 'bootId'").get()
  expect(kept).toEqual({ value: bootId() })
  db.close()
  anotherBoot()

  // dockerd may well be up later than we are.
  await rig.startAgent()
  for (const id of running) {
    const { desiredStatus, stoppedReason } = await rig.task(id)
    expect(desiredStatus).toBe('STOPPED')
    expect(stoppedReason).toMatch(/^HostRebooted: the host was rebooted.*Run the task again/)
  }
  await dockerd.start()
  for (const id of running) await rig.waitFor(id, 'STOPPED', 120_000)
  expect((await rig.waitFor(stopping, 'STOPPED', 120_000)).stoppedReason).toBe('enough')
  const { stdout } = await rig.enid('ps', '--json')
  const [young] = (JSON.parse(stdout) as { tasks: { taskId: string }[] }).tasks
  const id = young?.taskId ?? ''
  await rig.waitFor(id, 'RUNNING', 120_000)
  expect(await rig.enis()).toHaveLength(1)
  expect(await rig.containers()).toHaveLength(2)
  expect(await decoy()).toBe(strange)
  for (const mac of [first, second]) expect(await linkName(mac)).toBeUndefined()

  const [next = ''] = await rig.run('idle', [group])
  await rig.waitFor(next, 'RUNNING', 120_000)
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  for (const each of [id, next]) expect((await rig.task(each)).lastStatus).toBe('RUNNING')
  await rig.stopAndWait(id, next)
}, 180_000)

/** What the agent of the next boot finds of this one. */
function anotherBoot(): void {
  const db = new Sqlite(path)
  db.prepare("UPDATE facts SET value = 'an earlier boot' WHERE name = 'bootId'").run()
  db.close()
}

// P516
test('its services start anew, those of each host first, then the oldest, and come to their count', async () => {
  const subnets = [await rig.subnetId()]
  const make = (serviceName: string, more: Partial<CreateServiceCommandInput>) =>
    rig.ecs.send(
      new CreateServiceCommand({
        ...{ serviceName, taskDefinition: 'idle', ...more },
        networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups: [group] } },
      }),
    )
  await make('old', { desiredCount: 1 })
  await make('young', { desiredCount: 1 })
  await make('daemon', { schedulingStrategy: 'DAEMON' })
  type Listed = { readonly taskId: string; readonly group?: string; readonly lastStatus: string }
  const running = async () => {
    const { stdout } = await rig.enid('ps', '--json')
    return (JSON.parse(stdout) as { tasks: Listed[] }).tasks.filter(
      ({ lastStatus }) => lastStatus === 'RUNNING',
    )
  }
  await expect.poll(async () => (await running()).length, { timeout: 60_000 }).toBe(3)
  const before = await running()
  await rig.endAgent('SIGKILL')
  await dockerd.powerOff()
  anotherBoot()
  await rig.startAgent()
  await dockerd.start()
  for (const { taskId } of before) {
    const { stoppedReason } = await rig.waitFor(taskId, 'STOPPED', 120_000)
    expect(stoppedReason).toMatch(/^HostRebooted: /)
  }
  await expect.poll(async () => (await running()).length, { timeout: 60_000 }).toBe(3)
  const after = await Promise.all((await running()).map(({ taskId }) => rig.task(taskId)))
  // As they were begun, the first of them first.
  const groups = after.map(({ group: name }) => name)
  expect(groups).toEqual(['service:daemon', 'service:old', 'service:young'])
  expect(await rig.enis()).toHaveLength(3)
  for (const service of ['old', 'young', 'daemon']) {
    await rig.ecs.send(new DeleteServiceCommand({ service, force: true }))
  }
  await expect.poll(() => rig.enis(), { timeout: 60_000 }).toEqual([])
}, 240_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
