// Goal: EC2 is called as rarely as a task's life allows, and never more often than this host's share
// of the account's rate. Method: a real lab and agent; the lab's own log of calls says what arrived.
// The sweep may look at EC2 at any moment, so a describe in several lives is not held against them.

import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Rig } from './rig.ts'

type Calls = Record<string, number>

/** Counts the calls that arrive at the lab from now on; tests ask the lab nothing meanwhile. */
async function watchCalls(rig: Rig): Promise<() => Promise<Calls>> {
  const counts = async (): Promise<Calls> => {
    const answer = await fetch(`${rig.env.AWS_ENDPOINT_URL_EC2}/lab/calls`)
    const { actions } = (await answer.json()) as { actions: Record<string, { calls: number }> }
    return Object.fromEntries(Object.entries(actions).map(([name, { calls }]) => [name, calls]))
  }
  const before = await counts()
  return async () => {
    const now = Object.entries(await counts())
    const since = now.map(([name, calls]) => [name, calls - (before[name] ?? 0)] as const)
    return Object.fromEntries(since.filter(([, calls]) => calls > 0))
  }
}

/** RunTask, and nothing that asks the lab. */
async function runIn(rig: Rig, subnet: string, group: string, count = 1) {
  const awsvpcConfiguration = { subnets: [subnet], securityGroups: [group] }
  const networkConfiguration = { awsvpcConfiguration }
  const asked = new RunTaskCommand({ taskDefinition: 'idle', count, networkConfiguration })
  const { tasks = [], failures = [] } = await rig.ecs.send(asked)
  return { ids: tasks.map(({ taskArn = '' }) => taskArn.split('/').at(-1) ?? ''), failures }
}

/** Polls until the calls are these, but for one look of the sweep. */
async function expectCalls(calls: () => Promise<Calls>, expected: Calls): Promise<void> {
  const counted = async () => {
    const { DescribeNetworkInterfaces: looks = 0, ...rest } = await calls()
    return looks > 1 ? { ...rest, DescribeNetworkInterfaces: looks } : rest
  }
  await expect.poll(counted, { timeout: 10_000 }).toEqual(expected)
}

async function open(instanceType?: string) {
  const rig = await Rig.open(instanceType)
  await rig.define('idle', 'exec /busybox sleep 600')
  return { rig, group: await rig.group('any'), subnet: await rig.subnetId() }
}

