// Goal: packets leave the VPC and come into it just as route tables, gateways and public addresses
// say, the moment the call is answered. Method: a lab as its users have it, the SDK as client,
// sockets inside probes and on the lab's Internet as proof; what the other end saw tells who was
// translated to what.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateEgressOnlyInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  DeleteEgressOnlyInternetGatewayCommand,
  DeleteNatGatewayCommand,
  DeleteRouteCommand,
  DescribeInternetGatewaysCommand,
  DescribeNetworkAclsCommand,
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DetachInternetGatewayCommand,
  DisassociateAddressCommand,
  DisassociateRouteTableCommand,
  type EC2Client,
  ReleaseAddressCommand,
  ReplaceNetworkAclAssociationCommand,
  ReplaceRouteCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { ip, oracle } from './fabric-rig.ts'
import {
  close,
  connectTcp,
  listenTcp,
  ping,
  receive,
  send,
  tcp,
  udp,
  udpSocket,
} from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const name = `t${randomBytes(3).toString('hex')}`
const HOST = { ipv4: '203.0.113.10', ipv6: '2001:db8:ffff::10' }
let lab: LabProcess
let ec2: EC2Client
let internet: string
let vpcId: string
let gatewayId: string
let mainTable: string
let subnets: { SubnetId: string; CidrBlock: string; Ipv6: string }[]
let open: string
const ended: (() => void)[] = []

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  const status = await lab.ask<{ internet: { netnsPath: string } }>('GET', 'status')
  internet = status.internet.netnsPath
  const gateways = await ec2.send(new DescribeInternetGatewaysCommand({}))
  gatewayId = gateways.InternetGateways?.[0]?.InternetGatewayId ?? ''
  vpcId = gateways.InternetGateways?.[0]?.Attachments?.[0]?.VpcId ?? ''
  const { RouteTables } = await ec2.send(new DescribeRouteTablesCommand({}))
  mainTable = RouteTables?.[0]?.RouteTableId ?? ''
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  subnets = Subnets.map(({ SubnetId = '', CidrBlock = '', Ipv6CidrBlockAssociationSet }) => ({
    SubnetId,
    CidrBlock,
    Ipv6: Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock ?? '',
  })).toSorted((a, b) => (a.CidrBlock < b.CidrBlock ? -1 : 1))
  open = await group('open')
})
afterAll(async () => {
  for (const end of ended) end()
  ec2?.destroy()
  await lab?.end()
  expect(leftovers(name)).toEqual([])
})

/** A group that lets in everything from everywhere. */
async function group(GroupName: string): Promise<string> {
  const made = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName, Description: 'x', VpcId: vpcId }),
  )
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: made.GroupId,
      IpPermissions: [
        {
          IpProtocol: '-1',
          IpRanges: [{ CidrIp: '0.0.0.0/0' }],
          Ipv6Ranges: [{ CidrIpv6: '::/0' }],
        },
      ],
    }),
  )
  return made.GroupId ?? ''
}

/** A probe whose link is up: before, the kernel drops what is sent on it, for up to a second. */
async function probe(at: number, more: object = {}): Promise<Probe> {
  const { SubnetId: subnetId } = subnets[at] ?? {}
  const made = await lab.ask<Probe>('POST', 'probes', { subnetId, groupIds: [open], ...more })
  const netns = made.netnsPath.replace('/run/netns/', '')
  const isUp = () => oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')[0]?.operstate === 'UP'
  for (let tries = 0; !isUp() && tries < 60; tries++) await sleep(50)
  expect(isUp(), `the link of ${made.name} comes up`).toBe(true)
  return made
}

/** The address by which the Internet's host sees a TCP connection, or `silent`. */
async function seenAs(from: Probe, address = HOST.ipv4): Promise<string> {
  const { fd, answer } = connectTcp(from.netnsPath, address, 80, 300)
  if (answer !== 'open') {
    close(fd)
    return answer
  }
  send(fd, Buffer.from('GET / HTTP/1.0\r\n\r\n'))
  await sleep(50) // The host answers in this process's absence: let the lab's have the core.
  const answered = receive(fd, 2000)?.toString() ?? ''
  close(fd)
  return answered.trim().split('\n').at(-1) ?? ''
}

/** What the Internet's TCP host meets at an address of the VPC. */
const fromInternet = (address: string, port = 80) => tcp(internet, address, port)

