// Goal: the agent finds itself through IMDSv2 and a few describes, and knows its subnets.
// Method: the real clients against a small EC2 and IMDS on loopback.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { findHost, pluggedEnis, regionOf, resolvers } from '../../agent/drivers/host.ts'
import { type Imds, openImds } from '../../agent/drivers/imds.ts'
import { openSubnets, routerOf } from '../../agent/drivers/subnets.ts'
import { FakeEc2 } from './fake-ec2.ts'
import { never } from './jobs.ts'

const MAC = '02:00:00:00:00:01'
let fake: FakeEc2
let ec2: Ec2
let imds: Imds
let endpoint: string

beforeAll(async () => {
  fake = new FakeEc2('i-1')
  endpoint = await fake.open()
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL_EC2: endpoint,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint,
  })
  delete process.env.AWS_REGION
  ec2 = openEc2({ region: 'us-west-2' })
})

beforeEach(() => {
  fake.actions()
  fake.imdsPaths = {
    mac: MAC,
    'instance-id': 'i-1',
    'instance-type': 'm5.large',
    'placement/availability-zone': 'us-west-2a',
    'placement/region': 'us-west-2',
    [`network/interfaces/macs/${MAC}/vpc-id`]: 'vpc-1',
    [`network/interfaces/macs/${MAC}/subnet-id`]: 'subnet-host',
    [`network/interfaces/macs/${MAC}/owner-id`]: '123456789012',
  }
  imds = openImds()
})

afterAll(async () => {
  await ec2.close()
  fake.close()
})

test('the host is found with one IMDS token and three describes', async () => {
  const tokensBefore = fake.tokensIssued
  expect(await findHost(imds, ec2, never())).toEqual({
    instanceId: 'i-1',
    instanceType: 'm5.large',
    accountId: '123456789012',
    region: 'us-west-2',
    availabilityZone: 'us-west-2a',
    vpcId: 'vpc-1',
    subnetId: 'subnet-host',
    primaryMac: MAC,
    eniCountMax: 3,
    nameServers: ['10.0.0.2'],
    searchDomains: ['corp.example', 'us-west-2.compute.internal'],
  })
  expect(fake.tokensIssued - tokensBefore).toBe(1)
  expect(fake.actions().toSorted()).toEqual([
    'DescribeDhcpOptions',
    'DescribeInstanceTypes',
    'DescribeVpcs',
  ])
})

test('an IMDS token that expired is replaced', async () => {
  expect(await regionOf(imds, never())).toBe('us-west-2')
  fake.expireToken()
  expect(await regionOf(imds, never())).toBe('us-west-2')
})

test('what IMDS lacks is undefined to find and a transient failure to read', async () => {
  expect(await imds.find('meta-data/ipv6', never())).toBeUndefined()
  const read = imds.read('meta-data/ipv6', never())
  await expect(read).rejects.toMatchObject({
    kind: 'transient',
    code: 'MetadataServiceUnreachable',
  })
})

test('an IMDS that is not there is a transient failure that says what to do', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  const nowhere = openImds({ endpoint: `http://127.0.0.1:${port}` })
  const read = nowhere.read('meta-data/mac', never())
  await expect(read).rejects.toMatchObject({
    kind: 'transient',
    code: 'MetadataServiceUnreachable',
    message: expect.stringContaining('ECONNREFUSED'),
    hint: expect.stringContaining('enid lab'),
  })
})

test('what is plugged into the instance is told with its index, its own interface too', async () => {
  const create = new URLSearchParams({ SubnetId: 'subnet-a', ClientToken: 'foreign' })
  fake.vpc.act('CreateNetworkInterface', create)
  const [eni] = fake.vpc.enis.values()
  const attach = { NetworkInterfaceId: eni?.id ?? '', InstanceId: 'i-1', DeviceIndex: '4' }
  const parameters = new URLSearchParams({ ...attach, NetworkCardIndex: '0' })
  fake.vpc.act('AttachNetworkInterface', parameters)
  expect(await pluggedEnis(ec2, 'i-1', never())).toEqual([
    { eniId: 'eni-host', deviceIndex: 0 },
    { eniId: eni?.id, deviceIndex: 4 },
  ])
})

test('name servers and domains are what DHCP would give', () => {
  const vpc = { CidrBlock: '10.20.0.0/16' }
  expect(resolvers({}, vpc, 'us-east-1')).toEqual({
    nameServers: ['10.20.0.2'],
    searchDomains: ['ec2.internal'],
  })
  const own = {
    DhcpConfigurations: [
      { Key: 'domain-name-servers', Values: [{ Value: '10.1.1.1' }, { Value: '10.1.1.2' }] },
    ],
  }
  expect(resolvers(own, vpc, 'eu-west-1')).toEqual({
    nameServers: ['10.1.1.1', '10.1.1.2'],
    searchDomains: ['eu-west-1.compute.internal'],
  })
})