describe('on a host with room', () => {
  let rig: Rig
  let group = ''
  let subnet = ''
  let running: string[] = []
  beforeAll(async () => {
    ;({ rig, group, subnet } = await open())
  })
  afterAll(() => rig?.close())

  // P20
  test('a task costs Create, Attach and Modify to start, and no describe', async () => {
    const calls = await watchCalls(rig)
    for (let n = 0; n < 3; n++) {
      const { ids } = await runIn(rig, subnet, group)
      await rig.waitFor(ids[0] ?? '', 'RUNNING')
      running.push(...ids)
    }
    await expectCalls(calls, {
      CreateNetworkInterface: 3,
      AttachNetworkInterface: 3,
      ModifyNetworkInterfaceAttribute: 3,
    })
  }, 180_000)

  // P23
  test('the agent starts with five describes, however many tasks run', async () => {
    const calls = await watchCalls(rig)
    await rig.endAgent('SIGTERM')
    await rig.startAgent()
    await expectCalls(calls, {
      DescribeInstances: 1,
      DescribeInstanceTypes: 1,
      DescribeVpcs: 1,
      DescribeDhcpOptions: 1,
      DescribeSubnets: 1,
    })
    for (const id of running) await rig.waitFor(id, 'RUNNING')
  }, 180_000)

  // P22
  test('at rest a minute costs at most one describe', async () => {
    const calls = await watchCalls(rig)
    await new Promise((resolve) => setTimeout(resolve, 60_000))
    const counted = await calls()
    expect(Object.keys(counted).filter((name) => !name.startsWith('Describe'))).toEqual([])
    expect(Object.values(counted).reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(1)
  }, 180_000)

  // P21
  test('a task costs Detach and Delete to stop', async () => {
    const calls = await watchCalls(rig)
    await rig.stopAndWait(...running)
    running = []
    await expectCalls(calls, { DetachNetworkInterface: 3, DeleteNetworkInterface: 3 })
  }, 180_000)

  // P31
  test('a launch over the budget waits, says so, and is made when its turn comes', async () => {
    const restart = async (share: string) => {
      await rig.endAgent('SIGTERM')
      rig.env.ENID_EC2_SHARE = share
      await rig.startAgent()
    }
    await restart('0.01')
    const calls = await watchCalls(rig)
    const { ids } = await runIn(rig, subnet, group, 2)

    const reasons = async () => {
      const { waiting } = (await (await fetch(`${rig.ecsUrl}/status`)).json()) as {
        waiting: { taskId: string; row: string; verb: string; reason: string }[]
      }
      return waiting.map(({ row, verb, reason }) => `${verb} ${row}: ${reason}`)
    }
    const wait = /^ensure eni:0: waiting for the EC2 budget of CreateNetworkInterface/
    await expect.poll(reasons).toEqual([expect.stringMatching(wait)])
    expect((await calls()).CreateNetworkInterface).toBe(1)
    for (const id of ids) await rig.waitFor(id, 'RUNNING', 120_000)
    await restart('1')
    await rig.stopAndWait(...ids)
  }, 120_000)
})

describe('on a host without room', () => {
  // P24
  test('a task that finds no ENI slot costs no call at all', async () => {
    const { rig, group, subnet } = await open('m5.large')
    try {
      const { ids } = await runIn(rig, subnet, group, 2)
      for (const id of ids) await rig.waitFor(id, 'RUNNING')
      const calls = await watchCalls(rig)
      for (let n = 0; n < 3; n++) {
        const { failures } = await runIn(rig, subnet, group)
        expect(failures).toMatchObject([{ reason: 'RESOURCE:ENI' }])
      }
      await expectCalls(calls, {})
      await rig.stopAndWait(...ids)
    } finally {
      await rig.close()
    }
  }, 180_000)

  // P25
  test('foreign ENIs that took the last slots cost one Create, and no more', async () => {
    const { rig, group, subnet } = await open('m5.large')
    try {
      const full = await rig.enid('lab', 'fault', 'add', 'foreign-eni', '--times', '2')
      expect(full, full.stderr).toMatchObject({ code: 0 })
      const calls = await watchCalls(rig)
      const { ids } = await runIn(rig, subnet, group)
      const { stoppedReason } = await rig.waitFor(ids[0] ?? '', 'STOPPED')
      expect(stoppedReason).toMatch(/^RESOURCE:ENI: no device index left on m5.large/)
      const refused = async () => (await runIn(rig, subnet, group)).failures
      await expect.poll(refused).toMatchObject([
        {
          reason: 'RESOURCE:ENI',
          detail: expect.stringContaining('m5.large carries 3 ENIs, 3 are'),
        },
      ])
      for (let n = 0; n < 3; n++) expect(await refused()).toHaveLength(1)
      const { CreateNetworkInterface, DeleteNetworkInterface } = await calls()
      expect([CreateNetworkInterface, DeleteNetworkInterface]).toEqual([1, 1])
    } finally {
      await rig.close()
    }
  }, 180_000)

  // P26
  test('a slot is free when EC2 is through with the detach, and no Create is wasted before', async () => {
    const { rig, group, subnet } = await open('m5.large')
    try {
      const { ids } = await runIn(rig, subnet, group, 2)
      for (const id of ids) await rig.waitFor(id, 'RUNNING')
      await rig.enid('lab', 'fault', 'add', 'detach-slow', '--seconds', '4')
      const calls = await watchCalls(rig)
      await rig.stop(ids[0] ?? '')
      await expect
        .poll(async () => (await calls()).DetachNetworkInterface, { timeout: 10_000 })
        .toBe(1)
      expect((await runIn(rig, subnet, group)).failures).toMatchObject([{ reason: 'RESOURCE:ENI' }])
      // Nor does an agent that starts now take the slot for somebody else's.
      await rig.endAgent('SIGKILL')
      await rig.startAgent()
      await rig.waitFor(ids[0] ?? '', 'STOPPED', 120_000)
      const [next = ''] = (await runIn(rig, subnet, group)).ids
      await rig.waitFor(next, 'RUNNING')
      expect((await calls()).CreateNetworkInterface).toBe(1)
      await rig.enid('lab', 'fault', 'clear')
      await rig.stopAndWait(ids[1] ?? '', next)
    } finally {
      await rig.close()
    }
  }, 120_000)
})
