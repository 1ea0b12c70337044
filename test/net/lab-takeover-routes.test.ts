// Goal: a lab that is killed takes no way out of the VPC along: what goes through gateways, NAT and
// appliances goes on, what no route leads anywhere stays in, and the next lab of its name has the
// same routes. Method: real labs killed with SIGKILL, sockets held by this process, streams that nft
// counts where they are sent and where they arrive; iproute2 and nft as oracle.

import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNatGatewayCommand,
  CreateNetworkInterfaceCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  DeleteRouteCommand,
  DeleteRouteTableCommand,
  DeleteSubnetCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeNatGatewaysCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  type EC2Client,
  ModifyNetworkInterfaceAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { asDescribed, asEnforced } from './fabric-oracle.ts'
import { ip, namespaces, oracle } from './fabric-rig.ts'
import { acceptTcp, close, connectTcp, listenTcp, receive, send, tcp } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const script = new URL('./stream.ts', import.meta.url).pathname
const HOST = '203.0.113.10'
/** On the Internet as well, but by a route of the VPC's that has lost its target. */
const LOST = '203.0.113.65'

let name: string
let lab: LabProcess
let ec2: EC2Client
let net: Awaited<ReturnType<typeof build>>
const fds: number[] = []

beforeEach(async () => {
  name = `t${randomBytes(3).toString('hex')}`
  lab = await startLab(name)
  ec2 = clientOf(lab)
  net = await build()
}, 180_000)
afterEach(async () => {
  fds.splice(0).forEach(close)
  ec2.destroy()
  await lab.end()
  for (const each of namespaces().filter((n) => n.startsWith(name))) ip('netns', 'del', each)
  expect(leftovers(name)).toEqual([])
})

async function kill(): Promise<void> {
  expect(await lab.end('SIGKILL')).toBe('SIGKILL')
}

async function again(): Promise<void> {
  ec2.destroy()
  lab = await startLab(name)
  ec2 = clientOf(lab)
  expect(lab.ready.tookOver).toBe(true)
}

const beside = (what: string) => `enid-lab-${name}.${what}`
const inside = (netns: string, ...args: string[]) =>
  execFileSync('ip', ['netns', 'exec', netns, ...args]).toString()

/**
 * Subnets a (to the Internet), b (out by a NAT gateway in a) and c, which reaches a by an appliance in
 * d, and a it. A table and a subnet that came first are gone again, so that numbers have gaps.
 */
