// Goal: what EC2 calls say of prefixes, secondary addresses and IPv6-only subnets is what packets
// meet the moment the call is answered. Method: a lab as its users have it, the SDK as client; two
// ENIs attached to this host and moved into namespaces, which take all that is theirs for their own;
// probes as the others.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  AssignIpv6AddressesCommand,
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  DescribeInstancesCommand,
  type EC2Client,
  UnassignIpv6AddressesCommand,
  UnassignPrivateIpAddressesCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { ip, oracle } from './fabric-rig.ts'
import { close, connectTcp, listenTcp, receive, send, tcp, udpSocket } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const name = `t${randomBytes(3).toString('hex')}`
const listeners: number[] = []
let lab: LabProcess
let ec2: EC2Client
let vpcId: string
let groups: { pods: string; friends: string }
let friend: Probe
let stranger: Probe
let one: Host
let other: Host

/** An attached ENI in a namespace of its own. */
type Host = { eniId: string; netns: string; ipv4: string; prefixes: string[]; listener: number }

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { VpcId = '', InstanceId, SubnetId } = Reservations?.[0]?.Instances?.[0] ?? {}
  vpcId = VpcId
  groups = { pods: await makeGroup('pods'), friends: await makeGroup('friends') }
  await allow(groups.pods, groups.friends)
  await allow(groups.friends, groups.pods)
  friend = await lab.ask<Probe>('POST', 'probes', { groupIds: [groups.friends] })
  stranger = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'] })
  const make = (DeviceIndex: number) => attached(InstanceId, SubnetId, DeviceIndex)
  ;[one, other] = [await make(1), await make(2)]
})
afterAll(async () => {
  listeners.forEach(close)
  for (const { netns } of [one, other]) ip('netns', 'del', nameOf(netns))
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

const nameOf = (netns: string): string => netns.split('/').at(-1) ?? ''
const own = (verb: 'add' | 'del', { netns }: { netns: string }, block: string): void =>
  ip('-n', nameOf(netns), 'route', verb, 'local', block, 'dev', 'lo')

async function makeGroup(GroupName: string): Promise<string> {
  const group = { GroupName, Description: GroupName, VpcId: vpcId }
  return (await ec2.send(new CreateSecurityGroupCommand(group))).GroupId ?? ''
}

const allow = (GroupId: string, from: string) =>
  ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId,
      IpPermissions: [{ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: from }] }],
    }),
  )

/** Makes an ENI with a prefix of each version, attaches it, and configures what appears. */
async function attached(
  InstanceId: string | undefined,
  SubnetId: string | undefined,
  DeviceIndex: number,
): Promise<Host> {
  const { NetworkInterface: eni = {} } = await ec2.send(
    new CreateNetworkInterfaceCommand({
      SubnetId,
      Groups: [groups.pods],
      Ipv4PrefixCount: 1,
      Ipv6PrefixCount: 1,
    }),
  )
  const NetworkInterfaceId = eni.NetworkInterfaceId ?? ''
  await ec2.send(new AttachNetworkInterfaceCommand({ NetworkInterfaceId, InstanceId, DeviceIndex }))
  const link = oracle('ip', '-j', 'link').find(({ address }) => address === eni.MacAddress)
  const netns = `${name}-${DeviceIndex}`
  ip('netns', 'add', netns)
  const dev = String(link?.ifname)
  ip('link', 'set', dev, 'netns', netns)
  ip('-n', netns, 'link', 'set', 'lo', 'up')
  ip('-n', netns, 'link', 'set', dev, 'up')
  ip('-n', netns, 'addr', 'add', `${eni.PrivateIpAddress}/24`, 'dev', dev)
  ip('-n', netns, 'route', 'add', 'default', 'via', '10.0.0.1')
  ip('-n', netns, 'route', 'add', 'default', 'via', 'fe80::1', 'dev', dev)
  const prefixes = [eni.Ipv4Prefixes?.[0]?.Ipv4Prefix, eni.Ipv6Prefixes?.[0]?.Ipv6Prefix]
  const host = {
    eniId: NetworkInterfaceId,
    netns: `/run/netns/${netns}`,
    ipv4: eni.PrivateIpAddress ?? '',
    prefixes: prefixes.map(String),
    listener: listenTcp(`/run/netns/${netns}`, '::', 80), // Both versions.
  }
  for (const prefix of host.prefixes) own('add', host, prefix)
  listeners.push(host.listener)
  return host
}

/** An address of a prefix: the one so far from its start. */
const inside = (prefix: string, at: number): string => {
  const [base = ''] = prefix.split('/')
  if (base.includes(':')) return `${base.replace(/::$/, ':')}0:0:${at.toString(16)}`
  const parts = base.split('.')
  return [...parts.slice(0, 3), Number(parts[3]) + at].join('.')
}

/** What a new link's first packets meet, which may come again after a second. */
function first({ netnsPath }: Probe, address: string): string {
  const { fd, answer } = connectTcp(netnsPath, address, 80, 4000)
  close(fd)
  return answer
}

// P260
test('an address in a prefix is reached by who a group rule lets in, and by nobody else', () => {
  const addresses = one.prefixes.flatMap((prefix) => [0, 9, 15].map((at) => inside(prefix, at)))
  expect(addresses.map((address) => first(friend, address))).toEqual(addresses.map(() => 'open'))
  for (const address of addresses)
    expect(tcp(stranger.netnsPath, address, 80), address).toBe('silent')
})

