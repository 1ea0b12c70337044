// Goal: a drained host takes no task through any door, says so with the reason and the remedy, and is
// taken back through any. Method: the AWS SDK and fetch, over an agent of memory.

import type { UpdateContainerInstancesStateCommandInput } from '@aws-sdk/client-ecs'
import {
  DescribeContainerInstancesCommand,
  ListContainerInstancesCommand,
  StartTaskCommand,
  UpdateContainerInstancesStateCommand,
} from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { StateFileUnwritable } from '../../state/database.ts'
import { SUBNET } from './fake-orders.ts'
import { describeOne, register, run, runOne } from './questions.ts'
import { network, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()
let here: string
beforeEach(async () => {
  const { containerInstanceArns = [] } = await rig.ecs.send(new ListContainerInstancesCommand({}))
  here = containerInstanceArns[0] ?? ''
  await register(rig)
})

async function ask(method: string, path: string, body?: unknown) {
  const headers = { 'content-type': 'application/json' }
  const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) }
  const response = await fetch(`${rig.url}${path}`, { method, ...sent })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

const update = (input: Partial<UpdateContainerInstancesStateCommandInput>) =>
  rig.ecs.send(
    new UpdateContainerInstancesStateCommand({
      containerInstances: [here],
      status: 'DRAINING',
      ...input,
    }),
  )

const shown = async () => {
  const answer = await rig.ecs.send(
    new DescribeContainerInstancesCommand({ containerInstances: [here] }),
  )
  return answer.containerInstances?.[0]
}

const listedAs = async (status?: 'ACTIVE' | 'DRAINING') => {
  const input = status === undefined ? {} : { status }
  return (await rig.ecs.send(new ListContainerInstancesCommand(input))).containerInstanceArns
}

describe('a drained host', () => {
  beforeEach(() => ask('POST', '/drain', { reason: 'new kernel' }))

  // P90
  test('refuses RunTask, StartTask and POST /tasks with why and what to do, and asks EC2 nothing', async () => {
    const refusal = {
      arn: here,
      reason: 'INACTIVE',
      detail:
        'this host is DRAINING since 2025-11-24T16:00:00.000Z: new kernel. ' +
        'Run the task elsewhere, or take this host back: enid drain --undo',
    }
    const ran = await run(rig, { count: 2 })
    expect([ran.tasks, ran.failures]).toEqual([[], [refusal, refusal]])
    const started = await rig.ecs.send(
      new StartTaskCommand({
        taskDefinition: 'nginx-awsvpc',
        networkConfiguration: network,
        containerInstances: [here],
      }),
    )
    expect([started.tasks, started.failures]).toEqual([[], [refusal]])
    const posted = await ask('POST', '/tasks', {
      taskDefinition: 'nginx-awsvpc',
      subnets: [SUBNET],
    })
    expect(posted).toEqual({
      status: 409,
      body: { error: { code: 'INACTIVE', message: refusal.detail } },
    })
    expect(rig.journal.all()).toEqual([])
    expect(rig.orders.prepared).toEqual([])
  })

  test('keeps no client token of what it refused: the same request runs once it is back', async () => {
    expect((await run(rig, { clientToken: 'once' })).failures).toHaveLength(1)
    await ask('DELETE', '/drain')
    expect((await run(rig, { clientToken: 'once' })).tasks).toHaveLength(1)
  })

  test('is DRAINING to whoever looks, and ACTIVE again once it is taken back', async () => {
    const view = {
      status: 'DRAINING',
      draining: { since: '2025-11-24T16:00:00.000Z', why: 'new kernel' },
    }
    expect((await ask('GET', '/status')).body).toMatchObject(view)
    expect(await shown()).toMatchObject({ status: 'DRAINING', statusReason: 'new kernel' })
    expect([await listedAs(), await listedAs('DRAINING'), await listedAs('ACTIVE')]).toEqual([
      [here],
      [here],
      [],
    ])
    expect(await (await fetch(`${rig.url}/metrics`)).text()).toContain('enid_draining 1')
    expect(await ask('DELETE', '/drain')).toEqual({ status: 200, body: { status: 'ACTIVE' } })
    expect((await ask('GET', '/status')).body.status).toBe('ACTIVE')
    expect(await shown()).toMatchObject({ status: 'ACTIVE' })
    expect((await shown())?.statusReason).toBeUndefined()
    expect([await listedAs(), await listedAs('DRAINING')]).toEqual([[here], []])
    expect(await (await fetch(`${rig.url}/metrics`)).text()).toContain('enid_draining 0')
  })
})

