// Goal: CreateService and its sisters answer as ECS does. Method: the SDK's client against the API over a
// real state file and the real loop; the fake agent carries steps out at once, and 40 s are 40 ms.

import {
  CreateClusterCommand,
  CreateServiceCommand,
  type CreateServiceCommandInput,
  DeleteClusterCommand,
  DeleteServiceCommand,
  DeregisterTaskDefinitionCommand,
  DescribeClustersCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListServicesCommand,
  ListTagsForResourceCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  type Service,
  UpdateServiceCommand,
  type UpdateServiceCommandInput,
  waitUntilServicesStable,
} from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { endpointId } from '../../state/endpoint-id.ts'
import { GROUP, SUBNET } from './fake-orders.ts'
import { network, nginx, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()
beforeEach(async () => {
  await rig.ecs.send(new RegisterTaskDefinitionCommand(seedDefinition()))
})

const ARN = 'arn:aws:ecs:us-west-2:123456789012'
const input = (change: Partial<CreateServiceCommandInput> = {}): CreateServiceCommandInput => ({
  serviceName: 'web',
  taskDefinition: 'nginx-awsvpc',
  desiredCount: 2,
  networkConfiguration: network,
  ...change,
})

async function create(change: Partial<CreateServiceCommandInput> = {}): Promise<Service> {
  const { service } = await rig.ecs.send(new CreateServiceCommand(input(change)))
  return service ?? {}
}

async function update(change: Partial<UpdateServiceCommandInput>): Promise<Service> {
  const { service } = await rig.ecs.send(new UpdateServiceCommand({ service: 'web', ...change }))
  return service ?? {}
}

async function described(name = 'web', include?: 'TAGS'[]): Promise<Service> {
  const more = include === undefined ? {} : { include }
  const answer = await rig.ecs.send(new DescribeServicesCommand({ services: [name], ...more }))
  return answer.services?.[0] ?? {}
}

const stable = () =>
  vi.waitFor(
    async () => {
      const { runningCount, desiredCount, deployments = [] } = await described()
      expect([runningCount, deployments.length]).toEqual([desiredCount, 1])
      expect(deployments[0]?.rolloutState).toBe('COMPLETED')
    },
    { timeout: 4000 },
  )

const tasks = async (change: { desiredStatus?: 'STOPPED' } = {}): Promise<string[]> =>
  (await rig.ecs.send(new ListTasksCommand({ serviceName: 'web', ...change }))).taskArns ?? []

describe('CreateService', () => {
  // P428
  test('answers as ECS does, and its tasks come to run in its name', async () => {
    const made = await create({ tags: [{ key: 'team', value: 'blue' }] })
    expect(made).toEqual({
      serviceArn: `${ARN}:service/default/web`,
      serviceName: 'web',
      clusterArn: `${ARN}:cluster/default`,
      loadBalancers: [],
      serviceRegistries: [],
      status: 'ACTIVE',
      desiredCount: 2,
      runningCount: 0,
      pendingCount: 0,
      launchType: 'EC2',
      taskDefinition: `${ARN}:task-definition/nginx-awsvpc:1`,
      deploymentConfiguration: {
        deploymentCircuitBreaker: { enable: false, rollback: false },
        maximumPercent: 200,
        minimumHealthyPercent: 100,
        strategy: 'ROLLING',
      },
      deployments: [
        {
          id: expect.stringMatching(/^ecs-svc\/\d{19}$/),
          status: 'PRIMARY',
          taskDefinition: `${ARN}:task-definition/nginx-awsvpc:1`,
          desiredCount: 2,
          pendingCount: 0,
          runningCount: 0,
          failedTasks: 0,
          createdAt: expect.any(Date),
          updatedAt: expect.any(Date),
          launchType: 'EC2',
          networkConfiguration: {
            awsvpcConfiguration: { subnets: [SUBNET], securityGroups: [GROUP] },
          },
          rolloutState: 'IN_PROGRESS',
          rolloutStateReason: expect.stringMatching(/^ECS deployment ecs-svc\/\d+ in progress\.$/),
        },
      ],
      events: [],
      createdAt: expect.any(Date),
      placementConstraints: [],
      placementStrategy: [],
      networkConfiguration: network,
      schedulingStrategy: 'REPLICA',
      deploymentController: { type: 'ECS' },
      tags: [{ key: 'team', value: 'blue' }],
      enableECSManagedTags: false,
      propagateTags: 'NONE',
      enableExecuteCommand: false,
      availabilityZoneRebalancing: 'DISABLED',
    })
    await waitUntilServicesStable(
      { client: rig.ecs, maxWaitTime: 20, minDelay: 1 },
      { services: ['web'] },
    )
    const found = await rig.ecs.send(
      new DescribeTasksCommand({ tasks: await tasks(), include: ['TAGS'] }),
    )
    const id = made.deployments?.[0]?.id
    expect(found.tasks?.map(({ group, startedBy, tags }) => [group, startedBy, tags])).toEqual([
      ['service:web', id, []],
      ['service:web', id, []],
    ])
    await stable()
    const { events = [], deployments = [] } = await described()
    expect(events.map(({ message }) => message)).toEqual([
      '(service web) has reached a steady state.',
      `(service web) (deployment ${id}) deployment completed.`,
      expect.stringMatching(
        /^\(service web\) has started 2 tasks: \(task .{32}\) \(task .{32}\)\.$/,
      ),
    ])
    expect(new Set(events.map((event) => event.id)).size).toBe(3)
    expect(deployments[0]?.rolloutStateReason).toBe(`ECS deployment ${id} completed.`)
  })

  test('is named in its tasks’ own metadata', async () => {
    await create({ desiredCount: 1 })
    await stable()
    const [arn = ''] = await tasks()
    const id = arn.split('/').at(-1) ?? ''
    const netns = `/var/run/docker/netns/${id.slice(0, 8)}`
    const path = `/v4/${endpointId(id, 'nginx')}/task`
    const { body } = await rig.fromInside(netns, path)
    expect(body).toMatchObject({ ServiceName: 'web', Group: 'service:web' })
  })

  test('twice with the same request is one service, and with another one is refused', async () => {
    const clientToken = 'one'
    const first = await create({ clientToken })
    expect((await create({ clientToken })).createdAt).toEqual(first.createdAt)
    expect((await create()).createdAt).toEqual(first.createdAt)
    await expect(create({ desiredCount: 3 })).rejects.toThrow(
      'serviceName: Creation of service was not idempotent. "web" is there and differs: use ' +
        'UpdateService, or another name',
    )
    await expect(create({ serviceName: 'other', clientToken })).rejects.toThrow(
      /clientToken: "one" has made the service "web"/,
    )
    await expect(create({ clientToken: 'x'.repeat(37) })).rejects.toThrow(/1 to 36 printable/)
    await stable()
    expect(await tasks()).toHaveLength(2)
  })

  test('puts tags on its tasks as propagateTags says, and ECS’s own where asked', async () => {
    await create({
      desiredCount: 1,
      tags: [{ key: 'team', value: 'blue' }],
      propagateTags: 'SERVICE',
      enableECSManagedTags: true,
    })
    await stable()
    const [arn = ''] = await tasks()
    const list = new ListTagsForResourceCommand({ resourceArn: arn })
    expect((await rig.ecs.send(list)).tags).toEqual([
      { key: 'aws:ecs:clusterName', value: 'default' },
      { key: 'aws:ecs:serviceName', value: 'web' },
      { key: 'team', value: 'blue' },
    ])
    const own = new ListTagsForResourceCommand({ resourceArn: `${ARN}:service/default/web` })
    expect((await rig.ecs.send(own)).tags).toEqual([{ key: 'team', value: 'blue' }])
    expect((await described('web', ['TAGS'])).tags).toHaveLength(1)
    expect((await described()).tags).toBeUndefined()
  })

  const lb = { loadBalancers: [{ targetGroupArn: 'x', containerName: 'nginx', containerPort: 80 }] }
  // P429
  test.each<[string, Partial<CreateServiceCommandInput>, RegExp]>([
    ['a load balancer', lb, /^loadBalancers: is not supported.*an address of its own/],
    [
      'a registry',
      { serviceRegistries: [{ registryArn: 'x' }] },
      /^serviceRegistries: .*DescribeTasks/,
    ],
    ['Service Connect', { serviceConnectConfiguration: { enabled: true } }, /^serviceConnect/],
    ['capacity', { capacityProviderStrategy: [{ capacityProvider: 'x' }] }, /^capacityProvider/],
    ['placement', { placementConstraints: [{ type: 'distinctInstance' }] }, /^placementConstr/],
    ['Fargate', { launchType: 'FARGATE' }, /^launchType: "FARGATE": tasks run on this EC2/],
    [
      'blue and green',
      { deploymentConfiguration: { strategy: 'BLUE_GREEN' } },
      /^deploymentConfiguration.strategy: "BLUE_GREEN": only ROLLING/,
    ],
    ['CodeDeploy', { deploymentController: { type: 'CODE_DEPLOY' } }, /^deploymentController.type/],
    [
      'alarms',
      { deploymentConfiguration: { alarms: { alarmNames: ['x'], enable: true, rollback: true } } },
      /^deploymentConfiguration.alarms: .*deploymentCircuitBreaker/,
    ],
    ['a grace period', { healthCheckGracePeriodSeconds: 5 }, /^healthCheckGracePeriodSeconds/],
    ['zones', { availabilityZoneRebalancing: 'ENABLED' }, /^availabilityZoneRebalancing/],
    [
      'no count',
      { desiredCount: undefined },
      /^desiredCount: is required with schedulingStrategy REPLICA/,
    ],
    ['too many', { desiredCount: 5001 }, /^desiredCount: 5001 is outside 0 to 5000/],
    [
      'a count of a daemon',
      { schedulingStrategy: 'DAEMON' },
      /^desiredCount: The daemon scheduling/,
    ],
    [
      'both at 100',
      { deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 100 } },
      /^deploymentConfiguration: Both maximumPercent and/,
    ],
    [
      'a low maximum',
      { deploymentConfiguration: { maximumPercent: 99 } },
      /maximumPercent: 99 is outside 100 to 1000/,
    ],
    ['no name', { serviceName: 'a b' }, /^serviceName: "a b"/],
    ['no definition', { taskDefinition: undefined }, /^taskDefinition: is required/],
    ['no network', { networkConfiguration: undefined }, /^networkConfiguration: Network Config/],
    [
      'another subnet id',
      { networkConfiguration: { awsvpcConfiguration: { subnets: ['x'] } } },
      /subnets\[0\]: "x" is not an id/,
    ],
    ['no such cluster', { cluster: 'nowhere' }, /Cluster not found/],
  ])('refuses %s, and has made nothing', async (_what, change, message) => {
    const error = await create(change).catch((refused) => refused)
    expect(error.message).toMatch(message)
    expect(rig.services.all()).toEqual([])
  })

  test('keeps its group and startedBy for services', async () => {
    const run = (change: object) =>
      rig.ecs.send(
        new RunTaskCommand({
          taskDefinition: 'nginx-awsvpc',
          networkConfiguration: network,
          ...change,
        }),
      )
    await expect(run({ group: 'service:web' })).rejects.toThrow(/Invalid namespace for group/)
    await expect(run({ startedBy: 'ecs-svc/1' })).rejects.toThrow(/startedBy: "ecs-svc\/1"/)
  })

  test('with DAEMON has one task on this host', async () => {
    await create({ desiredCount: undefined, schedulingStrategy: 'DAEMON' })
    await stable()
    expect(await described()).toMatchObject({ desiredCount: 1, schedulingStrategy: 'DAEMON' })
    await expect(update({ desiredCount: 2 })).rejects.toThrow(/daemon scheduling strategy/)
  })
})

