// Goal: what a task is told about itself is what ECS tells, and of nobody else. Method: requests that
// come from inside a namespace, over a real state file and a fake agent.

import { beforeEach, describe, expect, test } from 'vitest'
import type { Inspected } from '../../agent/orders.ts'
import { endpointId } from '../../state/endpoint-id.ts'
import { settleIpv6 } from './ipv6-only.ts'
import { register, runOne } from './questions.ts'
import { nginx } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()

const SHOWN: Inspected = {
  dockerId: 'd0c'.repeat(4),
  dockerName: 'ecs-nginx-awsvpc-nginx-01234567',
  imageId: 'sha256:aa',
  labels: { 'com.amazonaws.ecs.container-name': 'nginx' },
  createdAt: '2026-11-27T10:00:00.5Z',
  startedAt: '2026-11-27T10:00:01.5Z',
  check: { at: '2026-11-27T10:00:31Z', exitCode: 0, output: 'fine' },
  mounts: [{ name: 'vol', source: '/var/lib/docker/volumes/vol/_data', destination: '/data' }],
  log: { driver: 'json-file', options: {} },
}

async function runNginx(): Promise<{ id: string; netns: string; arn: string }> {
  const arn = await runOne(rig)
  const id = arn.split('/').at(-1) ?? ''
  return { id, arn, netns: `/var/run/docker/netns/${id.slice(0, 8)}` }
}

describe('a running task', () => {
  beforeEach(async () => {
    const healthCheck = { command: ['CMD', 'true'] }
    await register(rig, nginx({ healthCheck }), nginx({ name: 'side', portMappings: [] }))
    rig.orders.inspect = async () => new Map([['nginx', SHOWN]])
  })

  // P310
  test('is told of itself in the words of ECS', async () => {
    const { id, netns, arn } = await runNginx()
    const { status, body } = await rig.fromInside(netns, `/v4/${endpointId(id, 'nginx')}/task`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      Cluster: 'arn:aws:ecs:us-west-2:123456789012:cluster/default',
      TaskARN: arn,
      Family: 'nginx-awsvpc',
      Revision: '1',
      DesiredStatus: 'RUNNING',
      KnownStatus: 'RUNNING',
      AvailabilityZone: 'us-west-2a',
      LaunchType: 'EC2',
      PullStartedAt: expect.stringMatching(/^20.*Z$/),
      PullStoppedAt: expect.stringMatching(/^20.*Z$/),
      Containers: [{ Name: 'nginx' }, { Name: 'side' }],
    })
  })

  // P310
  test('is told of a container with its network', async () => {
    const { id, netns, arn } = await runNginx()
    const { body } = await rig.fromInside(netns, `/v4/${endpointId(id, 'nginx')}`)
    const { host } = rig.orders
    expect(body).toEqual({
      DockerId: SHOWN.dockerId,
      Name: 'nginx',
      DockerName: SHOWN.dockerName,
      Image: 'nginx:latest',
      ImageID: 'sha256:aa',
      Labels: SHOWN.labels,
      DesiredStatus: 'RUNNING',
      KnownStatus: 'RUNNING',
      Limits: { CPU: 100, Memory: 512 },
      CreatedAt: SHOWN.createdAt,
      StartedAt: SHOWN.startedAt,
      Type: 'NORMAL',
      Health: { status: 'UNKNOWN', statusSince: SHOWN.check?.at, exitCode: 0, output: 'fine' },
      Volumes: [{ DockerName: 'vol', Source: SHOWN.mounts[0]?.source, Destination: '/data' }],
      LogDriver: 'json-file',
      ContainerARN: expect.stringContaining(`:container/default/${arn.split('/').at(-1)}/`),
      Networks: [
        {
          NetworkMode: 'awsvpc',
          IPv4Addresses: ['10.0.0.35'],
          AttachmentIndex: 0,
          MACAddress: '0a:47:e4:7a:2b:02',
          IPv4SubnetCIDRBlock: '10.0.0.0/24',
          DomainNameServers: [...host.nameServers],
          DomainNameSearchList: [...host.searchDomains],
          PrivateDNSName: 'ip-10-0-0-35.us-west-2.compute.internal',
          SubnetGatewayIpv4Address: '10.0.0.1/24',
          NetworkInterfaceId: 'eni-b0aaa4b2',
          SecurityGroupIds: [expect.stringMatching(/^sg-/)],
        },
      ],
    })
  })

  // P543
  test('of IPv6 alone is told of no IPv4, and of the block and the router of IPv6', async () => {
    rig.orders.may = () => false
    const { id, netns } = await runNginx()
    settleIpv6(rig, id)
    const address = '2600:1f14:323a:e014:588a:9986:158:b9ba'
    const { body } = await rig.fromInside(netns, `/v4/${endpointId(id, 'nginx')}`)
    // As amazon-ecs-agent's pull request 4649 shows it, and what we say beside it.
    expect((body as { Networks: unknown }).Networks).toEqual([
      {
        NetworkMode: 'awsvpc',
        IPv6Addresses: [address],
        AttachmentIndex: 0,
        MACAddress: '0a:47:e4:7a:2b:06',
        IPv6SubnetCIDRBlock: '2600:1f14:323a:e010::/60',
        DomainNameServers: ['fd00:ec2::253'],
        DomainNameSearchList: [...rig.orders.host.searchDomains],
        SubnetGatewayIpv6Address: '2600:1f14:323a:e010::1/60',
        NetworkInterfaceId: 'eni-6',
        SecurityGroupIds: ['sg-6'],
      },
    ])
    const three = await rig.fromInside(netns, `/v3/${endpointId(id, 'nginx')}`)
    expect(three.body).toMatchObject({
      Networks: [{ NetworkMode: 'awsvpc', IPv6Addresses: [address] }],
    })
  })

  // P546
  test('of a journal of an earlier version is told of IPv6 what that knew: its address', async () => {
    rig.orders.may = () => false
    const { id, netns } = await runNginx()
    const ipv4 = { ipv4: '10.0.0.35', ipv4PrefixLength: 24, ipv4Gateway: '10.0.0.1' }
    settleIpv6(rig, id, { ...ipv4, ipv6PrefixLength: undefined, privateDnsName: 'ip-10-0-0-35' })
    const { body } = await rig.fromInside(netns, `/v4/${endpointId(id, 'nginx')}`)
    const [network = {}] = (body as { Networks: object[] }).Networks
    expect(network).toMatchObject({
      IPv4Addresses: ['10.0.0.35'],
      IPv6Addresses: ['2600:1f14:323a:e014:588a:9986:158:b9ba'],
      IPv4SubnetCIDRBlock: '10.0.0.0/24',
      PrivateDNSName: 'ip-10-0-0-35',
    })
    expect(Object.keys(network)).not.toContain('IPv6SubnetCIDRBlock')
    expect(Object.keys(network)).not.toContain('SubnetGatewayIpv6Address')
  })

  test('asked by edition 3 is told of addresses alone', async () => {
    const { id, netns } = await runNginx()
    const { body } = await rig.fromInside(netns, `/v3/${endpointId(id, 'side')}`)
    expect(body).toMatchObject({
      Name: 'side',
      Networks: [{ NetworkMode: 'awsvpc', IPv4Addresses: ['10.0.0.35'] }],
    })
    expect((body as { Networks: object[] }).Networks[0]).not.toHaveProperty('MACAddress')
  })

  test('is told its tags where it asks for them', async () => {
    const tags = [{ key: 'team', value: 'a' }]
    const arn = await runOne(rig, { tags })
    const id = arn.split('/').at(-1) ?? ''
    const netns = `/var/run/docker/netns/${id.slice(0, 8)}`
    const path = `/v4/${endpointId(id, 'nginx')}/taskWithTags`
    expect((await rig.fromInside(netns, path)).body).toMatchObject({ TaskTags: { team: 'a' } })
  })

  test('is given the statistics of Docker, of one container and of all', async () => {
    const network_rate_stats = { rx_bytes_per_sec: 1, tx_bytes_per_sec: 2 }
    const told = { cpu_stats: { x: 1 }, network_rate_stats }
    rig.orders.stats = async (_id, name) => (name === 'nginx' ? told : undefined)
    const { id, netns } = await runNginx()
    const own = `/v4/${endpointId(id, 'nginx')}`
    expect(await rig.fromInside(netns, `${own}/stats`)).toEqual({
      ...{ status: 200, body: told },
    })
    const older = await rig.fromInside(netns, `${own.replace('v4', 'v3')}/stats`)
    expect(older.body, 'version 3 knew no rates').toEqual({ cpu_stats: { x: 1 } })
    const { status } = await rig.fromInside(netns, `/v4/${endpointId(id, 'side')}/stats`)
    expect(status).toBe(404)
    const all = await rig.fromInside(netns, `${own}/task/stats`)
    expect(Object.values(all.body as object)).toEqual([told, null])
  })
})