function listens({ netnsPath, ipv4, ipv6 = '' }: Probe, port = 80): void {
  for (const address of [ipv4, ipv6]) {
    const fd = listenTcp(netnsPath, address, port)
    ended.push(() => close(fd))
  }
}

const route = (RouteTableId: string, cidr: string, target: object) =>
  ec2.send(
    new CreateRouteCommand({
      RouteTableId,
      ...(cidr.includes(':') ? { DestinationIpv6CidrBlock: cidr } : { DestinationCidrBlock: cidr }),
      ...target,
    }),
  )
const noRoute = (RouteTableId: string, cidr: string) =>
  ec2.send(
    new DeleteRouteCommand({
      RouteTableId,
      ...(cidr.includes(':') ? { DestinationIpv6CidrBlock: cidr } : { DestinationCidrBlock: cidr }),
    }),
  )

/** A route table of its own for a subnet, as long as the work goes on. */
async function withTable<T>(at: number, work: (tableId: string) => Promise<T>): Promise<T> {
  const { RouteTable } = await ec2.send(new CreateRouteTableCommand({ VpcId: vpcId }))
  const RouteTableId = RouteTable?.RouteTableId ?? ''
  const SubnetId = subnets[at]?.SubnetId
  const { AssociationId } = await ec2.send(
    new AssociateRouteTableCommand({ RouteTableId, SubnetId }),
  )
  try {
    return await work(RouteTableId)
  } finally {
    await ec2.send(new DisassociateRouteTableCommand({ AssociationId }))
  }
}