describe('UpdateService', () => {
  beforeEach(async () => {
    await create()
    await stable()
  })

  test('scales without a new deployment', async () => {
    const before = await tasks()
    const id = (await described()).deployments?.[0]?.id
    expect(await update({ desiredCount: 1 })).toMatchObject({ desiredCount: 1, runningCount: 2 })
    await stable()
    expect(before).toEqual(expect.arrayContaining(await tasks()))
    const [stopped = ''] = await tasks({ desiredStatus: 'STOPPED' })
    const found = await rig.ecs.send(new DescribeTasksCommand({ tasks: [stopped] }))
    expect(found.tasks?.[0]).toMatchObject({
      stopCode: 'ServiceSchedulerInitiated',
      stoppedReason: `Scaling activity initiated by (deployment ${id})`,
    })
  })

  // P422
  test('rolls a new revision out, the old one beside it until then', async () => {
    const before = await tasks()
    await rig.ecs.send(new RegisterTaskDefinitionCommand(seedDefinition(nginx({ cpu: 200 }))))
    const { deployments = [] } = await update({ taskDefinition: 'nginx-awsvpc:2' })
    expect(deployments.map((d) => [d.status, d.rolloutState, d.taskDefinition?.slice(-1)])).toEqual(
      [
        ['PRIMARY', 'IN_PROGRESS', '2'],
        ['ACTIVE', 'COMPLETED', '1'],
      ],
    )
    await stable()
    expect((await described()).taskDefinition).toBe(`${ARN}:task-definition/nginx-awsvpc:2`)
    const after = await tasks()
    expect(after).toHaveLength(2)
    expect(after.filter((arn) => before.includes(arn))).toEqual([])
  })

  test('with forceNewDeployment replaces every task; the same definition alone replaces none', async () => {
    const before = await tasks()
    const id = (await described()).deployments?.[0]?.id
    await update({ taskDefinition: 'nginx-awsvpc:1' })
    expect((await described()).deployments?.[0]?.id).toBe(id)
    await update({ forceNewDeployment: true })
    await stable()
    expect((await tasks()).filter((arn) => before.includes(arn))).toEqual([])
  })

  test('keeps a definition that is INACTIVE meanwhile, and takes no new one that is', async () => {
    const old = new DeregisterTaskDefinitionCommand({ taskDefinition: 'nginx-awsvpc:1' })
    await rig.ecs.send(old)
    await update({ desiredCount: 3 })
    await stable()
    expect(await tasks()).toHaveLength(3)
    await expect(update({ taskDefinition: 'nginx-awsvpc:1' })).rejects.toThrow(/is inactive/)
  })

  test('changes percentages and the circuit breaker, and leaves what it does not name', async () => {
    const deploymentCircuitBreaker = { enable: true, rollback: true }
    const more = { deploymentConfiguration: { maximumPercent: 150, deploymentCircuitBreaker } }
    const { deploymentConfiguration } = await update(more)
    expect(deploymentConfiguration).toEqual({
      deploymentCircuitBreaker: {
        enable: true,
        rollback: true,
        resetOnHealthyTask: true,
        thresholdConfiguration: { type: 'BOUNDED_PERCENT', value: 50 },
      },
      maximumPercent: 150,
      minimumHealthyPercent: 100,
      strategy: 'ROLLING',
    })
    const off = { deploymentCircuitBreaker: { enable: false, rollback: false } }
    const after = await update({ deploymentConfiguration: off })
    expect(after.deploymentConfiguration?.deploymentCircuitBreaker).toEqual({
      enable: false,
      rollback: false,
    })
  })

  test('of no service, and of one that is deleted, is refused in ECS’s words', async () => {
    await expect(update({ service: 'other' })).rejects.toMatchObject({
      name: 'ServiceNotFoundException',
      message: expect.stringMatching(/Service not found/),
    })
    await rig.ecs.send(new DeleteServiceCommand({ service: 'web', force: true }))
    await expect(update({ desiredCount: 1 })).rejects.toMatchObject({
      name: 'ServiceNotActiveException',
      message: expect.stringMatching(/Service was not ACTIVE/),
    })
  })
})