test('a drain that comes while EC2 is asked about subnets is minded', async () => {
  rig.orders.whilePreparing = () => rig.orders.drain({ why: 'just now', stopTasks: false })
  const { tasks, failures } = await run(rig)
  expect([tasks, failures?.[0]?.reason]).toEqual([[], 'INACTIVE'])
})

test('during a termination notice the remedy is another host', async () => {
  const endsAt = Date.UTC(2026, 10, 27, 12)
  rig.orders.drained = { since: endsAt - 120_000, why: 'EC2 takes it away', endsAt }
  const { failures } = await run(rig)
  expect(failures?.[0]?.detail).toMatch(/: EC2 takes it away\. Run the task elsewhere$/)
  const { draining } = (await ask('GET', '/status')).body
  expect(draining.endsAt).toBe('2026-11-27T12:00:00.000Z')
})

describe('POST /drain', () => {
  test('stops the tasks with the reason, or leaves them alone', async () => {
    const task = await runOne(rig)
    const kept = await ask('POST', '/drain', { stopTasks: false })
    expect(kept.body).toMatchObject({
      status: 'DRAINING',
      draining: { why: 'no reason was given' },
    })
    expect((await describeOne(rig, task)).lastStatus).toBe('RUNNING')
    expect((await ask('POST', '/drain', { reason: 'new kernel' })).status).toBe(200)
    expect(await describeOne(rig, task)).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: 'Host drained: new kernel',
    })
  })

  test.each([
    [{ reason: 'x'.repeat(256) }, 'reason'],
    [{ stopTasks: 'yes' }, 'stopTasks'],
    [{ reasons: 'x' }, 'reasons'],
  ])('refuses %o by name, and drains nothing', async (body, field) => {
    const { status, body: answer } = await ask('POST', '/drain', body)
    expect([status, answer.error.field]).toEqual([400, field])
    expect(rig.orders.drained).toBeUndefined()
  })

  test('is 503 where it cannot be written down', async () => {
    rig.orders.drain = () => {
      throw new StateFileUnwritable('the state file cannot be written')
    }
    expect((await ask('POST', '/drain', {})).status).toBe(503)
  })
})

describe('UpdateContainerInstancesState', () => {
  // P91
  test('drains this host and lets its tasks run on, as ECS does with what no service started', async () => {
    const task = await runOne(rig)
    const { containerInstances, failures } = await update({})
    expect(containerInstances).toMatchObject([
      { containerInstanceArn: here, status: 'DRAINING', runningTasksCount: 1 },
    ])
    expect(failures).toEqual([])
    expect((await describeOne(rig, task)).lastStatus).toBe('RUNNING')
    expect((await run(rig)).failures).toHaveLength(1)
    expect((await update({ status: 'ACTIVE' })).containerInstances).toMatchObject([
      { status: 'ACTIVE' },
    ])
    expect((await run(rig)).tasks).toHaveLength(1)
  })

  test('changes nothing where it is so already: the reason that somebody gave stands', async () => {
    await ask('POST', '/drain', { reason: 'new kernel' })
    expect((await update({})).containerInstances?.[0]?.statusReason).toBe('new kernel')
  })

  test('says MISSING of another instance, and leaves this one alone', async () => {
    const { containerInstances, failures } = await update({ containerInstances: ['other'] })
    expect([containerInstances, failures]).toMatchObject([[], [{ reason: 'MISSING' }]])
    expect(rig.orders.drained).toBeUndefined()
  })

  test('refuses another status, another cluster, and no instance, by name', async () => {
    await expect(update({ status: 'REGISTERING' })).rejects.toThrow(/status: "REGISTERING": one of/)
    await expect(update({ cluster: 'blue' })).rejects.toThrow(/Cluster not found: "blue"/)
    await expect(update({ containerInstances: [] })).rejects.toThrow(/containerInstances: 0 given/)
    expect(rig.orders.drained).toBeUndefined()
  })
})

test('a definition that a refused POST /tasks carries can still be used later', async () => {
  await ask('POST', '/drain', {})
  const body = { definition: seedDefinition(), subnets: [SUBNET] }
  expect((await ask('POST', '/tasks', body)).status).toBe(409)
  await ask('DELETE', '/drain')
  expect((await ask('POST', '/tasks', body)).body.tasks[0].revision).toBe(1)
})
