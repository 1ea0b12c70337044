// Goal: spares are no tasks to anybody who lists tasks, and in full view for whoever looks at the host;
// every way to begin a task takes one over. Method: the API over an agent of memory, one spare in its
// journal.

import {
  DescribeClustersCommand,
  DescribeTasksCommand,
  ListTasksCommand,
  RunTaskCommand,
  StartTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { spareSpec } from '../../state/spare.ts'
import { settleHolder } from '../agent/journals.ts'
import { GROUP, HOST, NO_SPARES, SUBNET } from './fake-orders.ts'
import { nginx, openRig, type Rig } from './rig.ts'

const SPARE = '5'.repeat(32)
let rig: Rig
beforeEach(async () => {
  rig = await openRig()
  rig.journal.begin(SPARE, spareSpec({ subnetId: SUBNET, securityGroupIds: [GROUP] }))
  const eni = { eniId: 'eni-1', securityGroupIds: [GROUP], subnetId: SUBNET }
  settleHolder(rig.journal, SPARE, { 'eni:0': { choice: SUBNET, details: eni } })
})
afterEach(async () => {
  expect(rig.defects).toEqual([])
  await rig.close()
})

const get = async (path: string) => (await fetch(`${rig.url}${path}`)).json()
const networkConfiguration = {
  awsvpcConfiguration: { subnets: [SUBNET], securityGroups: [GROUP] },
}
const definition = { family: 'web', networkMode: 'awsvpc', containerDefinitions: [nginx()] }
async function post(body: object) {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${rig.url}/tasks`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return (await answer.json()) as { tasks: { taskId: string }[] }
}
const rest = { definition, subnets: [SUBNET], securityGroups: [GROUP] }

// P466
test('nothing that lists, counts, names or stops tasks knows of a spare', async () => {
  const { ecs } = rig
  expect(await get('/tasks')).toMatchObject({ tasks: [] })
  expect((await ecs.send(new ListTasksCommand({}))).taskArns).toEqual([])
  const { tasks, failures } = await ecs.send(new DescribeTasksCommand({ tasks: [SPARE] }))
  expect([tasks, failures?.length]).toEqual([[], 1])
  const { clusters } = await ecs.send(new DescribeClustersCommand({ clusters: ['default'] }))
  expect(clusters?.[0]).toMatchObject({ runningTasksCount: 0, pendingTasksCount: 0 })
  await expect(ecs.send(new StopTaskCommand({ task: SPARE }))).rejects.toThrow()
  expect((await fetch(`${rig.url}/tasks/${SPARE}`)).status).toBe(404)
  const metrics = await (await fetch(`${rig.url}/metrics`)).text()
  expect(metrics).toContain('enid_tasks{status="RUNNING"} 0')
})

// P467
test('the host shows its pools, with what failed and how launches were served', async () => {
  const at = Date.parse('2026-01-02T03:04:05Z')
  rig.orders.sparesView = {
    ...{ ...NO_SPARES, isOn: true, limit: 3, why: 'half', failedCount: 2, givenUpCount: 1 },
    served: { warm: 7, groups: 1, cold: 2 },
    pools: [
      {
        ...{ subnetId: SUBNET, securityGroupIds: [GROUP], target: 1, max: 3, wanted: 2 },
        ...{ ready: [SPARE], making: ['6'.repeat(32)], served: { warm: 7, groups: 1, cold: 2 } },
        ...{ failedCount: 2, lastFailure: { spareId: SPARE, at, reason: 'GatewaySilent' } },
        notBefore: at + 5000,
      },
    ],
  }
  const { spares } = (await get('/status')) as { spares: unknown }
  expect(spares).toMatchObject({
    ...{ isOn: true, limit: 3, why: 'half', failedCount: 2, givenUpCount: 1, leavingCount: 0 },
    pools: [
      {
        ...{ subnetId: SUBNET, securityGroupIds: [GROUP], wanted: 2, ready: [SPARE] },
        lastFailure: { spareId: SPARE, at: '2026-01-02T03:04:05.000Z', reason: 'GatewaySilent' },
        notBefore: '2026-01-02T03:04:10.000Z',
      },
    ],
  })
  const metrics = await (await fetch(`${rig.url}/metrics`)).text()
  for (const line of [
    `enid_spares{subnet="${SUBNET}",groups="${GROUP}",state="ready"} 1`,
    `enid_spares{subnet="${SUBNET}",groups="${GROUP}",state="wanted"} 2`,
    'enid_spare_launches_total{way="warm"} 7',
    'enid_spares_ended_total{why="failed"} 2',
  ]) {
    expect(metrics).toContain(line)
  }
})

describe('a launch takes the spare over', () => {
  // P452
  test.each<[string, () => Promise<(string | undefined)[]>]>([
    ['by POST /tasks', async () => (await post(rest)).tasks.map(({ taskId }) => taskId)],
    [
      'by RunTask',
      async () => {
        await post({ ...rest, securityGroups: [], definition: { ...definition } })
        const asked = { taskDefinition: 'web', networkConfiguration }
        const { tasks = [] } = await rig.ecs.send(new RunTaskCommand(asked))
        return tasks.map(({ taskArn }) => taskArn?.split('/').at(-1))
      },
    ],
    [
      'by StartTask',
      async () => {
        await post({ ...rest, securityGroups: [] })
        const containerInstances = [HOST.instanceId.replace('i-', '').padStart(32, '0')]
        const known = (await rig.raw('ListContainerInstances', {})).body as unknown as {
          containerInstanceArns: string[]
        }
        const asked = { taskDefinition: 'web', networkConfiguration, containerInstances }
        asked.containerInstances = known.containerInstanceArns
        const { tasks = [] } = await rig.ecs.send(new StartTaskCommand(asked))
        return tasks.map(({ taskArn }) => taskArn?.split('/').at(-1))
      },
    ],
  ])('%s, under its id and as old as the launch', async (_way, launched) => {
    const before = Date.now()
    expect(await launched()).toEqual([SPARE])
    const { spec } = rig.journal.get(SPARE)?.holder ?? expect.fail('no such holder')
    expect([spec.kind, spec.family]).toEqual(['task', 'web'])
    expect(rig.journal.get(SPARE)?.timeline.createdAt).toBeGreaterThanOrEqual(before)
    await expect
      .poll(async () => {
        const { tasks } = (await get('/tasks')) as {
          tasks: { taskId: string; lastStatus: string }[]
        }
        return tasks.find(({ taskId }) => taskId === SPARE)?.lastStatus
      })
      .toBe('RUNNING')
  })

  test('a service does as well', async () => {
    await post({ ...rest, securityGroups: [] })
    const asked = {
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 1,
      networkConfiguration,
    }
    await rig.raw('CreateService', asked)
    const isUp = () => {
      const { spec, ran } = rig.journal.get(SPARE)?.holder ?? expect.fail('no such holder')
      return [spec.kind, ran]
    }
    await expect.poll(isUp).toEqual(['task', true])
  })
})