async function build() {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const host = Reservations?.[0]?.Instances?.[0]
  const VpcId = host?.VpcId
  const { GroupId = '' } = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName: 'open', Description: 'x', VpcId }),
  )
  const IpPermissions = [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }]
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }))
  const { InternetGateways } = await ec2.send(new DescribeInternetGatewaysCommand({}))
  const GatewayId = InternetGateways?.[0]?.InternetGatewayId

  const subnet = async (third: number) => {
    const place = { VpcId, AvailabilityZone: host?.Placement?.AvailabilityZone }
    const CidrBlock = `10.0.${third}.0/24`
    const made = await ec2.send(new CreateSubnetCommand({ ...place, CidrBlock }))
    return made.Subnet?.SubnetId ?? ''
  }
  const table = async (SubnetId?: string) => {
    const made = await ec2.send(new CreateRouteTableCommand({ VpcId }))
    const RouteTableId = made.RouteTable?.RouteTableId ?? ''
    if (SubnetId) await ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }))
    return RouteTableId
  }
  const eni = async (SubnetId: string) => {
    const wish = { SubnetId, Groups: [GroupId] }
    const { NetworkInterface } = await ec2.send(new CreateNetworkInterfaceCommand(wish))
    return NetworkInterface ?? {}
  }
  const probe = (subnetId: string, isPublic = false) =>
    lab.ask<Probe>('POST', 'probes', { subnetId, groupIds: [GroupId], public: isPublic })

  const [firstTable, firstSubnet] = [await table(), await subnet(100)]
  const [a, b, c, d] = [await subnet(101), await subnet(102), await subnet(103), await subnet(104)]
  const [ofA, ofB, ofC] = [await table(a), await table(b), await table(c)]
  await ec2.send(new DeleteRouteTableCommand({ RouteTableId: firstTable }))

  const { AllocationId, PublicIp: natIp = '' } = await ec2.send(new AllocateAddressCommand({}))
  const { NatGateway } = await ec2.send(new CreateNatGatewayCommand({ SubnetId: a, AllocationId }))
  const { NetworkInterfaceId: lost } = await eni(d)
  const { NetworkInterfaceId: boxId = '', MacAddress, PrivateIpAddress } = await eni(d)
  const attach = { NetworkInterfaceId: boxId, InstanceId: host?.InstanceId, DeviceIndex: 1 }
  await ec2.send(new AttachNetworkInterfaceCommand(attach))
  await ec2.send(
    new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: boxId,
      SourceDestCheck: { Value: false },
    }),
  )
  await ec2.send(new DeleteSubnetCommand({ SubnetId: firstSubnet }))
  const box = `${name}-box`
  ip('netns', 'add', box)
  const link = oracle('ip', '-j', 'link').find(({ address }) => address === MacAddress)
  ip('link', 'set', String(link?.ifname), 'netns', box, 'name', 'eth0')
  ip('-n', box, 'link', 'set', 'eth0', 'up')
  ip('-n', box, 'addr', 'add', `${PrivateIpAddress}/24`, 'dev', 'eth0')
  ip('-n', box, 'route', 'add', 'default', 'via', '10.0.104.1')
  inside(box, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.send_redirects=0')
  inside(box, 'sysctl', '-qw', 'net.ipv4.conf.eth0.send_redirects=0')

  const add = (RouteTableId: string, DestinationCidrBlock: string, to: object) =>
    ec2.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock, ...to }))
  await add(ofA, '0.0.0.0/0', { GatewayId })
  await add(ofA, '203.0.113.64/26', { NetworkInterfaceId: lost }) // Attached to nothing.
  await add(ofA, '10.0.103.0/24', { NetworkInterfaceId: boxId })
  await add(ofB, '0.0.0.0/0', { NatGatewayId: NatGateway?.NatGatewayId })
  await add(ofC, '10.0.101.0/24', { NetworkInterfaceId: boxId })

  const [open, behind, server] = [await probe(a, true), await probe(b), await probe(c)]
  const { internet } = await lab.ask<{ internet: { netnsPath: string } }>('GET', 'status')
  ip('-n', beside('internet'), 'addr', 'add', `${LOST}/32`, 'dev', 'eth0')
  await up(box, ...[open, behind, server].map(({ netnsPath }) => shortOf(netnsPath)))
  const nat = { ip: natIp, netns: beside(NatGateway?.NatGatewayId ?? '') }
  return { tables: { ofA, ofB, ofC }, open, behind, server, box, GatewayId, nat, internet }
}

const shortOf = (path: string) => path.replace('/run/netns/', '')

/** Waits for links: until they are up the kernel drops what is sent on them. */
async function up(...all: string[]): Promise<void> {
  for (const netns of all) {
    const isUp = () =>
      oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')[0]?.operstate === 'UP'
    for (let tries = 0; !isUp() && tries < 60; tries++) await sleep(50)
    expect(isUp(), `the link in ${netns} comes up`).toBe(true)
  }
}

/** A TCP connection that stays: both its ends. */
function connection(from: Probe, to: { netnsPath: string; ipv4: string }, port: number) {
  const listener = listenTcp(to.netnsPath, to.ipv4, port)
  const { fd, answer } = connectTcp(from.netnsPath, to.ipv4, port, 4000)
  fds.push(listener, fd)
  expect(answer).toBe('open')
  const accepted = acceptTcp(listener)
  fds.push(accepted)
  return [fd, accepted] as const
}

/** What travels on a connection from one end comes out of the other, both ways. */
function carries(pairs: readonly (readonly [number, number])[], words: string): void {
  for (const [a, b] of pairs) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      send(from, Buffer.from(words))
      expect(receive(to, 3000)?.toString()).toBe(words)
    }
  }
}

async function described() {
  const all = await Promise.all([
    ec2.send(new DescribeRouteTablesCommand({})),
    ec2.send(new DescribeNatGatewaysCommand({})),
    ec2.send(new DescribeAddressesCommand({})),
    ec2.send(new DescribeInternetGatewaysCommand({})),
    ec2.send(new DescribeNetworkInterfacesCommand({})),
  ])
  return all.map(({ $metadata: _, ...seen }) => seen)
}

