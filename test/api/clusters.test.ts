// Goal: clusters, the container instance and tags behave as on ECS, and what is not there is said by
// name. Method: the real SDK over loopback, a real state file, a fake agent.

import {
  ClusterContainsTasksException,
  ClusterNotFoundException,
  CreateClusterCommand,
  CreateTaskSetCommand,
  DeleteClusterCommand,
  DescribeClustersCommand,
  DescribeContainerInstancesCommand,
  ListClustersCommand,
  ListContainerInstancesCommand,
  ListTagsForResourceCommand,
  StopTaskCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-ecs'
import { describe, expect, test } from 'vitest'
import { listed, register, runOne } from './questions.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()

describe('clusters', () => {
  const create = (clusterName: string) => rig.ecs.send(new CreateClusterCommand({ clusterName }))
  const remove = (cluster: string) => rig.ecs.send(new DeleteClusterCommand({ cluster }))

  test('are there with counts, and default always is', async () => {
    await register(rig)
    await create('blue')
    await runOne(rig, { cluster: 'arn:aws:ecs:us-west-2:123456789012:cluster/blue' })
    const { clusters, failures } = await rig.ecs.send(
      new DescribeClustersCommand({ clusters: ['blue', 'default', 'nope'] }),
    )
    expect(clusters?.map((c) => [c.clusterName, c.status, c.runningTasksCount])).toEqual([
      ['blue', 'ACTIVE', 1],
      ['default', 'ACTIVE', 0],
    ])
    expect(failures?.map(({ arn, reason }) => [arn, reason])).toEqual([
      ['arn:aws:ecs:us-west-2:123456789012:cluster/nope', 'MISSING'],
    ])
    const { clusterArns } = await rig.ecs.send(new ListClustersCommand({}))
    expect(clusterArns?.map((arn) => arn.split('/').at(-1))).toEqual(['blue', 'default'])
  })

  test('can be deleted once their tasks are gone, and made again', async () => {
    await register(rig)
    await create('blue')
    rig.orders.may = () => false
    const task = await runOne(rig, { cluster: 'blue' })
    await expect(remove('blue')).rejects.toBeInstanceOf(ClusterContainsTasksException)
    await rig.ecs.send(new StopTaskCommand({ task, cluster: 'blue' }))
    expect((await remove('blue')).cluster?.status).toBe('INACTIVE')
    await expect(listed(rig, { cluster: 'blue' })).rejects.toBeInstanceOf(ClusterNotFoundException)
    expect((await create('blue')).cluster?.status).toBe('ACTIVE')
    await expect(remove('default')).rejects.toThrow(/always exists/)
    await expect(create('a b')).rejects.toThrow(/clusterName: "a b"/)
    const settings = [{ name: 'containerInsights', value: 'enabled' }] as const
    const insights = new CreateClusterCommand({ clusterName: 'c', settings: [...settings] })
    await expect(rig.ecs.send(insights)).rejects.toThrow(/settings\[0\]/)
  })

  test('have this host as their one container instance, with its ENI slots', async () => {
    const { containerInstanceArns: [arn = ''] = [] } = await rig.ecs.send(
      new ListContainerInstancesCommand({}),
    )
    const { containerInstances, failures } = await rig.ecs.send(
      new DescribeContainerInstancesCommand({ containerInstances: [arn, 'other'] }),
    )
    expect(failures).toMatchObject([{ reason: 'MISSING' }])
    expect(containerInstances).toMatchObject([
      { containerInstanceArn: arn, ec2InstanceId: 'i-0123456789abcdef0', status: 'ACTIVE' },
    ])
    expect(containerInstances?.[0]?.attributes).toContainEqual({
      name: 'enid.eni-slots',
      value: '100',
    })
  })

  // P387
  test('this host has what it registers, and what is left of it', async () => {
    const { containerInstanceArns = [] } = await rig.ecs.send(new ListContainerInstancesCommand({}))
    const { containerInstances: [host] = [] } = await rig.ecs.send(
      new DescribeContainerInstancesCommand({ containerInstances: containerInstanceArns }),
    )
    const none = { doubleValue: 0, integerValue: 0, longValue: 0 }
    const ports = [
      {
        ...{ name: 'PORTS', type: 'STRINGSET', ...none },
        stringSetValue: ['22', '2375', '2376', '51678', '51679'],
      },
      { name: 'PORTS_UDP', type: 'STRINGSET', ...none, stringSetValue: [] },
    ]
    expect(host?.registeredResources).toEqual([
      { name: 'CPU', type: 'INTEGER', ...none, integerValue: 2048 },
      { name: 'MEMORY', type: 'INTEGER', ...none, integerValue: 7680 },
      ...ports,
    ])
    expect(host?.remainingResources).toEqual([
      { name: 'CPU', type: 'INTEGER', ...none, integerValue: 1792 },
      { name: 'MEMORY', type: 'INTEGER', ...none, integerValue: 7168 },
      ...ports,
    ])
  })
})

test('tags are put on, read and taken off by ARN, and on nothing that is not there', async () => {
  const { taskDefinition } = await register(rig)
  const task = await runOne(rig)
  const { cluster } = await rig.ecs.send(new CreateClusterCommand({ clusterName: 'blue' }))
  for (const resourceArn of [task, taskDefinition?.taskDefinitionArn, cluster?.clusterArn]) {
    const tags = [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
    ]
    await rig.ecs.send(new TagResourceCommand({ resourceArn, tags }))
    await rig.ecs.send(new UntagResourceCommand({ resourceArn, tagKeys: ['b', 'c'] }))
    const found = await rig.ecs.send(new ListTagsForResourceCommand({ resourceArn }))
    expect(found.tags).toEqual([{ key: 'a', value: '1' }])
  }
  const list = (resourceArn: string) =>
    rig.ecs.send(new ListTagsForResourceCommand({ resourceArn }))
  await expect(list(`${task.slice(0, -3)}fff`)).rejects.toThrow(/was not found/)
  await expect(list('nginx-awsvpc:1')).rejects.toThrow(/resourceArn: "nginx-awsvpc:1" is not/)
})

// P153
test('an action that enid does not have is refused by name, with what enid is', async () => {
  const set = { cluster: 'default', service: 'web', taskDefinition: 'x' }
  const refused = await rig.ecs.send(new CreateTaskSetCommand(set)).catch((error) => error)
  expect([refused.name, refused.$metadata.httpStatusCode]).toEqual([
    'UnknownOperationException',
    400,
  ])
  expect(refused.message).toMatch(
    /CreateTaskSet is not implemented.*UpdateService makes a rolling update.*RunTask/,
  )
})
