// Goal: this host gives tasks no more CPU and memory than it has, says so with the numbers, and a task
// whose caller asked for waiting begins when there is room, whoever died meanwhile. Method: the AWS
// SDK and the `enid` command against agent, lab and Docker; the cgroup as the kernel shows it.

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { DescribeContainerInstancesCommand, RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rig } from './rig.ts'

const OBEDIENT = 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done'
const ALL = availableParallelism() * 1024

let rig: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('own')
  await rig.define('whole', OBEDIENT, {}, { cpu: String(ALL), memory: '256' })
  await rig.define('part', OBEDIENT, {}, { cpu: '128', memory: '0.0625 GB' })
}, 180_000)
afterAll(() => rig?.close())

/** RunTask of one task, as an unmodified CLI sends it: waiting is a tag. */
async function run(family: string, waitSeconds?: number) {
  const tags = waitSeconds === undefined ? [] : [{ key: 'enid:wait', value: String(waitSeconds) }]
  const awsvpcConfiguration = { subnets: [await rig.subnetId()], securityGroups: [group] }
  const { tasks = [], failures = [] } = await rig.ecs.send(
    new RunTaskCommand({
      ...{ taskDefinition: family, tags, networkConfiguration: { awsvpcConfiguration } },
    }),
  )
  return { id: tasks[0]?.taskArn?.split('/').at(-1) ?? '', failures }
}

async function waitingOf(id: string): Promise<{ code: string; reason: string }[]> {
  const { stdout } = await rig.enid('describe', id, '--json')
  const { tasks } = JSON.parse(stdout) as {
    tasks: { waiting: { code: string; reason: string }[] }[]
  }
  return tasks[0]?.waiting ?? []
}

async function remainingCpu(): Promise<number | undefined> {
  const { containerInstances: [host] = [] } = await rig.ecs.send(
    new DescribeContainerInstancesCommand({
      containerInstances: [(await rig.task(first)).containerInstanceArn ?? ''],
    }),
  )
  return host?.remainingResources?.find(({ name }) => name === 'CPU')?.integerValue
}

let first = ''

// P387
test('a task that does not fit is refused with the numbers', async () => {
  first = (await run('whole')).id
  await rig.waitFor(first, 'RUNNING')
  const cgroup = `enid/${rig.instanceId}.${first}`
  const text = (at: string) => readFileSync(`/sys/fs/cgroup/${at}`, 'utf8').trim()
  expect(text(`cpu/${cgroup}/cpu.cfs_quota_us`)).toBe(String((ALL / 1024) * 100_000))
  expect(text(`memory/${cgroup}/memory.limit_in_bytes`)).toBe(String(256 * 2 ** 20))
  expect((await run('part')).failures).toMatchObject([
    {
      reason: 'RESOURCE:CPU',
      detail: `this host has ${ALL} CPU units for tasks, ${ALL} are in use; the task needs 128`,
    },
  ])
  expect(await remainingCpu()).toBe(0)
}, 180_000)

// P390, P391
test('where the caller asks for it the task waits, over the death of the agent, and begins when there is room', async () => {
  const { id, failures } = await run('part', 600)
  expect(failures).toEqual([])
  const [before] = await waitingOf(id)
  expect(before?.code).toBe('RESOURCE:CPU')
  expect(before?.reason).toContain('place 1 of 1')
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  expect((await waitingOf(id))[0]?.reason).toBe(before?.reason)
  expect((await rig.task(id)).lastStatus).toBe('PROVISIONING')
  expect(await rig.enis()).toHaveLength(1)
  await rig.stop(first)
  await rig.waitFor(id, 'RUNNING', 120_000)
  expect(await remainingCpu()).toBe(ALL - 128)
  await rig.stopAndWait(first, id)
}, 120_000)

// P391
test('one that waited too long stops with the numbers, one that is stopped stops at once', async () => {
  first = (await run('whole')).id
  await rig.waitFor(first, 'RUNNING')
  const short = await run('part', 2)
  const long = await run('part', 600)
  await rig.stop(long.id, 'changed my mind')
  expect((await rig.waitFor(long.id, 'STOPPED')).stoppedReason).toBe('changed my mind')
  const { stopCode, stoppedReason } = await rig.waitFor(short.id, 'STOPPED')
  expect(stopCode).toBe('TaskFailedToStart')
  expect(stoppedReason).toMatch(/^RESOURCE:CPU: waited 2 s for room on this host\. this host has/)
  await rig.stopAndWait(first)
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