describe('the internet gateway', () => {
  // P230
  test('translates one public address, both ways, for as long as it is associated', async () => {
    const plain = await probe(0)
    listens(plain)
    expect(await seenAs(plain), 'no public address').toBe('silent')
    const { AllocationId, PublicIp = '' } = await ec2.send(new AllocateAddressCommand({}))
    expect(fromInternet(PublicIp), 'nobody has it').toBe('silent')
    const { AssociationId } = await ec2.send(
      new AssociateAddressCommand({ AllocationId, NetworkInterfaceId: plain.eniId }),
    )
    expect(await seenAs(plain)).toBe(PublicIp)
    expect(fromInternet(PublicIp)).toBe('open')
    const netns = internet.replace('/run/netns/', '')
    ip('-n', netns, '-4', 'route', 'add', '10.0.0.0/8', 'via', 'inet6', 'fe80::ed9e', 'dev', 'eth0')
    expect(fromInternet(plain.ipv4), 'its private address').toBe('silent')
    ip('-n', netns, 'route', 'del', '10.0.0.0/8')
    expect(ping(internet, PublicIp)).toBe(true)
    await ec2.send(new DisassociateAddressCommand({ AssociationId }))
    expect([await seenAs(plain), fromInternet(PublicIp)]).toEqual(['silent', 'silent'])
    await ec2.send(new ReleaseAddressCommand({ AllocationId }))
  })

  // P230
  test('cuts a flow that runs when its address is taken away, and gives it to another', async () => {
    const [one, other] = [await probe(0), await probe(1)]
    const { AllocationId, PublicIp = '' } = await ec2.send(new AllocateAddressCommand({}))
    const associate = (to: Probe) =>
      ec2.send(
        new AssociateAddressCommand({
          AllocationId,
          NetworkInterfaceId: to.eniId,
          AllowReassociation: true,
        }),
      )
    await associate(one)
    const socket = udpSocket(one.netnsPath, one.ipv4, 5000)
    ended.push(() => close(socket))
    const echoed = () => {
      send(socket, Buffer.from('still'), HOST.ipv4, 7)
      return receive(socket, 300)?.toString()
    }
    expect(echoed()).toBe('still')
    await associate(other)
    expect(echoed()).toBeUndefined()
    expect([await seenAs(one), await seenAs(other)]).toEqual(['silent', PublicIp])
    await ec2.send(new DisassociateAddressCommand({ PublicIp }))
    await ec2.send(new ReleaseAddressCommand({ AllocationId }))
  })

  test('judges by groups and private addresses: what no rule lets in stays out', async () => {
    const closed = await probe(0, { public: true, groupIds: undefined, groupNames: ['default'] })
    listens(closed)
    expect(await seenAs(closed)).toBe(closed.publicIp)
    expect(fromInternet(closed.publicIp ?? '')).toBe('silent')
  })

  // P231
  test('is crossed under the ACL of the subnet', async () => {
    const server = await probe(1, { public: true })
    listens(server)
    expect(fromInternet(server.publicIp ?? '')).toBe('open')
    const { NetworkAcls = [] } = await ec2.send(new DescribeNetworkAclsCommand({}))
    const own = NetworkAcls.flatMap(({ Associations = [], NetworkAclId }) =>
      Associations.map((each) => ({ ...each, NetworkAclId })),
    ).find(({ SubnetId }) => SubnetId === server.subnetId)
    const { NetworkAcl } = await ec2.send(new CreateNetworkAclCommand({ VpcId: vpcId }))
    const { NewAssociationId } = await ec2.send(
      new ReplaceNetworkAclAssociationCommand({
        AssociationId: own?.NetworkAclAssociationId,
        NetworkAclId: NetworkAcl?.NetworkAclId,
      }),
    )
    const allow = (Egress: boolean) =>
      ec2.send(
        new CreateNetworkAclEntryCommand({
          NetworkAclId: NetworkAcl?.NetworkAclId,
          RuleNumber: 100,
          Protocol: '-1',
          RuleAction: 'allow',
          Egress,
          CidrBlock: `${HOST.ipv4}/32`,
        }),
      )
    expect(fromInternet(server.publicIp ?? '')).toBe('silent')
    await allow(false)
    expect(fromInternet(server.publicIp ?? ''), 'the answer has no entry').toBe('silent')
    await allow(true)
    expect(fromInternet(server.publicIp ?? '')).toBe('open')
    await ec2.send(
      new ReplaceNetworkAclAssociationCommand({
        AssociationId: NewAssociationId,
        NetworkAclId: own?.NetworkAclId,
      }),
    )
  })

  // P232
  test('is reached, and reaches, only by a route of the subnet', async () => {
    const server = await probe(0, { public: true })
    listens(server)
    const reached = async () => [await seenAs(server), fromInternet(server.publicIp ?? '')]
    expect(await reached()).toEqual([server.publicIp, 'open'])
    await withTable(0, async (table) => {
      expect(await reached(), 'a table that knows the VPC alone').toEqual(['silent', 'silent'])
      await route(table, '203.0.113.0/24', { GatewayId: gatewayId })
      expect(await reached()).toEqual([server.publicIp, 'open'])
      await noRoute(table, '203.0.113.0/24')
      expect(await reached()).toEqual(['silent', 'silent'])
    })
    expect(await reached()).toEqual([server.publicIp, 'open'])
  })

  // P233
  test('takes IPv6 as it is, both ways; an egress-only one only what was begun inside', async () => {
    const server = await probe(0)
    listens(server)
    const ipv6 = server.ipv6 ?? ''
    const reached = async () => [await seenAs(server, HOST.ipv6), fromInternet(ipv6)]
    expect(await reached()).toEqual(['silent', 'silent'])
    await withTable(0, async (table) => {
      await route(table, '::/0', { GatewayId: gatewayId })
      expect(await reached()).toEqual([ipv6, 'open'])
      const made = await ec2.send(new CreateEgressOnlyInternetGatewayCommand({ VpcId: vpcId }))
      const { EgressOnlyInternetGatewayId } = made.EgressOnlyInternetGateway ?? {}
      await ec2.send(
        new ReplaceRouteCommand({
          RouteTableId: table,
          DestinationIpv6CidrBlock: '::/0',
          EgressOnlyInternetGatewayId,
        }),
      )
      expect(await reached()).toEqual([ipv6, 'silent'])
      expect(udp(internet, { netns: server.netnsPath, address: ipv6 }, 6000)).toBe(false)
      await ec2.send(new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId }))
      expect(await reached(), 'a blackhole').toEqual(['silent', 'silent'])
    })
  })

  // P232
  test('that is detached leaves a blackhole, and one that comes back fills it', async () => {
    const server = await probe(0)
    listens(server)
    await route(mainTable, '::/0', { GatewayId: gatewayId })
    const ids = { InternetGatewayId: gatewayId, VpcId: vpcId }
    for (const { probeId, publicIp } of (await lab.ask<{ probes: Probe[] }>('GET', 'status'))
      .probes) {
      if (publicIp !== undefined) await lab.ask('DELETE', `probes/${probeId}`)
    }
    expect(await seenAs(server, HOST.ipv6)).toBe(server.ipv6)
    await ec2.send(new DetachInternetGatewayCommand(ids))
    const states = async () => {
      const { RouteTables } = await ec2.send(
        new DescribeRouteTablesCommand({ RouteTableIds: [mainTable] }),
      )
      return RouteTables?.[0]?.Routes?.map(({ State }) => State)
    }
    expect(await states()).toEqual(['active', 'active', 'blackhole', 'blackhole'])
    expect([await seenAs(server, HOST.ipv6), fromInternet(server.ipv6 ?? '')]).toEqual([
      'silent',
      'silent',
    ])
    await ec2.send(new AttachInternetGatewayCommand(ids))
    expect(await states()).toEqual(['active', 'active', 'active', 'active'])
    expect([await seenAs(server, HOST.ipv6), fromInternet(server.ipv6 ?? '')]).toEqual([
      server.ipv6,
      'open',
    ])
    await noRoute(mainTable, '::/0')
  })

  test('reaches another ENI of the VPC by its public address, under the sender’s', async () => {
    const [client, server] = [await probe(0, { public: true }), await probe(1, { public: true })]
    listens(server)
    expect(tcp(client.netnsPath, server.publicIp ?? '', 80)).toBe('open')
    const private_ = await probe(0)
    expect(tcp(private_.netnsPath, server.publicIp ?? '', 80)).toBe('silent')
  })
})

