// Goal: a route to an interface leads there, and what stands behind it sends on what others sent only
// with its source/destination check off; no gate is opened by a packet's first way through the fabric
// for its second. Method: a lab as its users have it; the appliances are ENIs attached to this host,
// moved into namespaces that forward, configured with iproute2 and nft.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AssociateRouteTableCommand,
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkInterfaceCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  DescribeInstancesCommand,
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  type EC2Client,
  ModifyNetworkInterfaceAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { ip, namespaces, oracle } from './fabric-rig.ts'
import { close, connectTcp, listenTcp, receive, send, tcp } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

type Appliance = { eniId: string; attachmentId: string; ipv4: string; netns: string }

const name = `t${randomBytes(3).toString('hex')}`
const HOST = '203.0.113.10'
let lab: LabProcess
let ec2: EC2Client
let vpcId: string
let instanceId: string
let open: string
let subnets: string[]
const tables: string[] = []
const listeners: number[] = []
let indexes = 1

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const instance = Reservations?.[0]?.Instances?.[0]
  instanceId = instance?.InstanceId ?? ''
  vpcId = instance?.VpcId ?? ''
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  subnets = Subnets.toSorted((a, b) => ((a.CidrBlock ?? '') < (b.CidrBlock ?? '') ? -1 : 1)).map(
    ({ SubnetId = '' }) => SubnetId,
  )
  const AvailabilityZone = instance?.Placement?.AvailabilityZone
  const place = { VpcId: vpcId, AvailabilityZone }
  for (const CidrBlock of ['10.0.2.0/24', '10.0.3.0/24']) {
    const { Subnet } = await ec2.send(new CreateSubnetCommand({ ...place, CidrBlock }))
    subnets.push(Subnet?.SubnetId ?? '')
  }
  for (const SubnetId of subnets.slice(0, 2)) {
    const { RouteTable } = await ec2.send(new CreateRouteTableCommand({ VpcId: vpcId }))
    const RouteTableId = RouteTable?.RouteTableId ?? ''
    tables.push(RouteTableId)
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }))
  }
  open = await group('open', [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }])
})
afterAll(async () => {
  listeners.forEach(close)
  ec2?.destroy()
  await lab?.end()
  for (const netns of namespaces().filter((each) => each.startsWith(name)))
    ip('netns', 'del', netns)
  expect(leftovers(name)).toEqual([])
})

async function group(GroupName: string, IpPermissions: object[]): Promise<string> {
  const made = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName, Description: 'x', VpcId: vpcId }),
  )
  const { GroupId = '' } = made
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }))
  return GroupId
}

/** An ENI of the host in a namespace that forwards, perhaps under its own address alone. */
async function appliance(subnet: number, masquerades: boolean, groupId = open): Promise<Appliance> {
  const { NetworkInterface } = await ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId: subnets[subnet], Groups: [groupId] }),
  )
  const {
    NetworkInterfaceId: eniId = '',
    MacAddress,
    PrivateIpAddress: ipv4 = '',
  } = NetworkInterface ?? {}
  const { AttachmentId: attachmentId = '' } = await ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eniId,
      InstanceId: instanceId,
      DeviceIndex: indexes++,
    }),
  )
  const netns = `${name}-${eniId}`
  ip('netns', 'add', netns)
  const link = oracle('ip', '-j', 'link').find(({ address }) => address === MacAddress)
  ip('link', 'set', String(link?.ifname), 'netns', netns, 'name', 'eth0')
  const inside = (...args: string[]) => ip('-n', netns, ...args)
  inside('link', 'set', 'eth0', 'up')
  inside('addr', 'add', `${ipv4}/24`, 'dev', 'eth0')
  inside('route', 'add', 'default', 'via', ipv4.replace(/\d+$/, '1'))
  forwards(netns, true)
  if (masquerades) {
    const rules = 'table ip x { chain y { type nat hook postrouting priority 100; masquerade; }; }'
    execFileSync('ip', ['netns', 'exec', netns, 'nft', rules])
  }
  await up(netns)
  return { eniId, attachmentId, ipv4, netns }
}

function forwards(netns: string, does: boolean): void {
  const settings = [`net.ipv4.ip_forward=${does ? 1 : 0}`, 'net.ipv4.conf.all.send_redirects=0']
  settings.push('net.ipv4.conf.eth0.send_redirects=0')
  execFileSync('ip', ['netns', 'exec', netns, 'sysctl', '-qw', ...settings])
}

