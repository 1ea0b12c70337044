// Goal: RunTask begins what was asked for, durably and once; what cannot be done is refused by name
// and changes nothing. Method: the real SDK over loopback, a real state file, a fake agent.

import {
  ClusterNotFoundException,
  ConflictException,
  CreateClusterCommand,
  InvalidParameterException,
  ListContainerInstancesCommand,
  RegisterTaskDefinitionCommand,
  type RunTaskCommandInput,
  StartTaskCommand,
} from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { GROUP, SUBNET } from './fake-orders.ts'
import { describeOne, register, run, runOne } from './questions.ts'
import { network, nginx, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()

describe('RunTask', () => {
  beforeEach(async () => void (await register(rig)))

  // P151
  test('begins the tasks that were asked for, and tells the agent after they are durable', async () => {
    const { tasks = [], failures } = await run(rig, { count: 2, startedBy: 'me', group: 'g' })
    expect(failures).toEqual([])
    expect(tasks.map((t) => [t.lastStatus, t.startedBy, t.group])).toEqual([
      ['PROVISIONING', 'me', 'g'],
      ['PROVISIONING', 'me', 'g'],
    ])
    expect(rig.orders.prepared).toEqual([[SUBNET]])
    expect(rig.orders.started.map((id) => rig.journal.get(id)?.holder.spec.enis)).toEqual([
      [{ subnetIds: [SUBNET], securityGroupIds: [GROUP], tags: {} }],
      [{ subnetIds: [SUBNET], securityGroupIds: [GROUP], tags: {} }],
    ])
    expect((await describeOne(rig, tasks[0]?.taskArn ?? '')).lastStatus).toBe('RUNNING')
  })

  test('maps a whole definition, overrides applied, to our spec', async () => {
    const healthCheck = { command: ['CMD', 'true'], interval: 10 }
    await register(
      rig,
      nginx({
        entryPoint: ['/entry'],
        command: ['a'],
        environment: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
        workingDirectory: '/srv',
        user: '1000',
        readonlyRootFilesystem: true,
        dockerLabels: { team: 'x' },
        stopTimeout: 5,
        healthCheck,
        memoryReservation: 256,
        restartPolicy: { enabled: true, ignoredExitCodes: [0], restartAttemptPeriod: 60 },
      }),
      {
        ...{ name: 'init', image: 'busybox', memory: 16, essential: false },
        restartPolicy: { enabled: true },
      },
      {
        ...{ name: 'off', image: 'busybox', memory: 16, essential: false },
        restartPolicy: { enabled: false, restartAttemptPeriod: 60 },
      },
    )
    const override = {
      name: 'nginx',
      command: ['b'],
      environment: [{ name: 'B', value: '3' }],
      cpu: 7,
      memory: 300,
    }
    const arn = await runOne(rig, { overrides: { containerOverrides: [override] } })
    const spec = rig.journal.get(rig.orders.started[0] ?? '')?.holder.spec
    expect(spec).toMatchObject({ kind: 'task', blockImds: true, family: 'nginx-awsvpc' })
    expect(spec?.containers).toEqual([
      {
        name: 'nginx',
        image: 'nginx:latest',
        essential: true,
        dependsOn: [],
        entryPoint: ['/entry'],
        command: ['b'],
        environment: { A: '1', B: '3' },
        workingDirectory: '/srv',
        user: '1000',
        readonlyRootFilesystem: true,
        dockerLabels: { team: 'x' },
        cpuShares: 7,
        memoryMiB: 300,
        memoryReservationMiB: 256,
        stopTimeoutMs: 5000,
        healthCheck: {
          command: ['CMD', 'true'],
          intervalMs: 10_000,
          timeoutMs: 5000,
          retries: 3,
          startPeriodMs: 0,
        },
        restart: { ignoredExitCodes: [0], attemptPeriodMs: 60_000 },
      },
      {
        name: 'init',
        image: 'busybox',
        essential: false,
        dependsOn: [],
        environment: {},
        dockerLabels: {},
        cpuShares: 2,
        memoryMiB: 16,
        stopTimeoutMs: 30_000,
        restart: { ignoredExitCodes: [], attemptPeriodMs: 300_000 },
      },
      expect.not.objectContaining({ restart: expect.anything() }),
    ])
    const task = await describeOne(rig, arn)
    expect(task).toMatchObject({ cpu: '7', memory: '332' })
    expect(task.overrides?.containerOverrides).toEqual([
      override,
      { name: 'init' },
      { name: 'off' },
    ])
    expect(task.containers?.map(({ cpu, memory }) => [cpu, memory])).toEqual([
      ['7', '300'],
      ['0', '16'],
      ['0', '16'],
    ])
  })

  // P386
  test("the size of the whole task is the definition's, or the override's, and holds its containers", async () => {
    const plain = { name: 'nginx', image: 'nginx', cpu: 100 }
    const sized = { ...seedDefinition(plain), cpu: '.5 vCPU', memory: '1 GB' }
    const { taskDefinition } = await rig.ecs.send(new RegisterTaskDefinitionCommand(sized))
    expect(taskDefinition).toMatchObject({ cpu: '512', memory: '1024' })
    const specOf = () => rig.journal.get(rig.orders.started.at(-1) ?? '')?.holder.spec
    await runOne(rig)
    expect(specOf()?.cgroup).toEqual({ cpuUnits: 512, memoryMiB: 1024 })
    expect(specOf()?.containers[0]).not.toHaveProperty('memoryMiB')
    const arn = await runOne(rig, { overrides: { cpu: '1024' } })
    expect(specOf()?.cgroup).toEqual({ cpuUnits: 1024, memoryMiB: 1024 })
    expect(await describeOne(rig, arn)).toMatchObject({
      ...{ cpu: '1024', memory: '1024' },
      overrides: { cpu: '1024' },
    })
    const begun = rig.journal.all().length
    const overrides: [RunTaskCommandInput['overrides'], RegExp][] = [
      [{ memory: '2 TB' }, /^overrides\.memory: "2 TB"/],
      [
        { containerOverrides: [{ name: 'nginx', memory: 2000 }] },
        /^overrides\.containerOverrides\[0\]\.memory: The 'memory' setting for container 'nginx'/,
      ],
      [{ cpu: '128', containerOverrides: [{ name: 'nginx', cpu: 129 }] }, /^cpu: the containers/],
    ]
    for (const [given, rule] of overrides) {
      await expect(run(rig, { overrides: given })).rejects.toThrow(rule)
    }
    expect(rig.journal.all()).toHaveLength(begun)
  })

  // P152
  test('gives what does not fit back as RESOURCE:ENI, with the numbers', async () => {
    rig.orders.slots = 1
    const { tasks = [], failures } = await run(rig, { count: 3, clientToken: 'once' })
    expect(tasks).toHaveLength(1)
    const failure = {
      arn: expect.stringMatching(/:container-instance\/default\/[0-9a-f]{32}$/),
      reason: 'RESOURCE:ENI',
      detail: 'm5.large has 3 ENIs, 1 free',
    }
    expect(failures).toEqual([failure, failure])
    expect((await run(rig, { clientToken: 'none' })).tasks).toEqual([])
    rig.orders.slots = 1
    expect((await run(rig, { clientToken: 'none' })).tasks).toHaveLength(1)
  })

  // P392
  test('what does not fit waits where the caller asks for that by tag, up to what may wait', async () => {
    rig.orders.slots = 1
    rig.orders.short = 'RESOURCE:CPU'
    const wait = [
      { key: 'enid:wait', value: '90' },
      { key: 'team', value: 'x' },
    ]
    const { tasks = [], failures } = await run(rig, { count: 3, tags: wait })
    expect(failures).toEqual([])
    expect(tasks.map(({ lastStatus }) => lastStatus)).toEqual(Array(3).fill('PROVISIONING'))
    const waits = () => rig.orders.started.map((id) => rig.journal.get(id)?.holder.spec.waitMs)
    expect(waits()).toEqual([undefined, 90_000, 90_000])
    expect(tasks[1]?.tags).toEqual([{ key: 'team', value: 'x' }])
    const statuses = async () =>
      Promise.all(
        tasks.map(async ({ taskArn = '' }) => (await describeOne(rig, taskArn)).lastStatus),
      )
    expect(await statuses()).toEqual(['RUNNING', 'PROVISIONING', 'PROVISIONING'])
    rig.journal.append(rig.orders.started[1] ?? '', { type: 'admitted' })
    rig.orders.settle()
    expect(await statuses()).toEqual(['RUNNING', 'RUNNING', 'PROVISIONING'])

    rig.orders.slots = 0
    rig.orders.isFull = true
    expect((await run(rig, { tags: wait })).failures).toMatchObject([
      { reason: 'RESOURCE:CPU', detail: 'm5.large has 3 ENIs, 0 free. As many tasks wait as may' },
    ])
    Object.assign(rig.orders, { isFull: false, isTooBig: true })
    expect((await run(rig, { tags: wait })).failures).toMatchObject([
      { detail: 'm5.large has 3 ENIs, 0 free. This host never has so much' },
    ])
    expect(rig.orders.started).toHaveLength(3)
    for (const value of ['0', '86401', '1.5', 'soon']) {
      const tags = [{ key: 'enid:wait', value }]
      await expect(run(rig, { tags })).rejects.toThrow(
        /^enid:wait: .*whole seconds, from 1 to 86400/,
      )
    }
  })

  // P151
  test('gives the same tasks for the same token and request, and conflicts on another', async () => {
    const input = { clientToken: 'token-1', count: 2 }
    const [first, twin] = await Promise.all([run(rig, input), run(rig, input)])
    const arns = first.tasks?.map(({ taskArn }) => taskArn)
    expect(twin.tasks?.map(({ taskArn }) => taskArn)).toEqual(arns)
    expect(rig.orders.started).toHaveLength(2)
    const conflict = await run(rig, { ...input, count: 1 }).catch((error) => error)
    expect(conflict).toBeInstanceOf(ConflictException)
    expect(conflict.resourceIds).toEqual(arns)
    await expect(run(rig, { clientToken: 'x'.repeat(65) })).rejects.toThrow(/clientToken/)
  })

  test('puts tags on the task and its ENI, the definition’s under its own', async () => {
    const tagged = { ...seedDefinition(), tags: [{ key: 'team', value: 'a' }] }
    tagged.tags.push({ key: 'stage', value: 'test' })
    await rig.ecs.send(new RegisterTaskDefinitionCommand(tagged))
    const arn = await runOne(rig, {
      tags: [{ key: 'team', value: 'b' }],
      propagateTags: 'TASK_DEFINITION',
      enableECSManagedTags: true,
    })
    expect((await describeOne(rig, arn)).tags).toEqual([
      { key: 'aws:ecs:clusterName', value: 'default' },
      { key: 'stage', value: 'test' },
      { key: 'team', value: 'b' },
    ])
    const spec = rig.journal.get(rig.orders.started[0] ?? '')?.holder.spec
    expect(spec?.enis[0]?.tags).toEqual({ stage: 'test', team: 'b' })
  })

  test('looks again after EC2 answered: a cluster that went meanwhile is not run in', async () => {
    await rig.ecs.send(new CreateClusterCommand({ clusterName: 'brief' }))
    rig.orders.whilePreparing = () => rig.catalog.dropCluster('brief')
    await expect(run(rig, { cluster: 'brief' })).rejects.toBeInstanceOf(ClusterNotFoundException)
    expect(rig.journal.all()).toEqual([])
  })

  test('says what EC2 refused, and lets the SDK retry what only time can mend', async () => {
    const options = { hint: 'Name a subnet of this VPC' }
    rig.orders.prepareFailure = new Failure('refused', 'InvalidSubnetID.NotFound', 'no', options)
    const refused = await run(rig).catch((error) => error)
    expect(refused).toBeInstanceOf(InvalidParameterException)
    expect(refused.message).toBe('InvalidSubnetID.NotFound: no. Name a subnet of this VPC')
    rig.orders.prepareFailure = new Failure('transient', 'RequestLimitExceeded', 'slow down')
    const later = await run(rig).catch((error) => error)
    expect([later.name, later.$metadata.httpStatusCode]).toEqual(['ServerException', 500])
    expect(rig.journal.all()).toEqual([])
  })

  const vpc = (change: object) => ({
    networkConfiguration: {
      awsvpcConfiguration: { ...network.awsvpcConfiguration, ...change },
    },
  })

  // P153
  test.each<[string, Partial<RunTaskCommandInput>, RegExp]>([
    ['no network', { networkConfiguration: undefined }, /Network Configuration must be provided/],
    ['no subnet', vpc({ subnets: [] }), /subnets: 0 subnets; 1 to 16/],
    ['a malformed subnet', vpc({ subnets: ['10.0.0.0/24'] }), /subnets\[0\]: "10\.0\.0\.0\/24"/],
    ['a subnet twice', vpc({ subnets: [SUBNET, SUBNET] }), /subnets\[1\]: .* stands twice/],
    ['a malformed group', vpc({ securityGroups: ['web'] }), /securityGroups\[0\]: "web"/],
    [
      'six groups',
      vpc({ securityGroups: Array.from({ length: 6 }, (_, n) => `sg-0000000${n}`) }),
      /6 security groups; at most 5/,
    ],
    ['no word', vpc({ assignPublicIp: 'yes' as 'ENABLED' }), /"yes": ENABLED or DISABLED/],
    ['count 0', { count: 0 }, /count: 0 is outside 1 to 10/],
    ['count 11', { count: 11 }, /count: 11 is outside 1 to 10/],
    ['an unknown definition', { taskDefinition: 'nope' }, /TaskDefinition not found: "nope"/],
    ['an unknown cluster', { cluster: 'nope' }, /Cluster not found: "nope"/],
    ['FARGATE', { launchType: 'FARGATE' }, /launchType: "FARGATE"/],
    ['a strategy', { capacityProviderStrategy: [{ capacityProvider: 'x' }] }, /capacityProvider/],
    ['a constraint', { placementConstraints: [{ type: 'memberOf' }] }, /placementConstraints: is/],
    ['exec', { enableExecuteCommand: true }, /enableExecuteCommand: is not supported/],
    ['a platform version', { platformVersion: 'LATEST' }, /platformVersion: is not supported/],
    ['a reference', { referenceId: 'r' }, /referenceId: is not supported/],
    ['tags of a service', { propagateTags: 'SERVICE' }, /propagateTags: "SERVICE"/],
    ['a bad startedBy', { startedBy: 'a b' }, /startedBy: "a b"/],
    ['a reserved tag', { tags: [{ key: 'enid:holder', value: 'x' }] }, /tags\[0\]\.key/],
    [
      'an override of nobody',
      { overrides: { containerOverrides: [{ name: 'db' }] } },
      /Override for container named db is not a container in the TaskDefinition/,
    ],
    [
      'a role without a source',
      { overrides: { taskRoleArn: 'x' } },
      /overrides\.taskRoleArn: ECS was unable to assume the role 'arn:aws:iam::123456789012:role\/x'.*rolesFile/,
    ],
    ['what is no role', { overrides: { executionRoleArn: 'x y' } }, /overrides\.executionRoleArn/],
    [
      'an override of files',
      {
        overrides: {
          containerOverrides: [{ name: 'nginx', environmentFiles: [{ value: 'a', type: 's3' }] }],
        },
      },
      /containerOverrides\[0\]\.environmentFiles\[0\]\.value: "a"/,
    ],
    [
      'too little memory',
      { overrides: { containerOverrides: [{ name: 'nginx', memory: 1 }] } },
      /overrides\.containerOverrides\[0\]\.memory: 1 is outside/,
    ],
  ])('refuses %s by name and begins nothing', async (_what, change, rule) => {
    await expect(run(rig, change)).rejects.toThrow(rule)
    expect(rig.journal.all()).toEqual([])
    expect(rig.orders.prepared).toEqual([])
  })

  test('takes the empty members of a skeleton', async () => {
    const { status } = await rig.raw('RunTask', {
      taskDefinition: 'nginx-awsvpc',
      networkConfiguration: network,
      placementConstraints: [],
      capacityProviderStrategy: [],
      enableExecuteCommand: false,
      platformVersion: '',
      overrides: { containerOverrides: [], cpu: '' },
      volumeConfigurations: null,
    })
    expect(status).toBe(200)
  })

  test('is StartTask on this host, and on no other', async () => {
    const { containerInstanceArns: [here = ''] = [] } = await rig.ecs.send(
      new ListContainerInstancesCommand({}),
    )
    const start = (containerInstances: string[]) =>
      rig.ecs.send(
        new StartTaskCommand({
          taskDefinition: 'nginx-awsvpc',
          networkConfiguration: network,
          containerInstances,
        }),
      )
    expect((await start([here])).tasks).toHaveLength(1)
    await expect(start(['other'])).rejects.toThrow(/"other" is not this host/)
  })
})