// P261
test('who sends from its prefix is a member of its groups; another ENI cannot send from it', () => {
  const from = inside(one.prefixes[0] ?? '', 5)
  const says = (netns: string): string | undefined => {
    const ear = udpSocket(friend.netnsPath, friend.ipv4, 53)
    const mouth = udpSocket(netns, from, 0)
    send(mouth, Buffer.from(netns), friend.ipv4, 53)
    const heard = receive(ear)?.toString()
    close(ear)
    close(mouth)
    return heard
  }
  expect(says(one.netns)).toBe(one.netns)
  own('add', other, `${from}/32`)
  expect(says(other.netns)).toBeUndefined()
  own('del', other, `${from}/32`)
})

// P262
test('a prefix that is unassigned passes nothing when the call is answered, and one assigned does', async () => {
  const [Ipv4Prefix = '', Ipv6Prefix = ''] = one.prefixes
  const NetworkInterfaceId = one.eniId
  const verdicts = () => one.prefixes.map((prefix) => tcp(friend.netnsPath, inside(prefix, 7), 80))
  expect(verdicts()).toEqual(['open', 'open'])
  const prefixes4 = { NetworkInterfaceId, Ipv4Prefixes: [Ipv4Prefix] }
  await ec2.send(new UnassignPrivateIpAddressesCommand(prefixes4))
  expect(verdicts()).toEqual(['silent', 'open'])
  const prefixes6 = { NetworkInterfaceId, Ipv6Prefixes: [Ipv6Prefix] }
  await ec2.send(new UnassignIpv6AddressesCommand(prefixes6))
  expect(verdicts()).toEqual(['silent', 'silent'])
  expect(tcp(friend.netnsPath, one.ipv4, 80), 'its own address').toBe('open')
  await ec2.send(new AssignPrivateIpAddressesCommand(prefixes4))
  await ec2.send(new AssignIpv6AddressesCommand(prefixes6))
  expect(verdicts()).toEqual(['open', 'open'])
})

// P267
test('a secondary address is in force when the call is answered, leads where it was moved, and ends', async () => {
  const { AssignedPrivateIpAddresses } = await ec2.send(
    new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: one.eniId,
      SecondaryPrivateIpAddressCount: 1,
    }),
  )
  const address = AssignedPrivateIpAddresses?.[0]?.PrivateIpAddress ?? ''
  const PrivateIpAddresses = [address]
  for (const host of [one, other]) own('add', host, `${address}/32`)
  const ears = [one, other].map(({ netns }) => udpSocket(netns, address, 54))
  /** Who hears what is sent to the address. */
  const heardBy = (): string[] => {
    const mouth = udpSocket(friend.netnsPath, friend.ipv4, 0)
    send(mouth, Buffer.from('hello'), address, 54)
    close(mouth)
    return [one, other].filter((_, at) => receive(ears[at] ?? -1)).map(({ eniId }) => eniId)
  }
  expect(heardBy()).toEqual([one.eniId])
  await ec2.send(
    new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: other.eniId,
      PrivateIpAddresses,
      AllowReassignment: true,
    }),
  )
  expect(heardBy()).toEqual([other.eniId])
  await ec2.send(
    new UnassignPrivateIpAddressesCommand({
      NetworkInterfaceId: other.eniId,
      PrivateIpAddresses,
    }),
  )
  expect(heardBy()).toEqual([])
  ears.forEach(close)
})

// P269
test('an IPv6-only subnet speaks with the others by IPv6, both ways', async () => {
  const { Subnet } = await ec2.send(
    new CreateSubnetCommand({
      VpcId: vpcId,
      Ipv6Native: true,
      Ipv6CidrBlock: '2001:db8:1234:1a06::/64',
    }),
  )
  const wish = { subnetId: Subnet?.SubnetId, groupIds: [groups.pods] }
  const lone = await lab.ask<Probe>('POST', 'probes', wish)
  expect(lone).toMatchObject({ ipv4: '', ipv6: expect.stringMatching(/^2001:db8:1234:1a06::/) })
  listeners.push(listenTcp(lone.netnsPath, '::', 80), listenTcp(friend.netnsPath, '::', 80))
  expect(first(friend, lone.ipv6 ?? '')).toBe('open')
  expect(first(lone, friend.ipv6 ?? '')).toBe('open')
  expect(tcp(stranger.netnsPath, lone.ipv6 ?? '', 80)).toBe('silent')
  const routes = oracle('ip', '-n', nameOf(lone.netnsPath), '-j', '-4', 'route')
  expect(routes, 'no way by IPv4').toEqual([])
  // Its resolver is where it can ask it.
  const inside = (...command: string[]) => {
    const words = ['netns', 'exec', nameOf(lone.netnsPath), ...command]
    return execFileSync('ip', words, { encoding: 'utf8' })
  }
  expect(inside('cat', '/etc/resolv.conf')).toMatch(/^nameserver fd00:ec2::253$/m)
  const asked = `ip-${friend.ipv4.replaceAll('.', '-')}.us-west-2.compute.internal`
  expect(inside('busybox', 'nslookup', asked)).toContain(friend.ipv4)
})