test.for([
  ['10.0.0.0/24', 24, '10.0.0.1'],
  ['10.0.1.240/28', 28, '10.0.1.241'],
  ['172.31.16.0/20', 20, '172.31.16.1'],
] as const)('the router of %s is known', ([cidr, ipv4PrefixLength, ipv4Gateway]) => {
  expect(routerOf(cidr)).toEqual({ ipv4PrefixLength, ipv4Gateway })
})

/** Subnets on a clock that the test moves. */
function onClock() {
  const timers: (() => void)[] = []
  const time = { now: 0, passed: () => timers.shift()?.() }
  const after = (_ms: number, call: () => void) => {
    timers.push(call)
    return () => {}
  }
  const clock = { now: () => time.now, elapsed: () => time.now, after, random: () => 0.5 }
  return { subnets: openSubnets({ ec2, vpcId: 'vpc-1', clock }), time }
}

test('all subnets of the VPC are known from the start, and a task asks for none', async () => {
  const { subnets, time } = onClock()
  const controller = new AbortController()
  const followed = subnets.follow(controller.signal)
  // Asked while the first answer is on its way: it is waited for.
  await subnets.prepare(['subnet-a', 'subnet-b'], never())
  subnets.took('subnet-b')
  expect(subnets.known('subnet-b')).toEqual({
    subnetId: 'subnet-b',
    vpcId: 'vpc-1',
    availabilityZone: 'us-west-2a',
    freeAddressCount: 249,
    cidrs: ['10.0.0.0/24'],
    ipv4PrefixLength: 24,
    ipv4Gateway: '10.0.0.1',
  })
  time.now = 86_400_000
  await subnets.prepare(['subnet-a', 'subnet-b'], never())
  await subnets.facts('subnet-a', never())
  expect(fake.actions()).toEqual(['DescribeSubnets'])

  time.passed()
  await expect.poll(() => subnets.known('subnet-b')?.freeAddressCount).toBe(250)
  expect(fake.actions()).toEqual(['DescribeSubnets'])
  controller.abort()
  await followed
})

test('subnets that are unknown are asked for together, whoever asks meanwhile', async () => {
  const { subnets } = onClock()
  await Promise.all([
    subnets.prepare(['subnet-a', 'subnet-b', 'subnet-a'], never()),
    subnets.prepare(['subnet-b'], never()),
    expect(subnets.prepare(['subnet-a'], AbortSignal.abort())).rejects.toMatchObject({
      kind: 'transient',
      code: 'Aborted',
    }),
  ])
  await subnets.prepare(['subnet-b'], never())
  expect(fake.actions()).toEqual(['DescribeSubnets'])
})

// P35
test('a full subnet is asked about again, once a minute', async () => {
  const { subnets, time } = onClock()
  await subnets.prepare(['subnet-a'], never())
  subnets.isFull('subnet-a')
  await subnets.prepare(['subnet-a'], never())
  expect(fake.actions()).toEqual(['DescribeSubnets'])
  time.now = 61_000
  await subnets.prepare(['subnet-a'], never())
  expect(fake.actions()).toEqual(['DescribeSubnets'])
  expect(subnets.known('subnet-a')?.freeAddressCount).toBe(250)
})

test('an EC2 that is away at the start leaves subnets to be asked for one by one', async () => {
  const { subnets } = onClock()
  const controller = new AbortController()
  fake.refuse('DescribeSubnets', 'Unavailable', 'away', 503)
  const followed = subnets.follow(controller.signal)
  await subnets.prepare(['subnet-a'], never())
  expect(fake.actions()).toEqual(['DescribeSubnets', 'DescribeSubnets'])
  controller.abort()
  await followed
})

test('a subnet that does not exist or is in another VPC is refused by name', async () => {
  const subnets = openSubnets({ ec2, vpcId: 'vpc-1' })
  await expect(subnets.prepare(['subnet-a', 'subnet-none'], never())).rejects.toMatchObject({
    kind: 'refused',
    code: 'InvalidSubnetID.NotFound',
    message: expect.stringContaining('subnet-none'),
  })
  await expect(subnets.prepare(['subnet-far'], never())).rejects.toMatchObject({
    kind: 'refused',
    code: 'SubnetInAnotherVpc',
    message: expect.stringContaining('subnet-far is in vpc-2'),
  })
})

// P540
test('a subnet of IPv6 alone has no router of IPv4, and as many addresses as anybody takes', async () => {
  const { subnets, time } = onClock()
  const of6 = {
    subnetId: 'subnet-v6only',
    vpcId: 'vpc-1',
    availabilityZone: 'us-west-2a',
    freeAddressCount: Number.POSITIVE_INFINITY,
    cidrs: ['fd00::/64'],
    ipv6PrefixLength: 64,
  }
  await subnets.prepare(['subnet-v6only'], never())
  expect(subnets.known('subnet-v6only')).toEqual(of6)
  subnets.took('subnet-v6only')
  // EC2 says 0 of it, which is no reason to ask again.
  time.now = 86_400_000
  await subnets.prepare(['subnet-v6only'], never())
  expect(subnets.known('subnet-v6only')).toEqual(of6)
  expect(fake.actions()).toEqual(['DescribeSubnets'])
})