describe('DeleteService', () => {
  const drop = (change: object = {}) =>
    rig.ecs.send(new DeleteServiceCommand({ service: 'web', ...change }))

  // P430
  test('wants the count at zero or force, drains, and leaves an INACTIVE name that can be used again', async () => {
    await create()
    await stable()
    await expect(drop()).rejects.toThrow(
      /The service cannot be stopped while it is scaled above 0. Set desiredCount to 0/,
    )
    const { service } = await drop({ force: true })
    expect(service?.status).toBe('DRAINING')
    await vi.waitFor(async () => expect((await described()).status).toBe('INACTIVE'))
    expect(await tasks()).toEqual([])
    expect((await described()).deployments?.[0]?.status).toBe('INACTIVE')
    await expect(drop()).rejects.toThrow(/Service not found/)
    expect((await rig.ecs.send(new ListServicesCommand({}))).serviceArns).toEqual([])
    await create({ desiredCount: 1 })
    await stable()
    expect((await described()).events).toHaveLength(3)
  })

  test('while it drains its name is not free, and its cluster cannot be deleted', async () => {
    await rig.ecs.send(new CreateClusterCommand({ clusterName: 'blue' }))
    await create({ cluster: 'blue', serviceName: 'api', desiredCount: 1 })
    await vi.waitFor(() => expect(rig.orders.started).toHaveLength(1))
    const cluster = new DescribeClustersCommand({ clusters: ['blue'] })
    expect((await rig.ecs.send(cluster)).clusters?.[0]?.activeServicesCount).toBe(1)
    const remove = () => rig.ecs.send(new DeleteClusterCommand({ cluster: 'blue' }))
    await expect(remove()).rejects.toMatchObject({ name: 'ClusterContainsServicesException' })
    // Nobody looks at it, so it stays as it is.
    const { keeper } = rig.orders
    await vi.waitFor(() => expect(rig.services.get('blue/api')?.isSteady).toBe(true))
    rig.orders.keeper = undefined
    await rig.ecs.send(new DeleteServiceCommand({ cluster: 'blue', service: 'api', force: true }))
    await expect(create({ cluster: 'blue', serviceName: 'api' })).rejects.toThrow(
      /Unable to Start a service that is still Draining/,
    )
    await expect(remove()).rejects.toMatchObject({ name: 'ClusterContainsServicesException' })
    keeper?.changed()
    await vi.waitFor(remove)
  })
})