describe('a task that asks for what is not its own', () => {
  beforeEach(async () => void (await register(rig)))

  // P311
  test.each<[string, (mine: string, other: string) => string]>([
    ['the container of another task', (_, other) => `/v4/${endpointId(other, 'nginx')}`],
    ['a container that it has not got', (mine) => `/v4/${endpointId(mine, 'db')}/task`],
    ['no id that could be', () => '/v4/..%2f..%2fetc/task'],
  ])('(%s) is refused, and that is counted', async (_what, path) => {
    const [mine, other] = [await runNginx(), await runNginx()]
    const { status, body } = await rig.fromInside(mine.netns, path(mine.id, other.id))
    expect(status).toBe(400)
    expect(body).toMatch(/no container of this task has that id/)
    const metrics = await (await fetch(`${rig.url}/metrics`)).text()
    expect(metrics).toMatch(/^enid_task_endpoint_refused_total 1$/m)
  })

  test('from a namespace that is nobody’s gets nothing', async () => {
    const { id } = await runNginx()
    const { status } = await rig.fromInside('/run/netns/other', `/v4/${endpointId(id, 'nginx')}`)
    expect(status).toBe(400)
  })

  // P311
  test('reaches none of the agent’s own routes', async () => {
    const { netns } = await runNginx()
    for (const path of ['/tasks', '/status', '/metrics', '/openapi.json', '/']) {
      expect((await rig.fromInside(netns, path)).status).toBe(404)
    }
  })
})