/** Where each subnet's packets are led, whatever the kernel's numbers for it are, and all else. */
function routing() {
  const netns = `enid-lab-${name}`
  const versions = ['-4', '-6'] as const
  const rules = versions.map((v) => oracle('ip', '-n', netns, v, '-j', 'rule'))
  const routes = versions.map((v) =>
    oracle('ip', '-n', netns, v, '-j', 'route', 'show', 'table', 'all').filter(
      ({ protocol }) => protocol === 'static',
    ),
  )
  const inTable = (at: number, table: unknown) =>
    (routes[at] ?? [])
      .filter((route) => route.table === table)
      .map(({ type, dst, dev, gateway, via }) => JSON.stringify({ type, dst, dev, gateway, via }))
      .sort()
  const chains = [...nft(netns).matchAll(/chain route-(\S+) \{\s*meta mark set (\S+)/g)]
  return {
    subnets: Object.fromEntries(
      chains.map(([, subnet, mark]) => [
        subnet,
        versions.map((_, at) =>
          (rules[at] ?? [])
            .filter(({ fwmark }) => Number(fwmark) === Number(mark))
            .map(({ table }) => inTable(at, table)),
        ),
      ]),
    ),
    rules: rules.map((all) => all.length),
    routes: routes.map((all) => all.length),
    // Zones go by numbers that must not change: flows are found by them.
    hops: ['hop_from_appliance', 'hop_to_appliance'].map((chain) =>
      inside(netns, 'nft', 'list', 'chain', 'inet', 'enid', chain).split('\n').sort(),
    ),
    edge: nft(beside('edge')).split('\n').sort(),
    nat: nft(net.nat.netns).split('\n').sort(),
    outside: ['edge', 'internet'].map((each) => [
      oracle('ip', '-n', beside(each), '-j', 'link').map(({ ifindex, address }) => ({
        ifindex,
        address,
      })),
      oracle('ip', '-n', beside(each), '-j', 'rule'),
    ]),
  }
}

const nft = (netns: string) => inside(netns, 'nft', 'list', 'ruleset')

/** Counts datagrams to port 8000: those that are sent here, or those that come to the Internet. */
function count(netns: string, hook: 'output' | 'prerouting', ...which: string[][]): void {
  inside(netns, 'nft', 'add', 'table', 'inet', 'count')
  const base = `{ type filter hook ${hook} priority -400; }`
  inside(netns, 'nft', 'add', 'chain', 'inet', 'count', 'seen', base)
  const rule = ['nft', 'add', 'rule', 'inet', 'count', 'seen', 'udp', 'dport', '8000']
  for (const each of which) inside(netns, ...rule, ...each, 'counter')
  if (hook === 'prerouting') inside(netns, ...rule, 'drop')
}

const counted = (netns: string): number[] =>
  [
    ...inside(netns, 'nft', 'list', 'table', 'inet', 'count').matchAll(/counter packets (\d+)/g),
  ].map(([, packets]) => Number(packets))

async function stream(netns: string, address: string) {
  const run = ['netns', 'exec', netns, process.execPath, script, address, '8000']
  const child = spawn('ip', run, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return async () => {
    child.kill('SIGTERM')
    await once(child, 'close')
  }
}

// P227
test('flows through gateways, NAT and appliances live on while the lab is dead, and routes are as they were', async () => {
  const { tables, open, behind, server, internet, GatewayId } = net
  const host = { netnsPath: internet.netnsPath, ipv4: HOST }
  const pairs = [
    connection(open, host, 9000),
    connection(behind, host, 9001),
    connection(open, server, 9002),
  ]
  const [before, was] = [await described(), routing()]
  for (let takeover = 0; takeover < 2; takeover++) {
    await kill()
    carries(pairs, 'nobody is there')
    await again()
    carries(pairs, 'and again')
    expect(await described()).toEqual(before)
    expect(routing()).toEqual(was)
    expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
  }
  const reaches = () => [HOST, LOST].map((address) => tcp(open.netnsPath, address, 80))
  expect(reaches()).toEqual(['open', 'silent'])
  const lost = { RouteTableId: tables.ofA, DestinationCidrBlock: '203.0.113.64/26' }
  await ec2.send(new DeleteRouteCommand(lost))
  expect(reaches()).toEqual(['open', 'refused'])
  const all = { RouteTableId: tables.ofA, DestinationCidrBlock: '0.0.0.0/0' }
  await ec2.send(new DeleteRouteCommand(all))
  expect(reaches()).toEqual(['silent', 'silent'])
  await ec2.send(new CreateRouteCommand({ ...all, GatewayId }))
  expect(reaches()).toEqual(['open', 'refused'])
  carries(pairs, 'to the end')
}, 120_000)

// P228
test('while ways are taken over no datagram is lost that a route leads, and none gets out that no route does', async () => {
  const { open, behind, nat } = net
  const at = beside('internet')
  const [opens, behinds] = [open, behind].map(({ netnsPath }) => shortOf(netnsPath))
  const [a = '', b = '', eip = ''] = [opens, behinds, open.publicIp]
  count(a, 'output', ['ip', 'daddr', HOST], ['ip', 'daddr', LOST])
  count(b, 'output', ['ip', 'daddr', HOST])
  const from = (address: string) => ['ip', 'saddr', address, 'ip', 'daddr', HOST]
  count(at, 'prerouting', from(eip), from(nat.ip), ['ip', 'daddr', LOST], [])
  const ends = [await stream(a, HOST), await stream(b, HOST), await stream(a, LOST)]
  for (let takeover = 0; takeover < 2; takeover++) {
    await kill()
    await again()
  }
  for (const end of ends) await end()
  await sleep(200)
  const [[sentA = 0, sentLost = 0], [sentB = 0]] = [counted(a), counted(b)]
  expect(counted(at)).toEqual([sentA, sentB, 0, sentA + sentB])
  expect(Math.min(sentA, sentB, sentLost)).toBeGreaterThan(1000)
}, 120_000)

// P229
test('ways that were changed behind its back are put right, and a translation that no call made is cut', async () => {
  const was = routing()
  await kill()
  const netns = `enid-lab-${name}`
  const { open, behind, nat, internet } = net
  const edge = beside('edge')
  const element = (verb: string, set: string, elem: string) =>
    inside(edge, 'nft', verb, 'element', 'inet', 'enid', set, `{ ${elem} }`)
  const wrong = '198.51.100.99'
  element('add', 'known', wrong)
  element('add', 'private_of', `${wrong} : ${open.ipv4}`)
  element('delete', 'public_of', open.ipv4)
  element('add', 'public_of', `${open.ipv4} : ${wrong}`)
  const host = { netnsPath: internet.netnsPath, ipv4: HOST }
  const [mine, theirs] = connection(open, host, 9003)
  inside(edge, 'nft', 'insert', 'rule', 'inet', 'enid', 'forward', 'accept')
  inside(nat.netns, 'nft', 'flush', 'chain', 'inet', 'enid', 'leaving')
  const [marked] = oracle('ip', '-n', netns, '-j', 'rule').filter(({ fwmark }) => fwmark)
  ip('-n', netns, 'route', 'flush', 'table', String(marked?.table))
  ip('-n', netns, 'rule', 'add', 'pref', '5', 'table', '777')
  ip('-n', netns, 'route', 'add', 'default', 'dev', 'noroute', 'table', '777', 'proto', 'static')
  ip('-n', edge, 'route', 'del', 'default')
  await again()
  expect(routing()).toEqual(was)
  send(mine, Buffer.from('as another'))
  expect(receive(theirs, 500)).toBeUndefined()
  expect(tcp(open.netnsPath, HOST, 80)).toBe('open')
  expect(tcp(behind.netnsPath, HOST, 80)).toBe('open')
})

// P229
test('an edge or a NAT gateway that is gone is made again: only what went through it is cut', async () => {
  const { open, behind, server, nat } = net
  const within = [connection(open, server, 9002)]
  await kill()
  ip('netns', 'del', beside('edge'))
  ip('netns', 'del', nat.netns)
  await again()
  carries(within, 'within the VPC')
  expect(tcp(open.netnsPath, HOST, 80)).toBe('open')
  expect(tcp(behind.netnsPath, HOST, 80)).toBe('open')
  expect(tcp(open.netnsPath, LOST, 80)).toBe('silent')
  expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
})