/** Waits for the link: until it is up the kernel drops what is sent on it. */
async function up(netns: string): Promise<void> {
  const isUp = () => oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')[0]?.operstate === 'UP'
  for (let tries = 0; !isUp() && tries < 60; tries++) await sleep(50)
  expect(isUp(), `the link in ${netns} comes up`).toBe(true)
}

async function probe(subnet: number, groupIds = [open]): Promise<Probe> {
  const wish = { subnetId: subnets[subnet], groupIds }
  const made = await lab.ask<Probe>('POST', 'probes', wish)
  await up(made.netnsPath.replace('/run/netns/', ''))
  return made
}

const check = (NetworkInterfaceId: string, Value: boolean) =>
  ec2.send(
    new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, SourceDestCheck: { Value } }),
  )

const route = (RouteTableId: string | undefined, DestinationCidrBlock: string, eniId: string) =>
  ec2.send(
    new CreateRouteCommand({ RouteTableId, DestinationCidrBlock, NetworkInterfaceId: eniId }),
  )

/** The address by which the Internet's host sees a TCP connection, or `silent`. */
async function seenAs({ netnsPath }: Probe): Promise<string> {
  const { fd, answer } = connectTcp(netnsPath, HOST, 80, 300)
  if (answer === 'open') send(fd, Buffer.from('GET / HTTP/1.0\r\n\r\n'))
  await sleep(50)
  const answered = answer === 'open' ? (receive(fd, 2000)?.toString() ?? '') : answer
  close(fd)
  return answered.trim().split('\n').at(-1) ?? ''
}

// P235
test('a NAT instance takes a private subnet out only with its check off', async () => {
  const nat = await appliance(2, true)
  const client = await probe(1)
  const { AllocationId, PublicIp } = await ec2.send(new AllocateAddressCommand({}))
  await ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId: nat.eniId }))
  await route(tables[1], '0.0.0.0/0', nat.eniId)
  expect(await seenAs(client)).toBe('silent')
  await check(nat.eniId, false)
  expect(await seenAs(client)).toBe(PublicIp)
  await check(nat.eniId, true)
  expect(await seenAs(client)).toBe('silent')
  await check(nat.eniId, false)
  await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: nat.attachmentId }))
  expect(await seenAs(client), 'a blackhole').toBe('silent')
  const { RouteTables } = await ec2.send(
    new DescribeRouteTablesCommand({ RouteTableIds: [tables[1] ?? ''] }),
  )
  expect(RouteTables?.[0]?.Routes?.at(-1)).toMatchObject({
    NetworkInterfaceId: nat.eniId,
    State: 'blackhole',
  })
})

// P236
test('an appliance between two subnets sees all between them, and opens no gate but its own', async () => {
  // From the VPC alone: what it lets in it remembers, and its memory is nobody else's leave.
  const inside = await group('inside', [
    { IpProtocol: '-1', IpRanges: [{ CidrIp: '10.0.0.0/16' }] },
  ])
  const box = await appliance(3, false, inside)
  await check(box.eniId, false)
  const client = await probe(0)
  const neighbour = await probe(0)
  const narrow = await group('narrow', [
    { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: `${client.ipv4}/32` }] },
  ])
  const server = await probe(1, [narrow])
  for (const port of [80, 81]) listeners.push(listenTcp(server.netnsPath, server.ipv4, port))
  listeners.push(listenTcp(neighbour.netnsPath, neighbour.ipv4, 80))
  const verdicts = () => [80, 81].map((port) => tcp(client.netnsPath, server.ipv4, port))
  expect(verdicts(), 'straight').toEqual(['open', 'silent'])
  await route(tables[0], '10.0.1.0/24', box.eniId)
  await route(tables[1], '10.0.0.0/24', box.eniId)
  expect(verdicts(), 'by the appliance').toEqual(['open', 'silent'])
  forwards(box.netns, false)
  expect(verdicts(), 'the appliance sends nothing on').toEqual(['silent', 'silent'])
  expect(tcp(client.netnsPath, neighbour.ipv4, 80), 'within the subnet').toBe('open')
  await route(tables[0], '10.0.0.0/24', box.eniId)
  expect(tcp(client.netnsPath, neighbour.ipv4, 80), 'no route leads within it').toBe('open')
  forwards(box.netns, true)
  await check(box.eniId, true)
  expect(verdicts(), 'its check is on').toEqual(['silent', 'silent'])
})
