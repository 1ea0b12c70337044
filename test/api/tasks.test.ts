// Goal: a task is shown as ECS shows it, at every moment of its life and after it. Method: the real
// SDK over loopback, a real state file, a fake agent that goes only so far as it is let.

import {
  CreateClusterCommand,
  DescribeTasksCommand,
  paginateListTasks,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { settleIpv6 } from './ipv6-only.ts'
import { describeOne, listed, register, run, runOne } from './questions.ts'
import { nginx } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()

describe('DescribeTasks', () => {
  beforeEach(async () => void (await register(rig)))

  test('prints the attachment as the announcement of awsvpc prints it', async () => {
    const arn = await runOne(rig)
    const id = arn.split('/').at(-1)
    const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    const account = 'arn:aws:ecs:us-west-2:123456789012'
    const task = await describeOne(rig, arn)
    expect(arn).toBe(`${account}:task/default/${id}`)
    expect(task).toMatchObject({
      taskArn: arn,
      group: 'family:nginx-awsvpc',
      attachments: [
        {
          status: 'ATTACHED',
          type: 'ElasticNetworkInterface',
          id: uuid,
          details: [
            { name: 'subnetId', value: 'subnet-c070009b' },
            { name: 'networkInterfaceId', value: 'eni-b0aaa4b2' },
            { name: 'macAddress', value: '0a:47:e4:7a:2b:02' },
            { name: 'privateDnsName', value: 'ip-10-0-0-35.us-west-2.compute.internal' },
            { name: 'privateIPv4Address', value: '10.0.0.35' },
          ],
        },
      ],
      availabilityZone: 'us-west-2a',
      clusterArn: `${account}:cluster/default`,
      connectivity: 'CONNECTED',
      desiredStatus: 'RUNNING',
      lastStatus: 'RUNNING',
      launchType: 'EC2',
      cpu: '100',
      memory: '512',
      healthStatus: 'UNKNOWN',
      taskDefinitionArn: `${account}:task-definition/nginx-awsvpc:1`,
      containers: [
        {
          containerArn: expect.stringContaining(`${account}:container/default/${id}/`),
          taskArn: arn,
          name: 'nginx',
          image: 'nginx:latest',
          imageDigest: 'sha256:bb',
          runtimeId: `docker-${id?.slice(0, 8)}`,
          networkBindings: [],
          lastStatus: 'RUNNING',
          networkInterfaces: [{ privateIpv4Address: '10.0.0.35', attachmentId: uuid }],
        },
      ],
    })
    expect(task.containers?.[0]?.networkInterfaces?.[0]?.attachmentId).toBe(
      task.attachments?.[0]?.id,
    )
    expect(task.startedAt).toBeInstanceOf(Date)
    expect(await describeOne(rig, id ?? '')).toEqual(task)
  })

  // P10
  test('shows a task on its way up and down, and keeps what it had when it is over', async () => {
    rig.orders.may = ({ row }) => row === 'eni:0'
    const arn = await runOne(rig)
    const seen = async () => {
      const { lastStatus, attachments, containers } = await describeOne(rig, arn)
      return [lastStatus, attachments?.[0]?.status, containers?.[0]?.lastStatus]
    }
    expect(await seen()).toEqual(['PROVISIONING', 'CREATED', 'PENDING'])
    const early = await describeOne(rig, arn)
    rig.orders.may = () => true
    rig.orders.settle()
    expect(await seen()).toEqual(['RUNNING', 'ATTACHED', 'RUNNING'])
    rig.orders.may = ({ row }) => row.startsWith('container:')
    const stopped = await rig.ecs.send(new StopTaskCommand({ task: arn, reason: 'enough' }))
    expect(stopped.task).toMatchObject({ desiredStatus: 'STOPPED', stopCode: 'UserInitiated' })
    rig.orders.settle()
    expect(await seen()).toEqual(['DEPROVISIONING', 'DETACHING', 'STOPPED'])
    rig.orders.may = () => true
    rig.orders.settle()
    expect(await seen()).toEqual(['STOPPED', 'DELETED', 'STOPPED'])
    const late = await describeOne(rig, arn)
    expect(late).toMatchObject({ stoppedReason: 'enough', stoppedAt: expect.any(Date) })
    expect(late.attachments?.[0]?.details).toHaveLength(5)
    expect(late.version).toBeGreaterThan(early.version ?? 0)
  })

  // P543
  test('shows a task of IPv6 alone without any member of IPv4, and without a name', async () => {
    rig.orders.may = () => false
    const arn = await runOne(rig)
    const id = arn.split('/').at(-1) ?? ''
    settleIpv6(rig, id)
    const { attachments, containers } = await describeOne(rig, arn)
    expect(attachments?.[0]?.details?.map(({ name, value }) => `${name} ${value}`)).toEqual([
      'subnetId subnet-6',
      'networkInterfaceId eni-6',
      'macAddress 0a:47:e4:7a:2b:06',
      'ipv6Address 2600:1f14:323a:e014:588a:9986:158:b9ba',
    ])
    const { attachmentId, ...rest } = containers?.[0]?.networkInterfaces?.[0] ?? {}
    expect(attachmentId).toBe(attachments?.[0]?.id)
    expect(rest).toEqual({ ipv6Address: '2600:1f14:323a:e014:588a:9986:158:b9ba' })
  })

  test('tells exit codes and health', async () => {
    const healthCheck = { command: ['CMD', 'true'] }
    await register(rig, nginx({ healthCheck }))
    const arn = await runOne(rig)
    await describeOne(rig, arn)
    const id = arn.split('/').at(-1) ?? ''
    rig.journal.append(id, { type: 'healthSeen', container: 'nginx', healthy: true })
    expect((await describeOne(rig, arn)).healthStatus).toBe('HEALTHY')
    rig.journal.append(id, { type: 'exited', container: 'nginx', exitCode: 137 })
    expect((await describeOne(rig, arn)).containers?.[0]).toMatchObject({
      exitCode: 137,
      lastStatus: 'STOPPED',
    })
  })

  test('tells a restarted container as running, and how often it was, where ECS has no word', async () => {
    const restartPolicy = { enabled: true, restartAttemptPeriod: 60 }
    await register(rig, nginx({ restartPolicy }))
    const arn = await runOne(rig)
    await describeOne(rig, arn)
    const id = arn.split('/').at(-1) ?? ''
    const inOurWords = async () =>
      ((await (await fetch(`${rig.url}/tasks/${id}`)).json()) as { containers: object[] })
        .containers[0]
    expect(await inOurWords()).toMatchObject({ restartCount: 0 })
    const exit = { exitCode: 1, exitId: 'first', ranMs: 60_000 }
    rig.journal.append(id, { type: 'exited', container: 'nginx', ...exit })
    rig.journal.append(id, { type: 'restartAsked', container: 'nginx', exitId: 'first' })
    const { lastStatus, containers } = await describeOne(rig, arn)
    expect([lastStatus, containers?.[0]?.lastStatus]).toEqual(['RUNNING', 'RUNNING'])
    expect(containers?.[0]).not.toHaveProperty('exitCode')
    expect(await inOurWords()).toMatchObject({ lastStatus: 'RUNNING', restartCount: 1 })
    expect(await inOurWords()).not.toHaveProperty('exitCode')
  })

  test('names what is missing, and refuses what is no id', async () => {
    const id = 'f'.repeat(32)
    const { tasks, failures } = await rig.ecs.send(new DescribeTasksCommand({ tasks: [id] }))
    const arn = `arn:aws:ecs:us-west-2:123456789012:task/default/${id}`
    expect([tasks, failures]).toEqual([[], [{ arn, reason: 'MISSING' }]])
    rig.journal.quarantined.push({ id, why: 'no row eni:9' })
    const unread = await rig.ecs.send(new DescribeTasksCommand({ tasks: [arn] }))
    expect(unread.failures?.[0]?.detail).toBe('its record cannot be read: no row eni:9')
    const send = (tasks: string[], include?: 'TAGS'[]) =>
      rig.ecs.send(new DescribeTasksCommand({ tasks, ...(include ? { include } : {}) }))
    await expect(send(['web'])).rejects.toThrow('tasks[0]: "web": taskId length should be 32')
    await expect(send([arn.replace('us-west-2', 'eu-west-1')])).rejects.toThrow(/in this account/)
    await expect(send([])).rejects.toThrow(/tasks: 0 given; 1 to 100/)
    await expect(send([id], ['ALL' as 'TAGS'])).rejects.toThrow(/include\[0\]: "ALL"/)
  })
})

describe('StopTask and ListTasks', () => {
  beforeEach(async () => void (await register(rig)))

  test('stop once, and list by every filter', async () => {
    await rig.ecs.send(new CreateClusterCommand({ clusterName: 'blue' }))
    const one = await runOne(rig, { startedBy: 'me' })
    const two = await runOne(rig)
    const blue = await runOne(rig, { cluster: 'blue' })
    expect(new Set(await listed(rig))).toEqual(new Set([one, two]))
    expect(await listed(rig, { startedBy: 'me' })).toEqual([one])
    expect(await listed(rig, { family: 'other' })).toEqual([])
    expect(await listed(rig, { launchType: 'FARGATE' })).toEqual([])
    expect(await listed(rig, { cluster: 'blue' })).toEqual([blue])
    for (const reason of ['first', 'second']) {
      await rig.ecs.send(new StopTaskCommand({ task: one, reason }))
    }
    expect((await describeOne(rig, one)).stoppedReason).toBe('first')
    expect(await listed(rig, { desiredStatus: 'STOPPED' })).toEqual([one])
    expect(await listed(rig)).toEqual([two])
    await expect(listed(rig, { daemonName: 'web' })).rejects.toThrow(/daemonName: is not supported/)
    await expect(listed(rig, { desiredStatus: 'GONE' as 'RUNNING' })).rejects.toThrow(
      /desiredStatus: "GONE"/,
    )
    await expect(listed(rig, { containerInstance: 'x' })).rejects.toThrow(
      /container instance was not/,
    )
  })

  test('page through many tasks without loss, while others come', async () => {
    await run(rig, { count: 10 })
    await run(rig, { count: 10 })
    const seen: string[] = []
    for await (const { taskArns = [] } of paginateListTasks({ client: rig.ecs, pageSize: 6 }, {})) {
      expect(taskArns.length).toBeLessThanOrEqual(6)
      seen.push(...taskArns)
      await runOne(rig)
    }
    const all = rig.journal.all().map(({ id }) => id)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBeGreaterThanOrEqual(20)
    expect(all).toEqual(expect.arrayContaining(seen.map((arn) => arn.split('/').at(-1))))
  })

  test('refuse a task that is not there, is in another cluster, or a reason too long', async () => {
    await rig.ecs.send(new CreateClusterCommand({ clusterName: 'blue' }))
    const task = await runOne(rig)
    const stop = (input: { task: string; cluster?: string; reason?: string }) =>
      rig.ecs.send(new StopTaskCommand(input))
    const missing = { task: 'f'.repeat(32) }
    await expect(stop(missing)).rejects.toThrow(/The referenced task was not found/)
    await expect(stop({ task, cluster: 'blue' })).rejects.toThrow(/was not found/)
    await expect(stop({ task, reason: 'x'.repeat(256) })).rejects.toThrow(/at most 255/)
    expect(await listed(rig)).toEqual([task])
  })
})