describe('a NAT gateway', () => {
  // P234
  test('lets a private subnet out under its own address, and nothing in', async () => {
    const client = await probe(1)
    listens(client)
    const { AllocationId, PublicIp = '' } = await ec2.send(new AllocateAddressCommand({}))
    const { NatGateway } = await ec2.send(
      new CreateNatGatewayCommand({ SubnetId: subnets[0]?.SubnetId, AllocationId }),
    )
    const NatGatewayId = NatGateway?.NatGatewayId
    await withTable(1, async (table) => {
      await route(table, '0.0.0.0/0', { NatGatewayId })
      expect(await seenAs(client)).toBe(PublicIp)
      expect(ping(client.netnsPath, HOST.ipv4)).toBe(true)
      const socket = udpSocket(client.netnsPath, client.ipv4, 0)
      ended.push(() => close(socket))
      send(socket, Buffer.from('echo'), HOST.ipv4, 7)
      expect(receive(socket, 300)?.toString()).toBe('echo')
      expect(fromInternet(PublicIp)).toBe('silent')
      expect(ping(internet, PublicIp)).toBe(false)
      await ec2.send(new DeleteNatGatewayCommand({ NatGatewayId }))
      expect(await seenAs(client)).toBe('silent')
    })
    await ec2.send(new ReleaseAddressCommand({ AllocationId }))
  })
})

// P239
test('no packet gets out of the lab: the host is in reach of neither the Internet nor the VPC', async () => {
  const client = await probe(0, { public: true })
  const host = { netns: '/proc/self/ns/net', address: '192.0.2.77' }
  ip('addr', 'add', `${host.address}/32`, 'dev', 'lo')
  try {
    expect(udp(host.netns, host, 6000), 'the host hears itself').toBe(true)
    expect([internet, client.netnsPath].map((from) => udp(from, host, 6000))).toEqual([
      false,
      false,
    ])
  } finally {
    ip('addr', 'del', `${host.address}/32`, 'dev', 'lo')
  }
})

test('packets over 1500 are told so on the way out, and fit when they come again', async () => {
  const client = await probe(0, { public: true, groupIds: undefined, groupNames: ['default'] })
  const mtu = () =>
    oracle('ip', '-n', client.netnsPath.replace('/run/netns/', ''), '-j', 'route', 'get', HOST.ipv4)
  const socket = udpSocket(client.netnsPath, client.ipv4, 0)
  ended.push(() => close(socket))
  const large = Buffer.alloc(3000, 'x')
  send(socket, large, HOST.ipv4, 7)
  expect(receive(socket, 300), 'the first is lost').toBeUndefined()
  expect(JSON.stringify(mtu())).toContain('1500')
  send(socket, large, HOST.ipv4, 7)
  expect(receive(socket, 500)?.length).toBe(3000)
})