describe('DescribeServices and ListServices', () => {
  test('find by name and ARN in the cluster, page, and answer MISSING', async () => {
    for (const serviceName of ['a', 'b', 'c']) await create({ serviceName, desiredCount: 0 })
    await create({ serviceName: 'd', desiredCount: undefined, schedulingStrategy: 'DAEMON' })
    const list = async (more: object) => rig.ecs.send(new ListServicesCommand(more))
    const first = await list({ maxResults: 3 })
    expect(first.serviceArns).toEqual(
      ['a', 'b', 'c'].map((name) => `${ARN}:service/default/${name}`),
    )
    const { nextToken = '' } = first
    expect((await list({ maxResults: 3, nextToken })).serviceArns).toEqual([
      `${ARN}:service/default/d`,
    ])
    expect((await list({ schedulingStrategy: 'DAEMON' })).serviceArns).toHaveLength(1)
    expect((await list({ launchType: 'FARGATE' })).serviceArns).toEqual([])
    const describe = (services: string[]) => rig.ecs.send(new DescribeServicesCommand({ services }))
    const found = await describe(['a', `${ARN}:service/default/b`, 'x', `${ARN}:service/blue/c`])
    expect(found.services?.map(({ serviceName }) => serviceName)).toEqual(['a', 'b'])
    expect(found.failures).toEqual([
      { arn: `${ARN}:service/default/x`, reason: 'MISSING' },
      { arn: `${ARN}:service/blue/c`, reason: 'MISSING' },
    ])
    await expect(describe([])).rejects.toThrow(/services: 0 given; 1 to 10/)
    await expect(rig.ecs.send(new ListTasksCommand({ serviceName: 'x' }))).rejects.toMatchObject({
      name: 'ServiceNotFoundException',
    })
  })

  test('show at most the last hundred events, the newest first', async () => {
    await create({ desiredCount: 0 })
    // Its own last word has been said.
    const latest = async () => (await described()).events?.[0]?.message
    await expect.poll(latest).toMatch(/steady state/)
    const row = rig.services.get('default/web')
    if (row === undefined) throw new Error('no service')
    for (let n = 0; n < 120; n++) rig.services.put(row, [`event ${n}`])
    const { events = [] } = await described()
    expect(events).toHaveLength(100)
    expect([events[0]?.message, events[99]?.message]).toEqual(['event 119', 'event 20'])
  })
})
