// Goal: a task in a subnet of IPv6 alone is a task like any other: packets both ways under its groups,
// IMDS out of reach, names and metadata that hold, drift put right, and all of it through a death of
// the agent. Method: agent, lab and Docker as users run them; the oracle is the lab's EC2, `ip`, `nft`
// and packets.

import {
  CreateSubnetCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

const ask = (url: string) => `/busybox timeout 3 /busybox wget -q -O - ${url} 2>&1 || echo silent`
const SERVE = 'mkdir /www; echo yes > /www/index.html; exec /busybox httpd -f -p [::]:80 -h /www'

let rig: Rig
let subnet6 = ''
let block6 = ''
let open = ''
let shut = ''
/** A dual-stack task that the others reach by IPv6. */
let peer = ''
let peerAddress = ''
let id = ''
let address = ''
let netns = ''

beforeAll(async () => {
  rig = await Rig.open()
  open = await rig.group('open', { port: 80, cidr6: '::/0', cidr: '0.0.0.0/0' })
  shut = await rig.group('shut')
  const first = new DescribeSubnetsCommand({ SubnetIds: [await rig.subnetId()] })
  const [home = {}] = (await rig.ec2.send(first)).Subnets ?? []
  const { VpcId, AvailabilityZone, Ipv6CidrBlockAssociationSet: sets = [] } = home
  block6 = (sets[0]?.Ipv6CidrBlock ?? '').replace(/..::\/64$/, 'f7::/64')
  const wish = { VpcId, AvailabilityZone, Ipv6Native: true, Ipv6CidrBlock: block6 }
  subnet6 = (await rig.ec2.send(new CreateSubnetCommand(wish))).Subnet?.SubnetId ?? ''
  await rig.define('web', SERVE)
  ;[peer = ''] = await rig.run('web', [open])
  peerAddress = fact(await rig.waitFor(peer, 'RUNNING'), 'ipv6Address')
  // The task tries from its very first instruction, and says what it found.
  const curious = [
    `echo v4: $(${ask('http://169.254.169.254/latest/meta-data/')})`,
    `echo v6: $(${ask('http://[fd00:ec2::254]/latest/meta-data/')})`,
    `echo peer: $(${ask(`http://[${peerAddress}]/`)})`,
    `echo own: $(${ask('$ECS_CONTAINER_METADATA_URI_V4')})`,
    'echo name: $(/busybox hostname)',
    `echo dns: $(/busybox nslookup localhost 2>&1)`,
  ]
  await rig.define('curious', `${curious.join('; ')}; ${SERVE}`)
  ;[id = ''] = await runIn([subnet6], 'curious')
  address = fact(await rig.waitFor(id, 'RUNNING'), 'ipv6Address')
  netns = await rig.netns(id)
}, 240_000)
afterAll(() => rig?.close())

async function runIn(
  subnets: string[],
  taskDefinition = 'web',
  tags: Record<string, string> = {},
  securityGroups = [open],
): Promise<string[]> {
  const { tasks = [] } = await rig.ecs.send(
    new RunTaskCommand({
      taskDefinition,
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups } },
    }),
  )
  return tasks.map(({ taskArn = '' }) => taskArn.split('/').at(-1) ?? '')
}

async function eni(eniId: string): Promise<NetworkInterface> {
  const asked = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] })
  return (await rig.ec2.send(asked)).NetworkInterfaces?.[0] ?? expect.fail(`no ${eniId}`)
}

/** What a program inside the VPC gets of a page. */
async function page(host: string): Promise<string> {
  const curl = ['curl', '-sS', '-g', '--max-time', '2', `http://${host}/`]
  return (await rig.enid('lab', 'exec', '--', ...curl)).stdout.trim()
}

const ip = (at: string, ...args: string[]) => must('nsenter', [`--net=${at}`, 'ip', ...args])

/** The card's addresses but the link's own, and its default routes, as `ip` shows them. */
async function shown(at = netns, card = 'eth0'): Promise<{ addresses: string[]; ways: string[] }> {
  type Address = { addr_info: { local: string; prefixlen: number; scope: string }[] }
  const seen = JSON.parse(await ip(at, '-j', 'addr', 'show', 'dev', card)) as Address[]
  const addresses = (seen[0]?.addr_info ?? []).filter(({ scope }) => scope !== 'link')
  const ways = await Promise.all(
    ['-4', '-6'].map(async (family) => {
      const routes = await ip(at, '-j', family, 'route', 'show', 'default', 'dev', card)
      return (JSON.parse(routes || '[]') as { gateway: string }[]).map(({ gateway }) => gateway)
    }),
  )
  return {
    addresses: addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ways: ways.flat(),
  }
}

/** How the task's card should stand. */
const whole = () => ({ addresses: [`${address}/128`], ways: ['fe80:ec2::1'] })

async function said(what: string): Promise<string> {
  const logs = async () => (await rig.enid('logs', id)).stdout
  await expect.poll(logs, { timeout: 30_000 }).toContain('dns:')
  return new RegExp(`${what}: (.*)`).exec((await logs()).replaceAll('\n', ' '))?.[1] ?? ''
}

// P540
test('its ENI has an IPv6 address and no IPv4, in EC2, in the namespace and in every answer', async () => {
  const task = await rig.task(id)
  const { PrivateIpAddress, PrivateIpAddresses, Ipv6Addresses, SubnetId, PrivateDnsName } =
    await eni(fact(task, 'networkInterfaceId'))
  expect([PrivateIpAddress, PrivateIpAddresses ?? [], PrivateDnsName]).toEqual([
    undefined,
    [],
    undefined,
  ])
  expect([SubnetId, Ipv6Addresses?.map((one) => one.Ipv6Address)]).toEqual([subnet6, [address]])
  expect(await shown()).toEqual(whole())
  const details = task.attachments?.[0]?.details?.map(({ name }) => name)
  expect(details).toEqual(['subnetId', 'networkInterfaceId', 'macAddress', 'ipv6Address'])
  expect(task.containers?.[0]?.networkInterfaces).toEqual([
    { attachmentId: task.attachments?.[0]?.id, ipv6Address: address },
  ])
  expect((await rig.enid('describe', id)).stdout).toMatch(new RegExp(`address +${address}\n`))
  for (const command of [['ps'], ['lab', 'show']]) {
    expect((await rig.enid(...command)).stdout).toContain(address)
  }
})

// P541
test('packets flow both ways, and its groups decide, live', async () => {
  await expect.poll(() => page(`[${address}]`), { timeout: 10_000 }).toBe('yes')
  expect(await said('peer')).toMatch(/^yes/)
  expect((await rig.enid('groups', id, shut)).code).toBe(0)
  expect(await page(`[${address}]`), 'shut').toBe('')
  expect((await rig.enid('groups', id, open)).code).toBe(0)
  expect(await page(`[${address}]`), 'open again').toBe('yes')
}, 180_000)

// P541
test('IMDS is out of its reach on both versions, and the block stands on its card', async () => {
  for (const version of ['v4', 'v6']) {
    // A refusal (401) would be an answer.
    const [what = ''] = (await said(version)).split(/ (?:v6|peer): /)
    expect(what).toMatch(/silent$/)
    expect(what).not.toMatch(/HTTP|server/)
  }
  const rules = await must('nsenter', [`--net=${netns}`, 'nft', 'list', 'ruleset'])
  expect(rules).toContain('hook egress device "eth0"')
  // What is not a task is answered there, so the silence was the block.
  const token = ['-X', 'PUT', '--header', 'X-aws-ec2-metadata-token-ttl-seconds: 60']
  const url = 'http://[fd00:ec2::254]/latest/api/token'
  const probe = [
    'lab',
    'exec',
    '--subnet',
    subnet6,
    '--',
    'curl',
    '-sS',
    '-g',
    '-m',
    '3',
    ...token,
    url,
  ]
  expect((await rig.enid(...probe)).stdout.trim()).not.toBe('')
})

// P542
test('it knows its own name, asks the resolver by IPv6, and is told of itself', async () => {
  const eniId = fact(await rig.task(id), 'networkInterfaceId')
  const name = `${eniId}.us-west-2.compute.internal`
  expect(await said('name')).toMatch(new RegExp(`^${name}`))
  const app = await rig.containerId(id, 'container:app')
  const hosts = await must('docker', [
    'exec',
    app,
    '/busybox',
    'cat',
    '/etc/hosts',
    '/etc/resolv.conf',
  ])
  expect(hosts.split('\n')).toEqual(
    expect.arrayContaining([`${address}\t${name}`, 'nameserver fd00:ec2::253']),
  )
  expect(await said('dns')).toMatch(/fd00:ec2::253/)
  // By a name of the VPC: the dual-stack task's, whose address is of the other version.
  const other = fact(await rig.task(peer), 'privateDnsName')
  const found = await must('docker', ['exec', app, '/busybox', 'nslookup', other])
  expect(found).toContain(fact(await rig.task(peer), 'privateIPv4Address'))
  const own = JSON.parse(await said('own').then((text) => text.replace(/ name: .*/, '')))
  expect(own.Networks).toEqual([
    {
      NetworkMode: 'awsvpc',
      IPv6Addresses: [address],
      AttachmentIndex: 0,
      MACAddress: fact(await rig.task(id), 'macAddress'),
      IPv6SubnetCIDRBlock: block6,
      DomainNameServers: ['fd00:ec2::253'],
      DomainNameSearchList: ['us-west-2.compute.internal'],
      SubnetGatewayIpv6Address: block6.replace('::/64', '::1/64'),
      NetworkInterfaceId: eniId,
      SecurityGroupIds: [open],
    },
  ])
})

// P544
test('it outlives a death of the agent, and what is done to its card is put right', async () => {
  const before = [await rig.containers(), (await rig.task(id)).startedAt]
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  await expect.poll(() => rig.task(id).then((task) => task.lastStatus)).toBe('RUNNING')
  expect(await shown()).toEqual(whole())
  for (const harm of [
    ['addr', 'del', `${address}/128`, 'dev', 'eth0'],
    ['-6', 'route', 'del', 'default'],
    ['addr', 'add', '10.9.9.9/24', 'dev', 'eth0'],
  ]) {
    await ip(netns, ...harm)
    await expect.poll(() => shown(), { timeout: 10_000, message: harm.join(' ') }).toEqual(whole())
  }
  expect(await page(`[${address}]`)).toBe('yes')
  expect([await rig.containers(), (await rig.task(id)).startedAt]).toEqual(before)
}, 90_000)

// P545
test('an address that was chosen is given there, and a public IPv4 one is refused by name', async () => {
  const wish = block6.replace('::/64', '::7:77')
  const [fixed = ''] = await runIn([subnet6], 'web', { 'enid:ipv6': wish })
  const task = await rig.waitFor(fixed, 'RUNNING')
  expect(fact(task, 'ipv6Address')).toBe(wish)
  await expect.poll(() => page(`[${wish}]`), { timeout: 10_000 }).toBe('yes')
  await rig.stopAndWait(fixed)
  const enis = await rig.enis()
  await expect(runIn([subnet6], 'web', { 'enid:publicIp': 'new' })).rejects.toThrow(
    /PublicIpWithoutIpv4: subnet-\w+ has IPv6 alone/,
  )
  await expect(runIn([subnet6], 'web', { 'enid:privateIpv4': '10.0.0.9' })).rejects.toThrow(
    /AddressNotInSubnet/,
  )
  expect(await rig.enis()).toEqual(enis)
}, 90_000)

// P545
test('beside a dual-stack subnet it is the second choice, and both may be ENIs of one task', async () => {
  const tags = { 'enid:eni:1': `${subnet6} ${open}` }
  const [both = ''] = await runIn([subnet6, await rig.subnetId()], 'web', tags)
  const task = await rig.waitFor(both, 'RUNNING')
  const names = (n: number) => task.attachments?.[n]?.details?.map(({ name }) => name)
  expect(fact(task, 'subnetId')).toBe(await rig.subnetId())
  expect(names(0)).toContain('privateIPv4Address')
  expect(names(1)).toEqual(['subnetId', 'networkInterfaceId', 'macAddress', 'ipv6Address'])
  const six =
    task.attachments?.[1]?.details?.find(({ name }) => name === 'ipv6Address')?.value ?? ''
  const at = await rig.netns(both)
  expect(await shown(at, 'eth1')).toEqual({ addresses: [`${six}/128`], ways: [] })
  const rules = JSON.parse(await ip(at, '-j', '-4', 'rule')) as { table: string }[]
  expect(rules.filter(({ table }) => table === '101')).toEqual([])
  for (const host of [six, fact(task, 'ipv6Address')]) {
    await expect.poll(() => page(`[${host}]`), { timeout: 10_000 }).toBe('yes')
  }
  await rig.stopAndWait(both)
}, 90_000)

// P545
test('with a first ENI of IPv6 alone, a further one answers by IPv4 from its own table', async () => {
  const tags = { 'enid:eni:1': `${await rig.subnetId()} ${open}` }
  const [both = ''] = await runIn([subnet6], 'web', tags)
  const task = await rig.waitFor(both, 'RUNNING')
  const four = task.attachments?.[1]?.details?.find(({ name }) => name === 'privateIPv4Address')
  const at = await rig.netns(both)
  expect((await shown(at)).ways).toEqual(['fe80:ec2::1'])
  expect((await shown(at, 'eth1')).ways).toEqual([])
  const six = fact(task, 'ipv6Address')
  await expect.poll(() => page(`[${six}]`), { timeout: 10_000 }).toBe('yes')
  await expect.poll(() => page(four?.value ?? ''), { timeout: 10_000 }).toBe('yes')
  // From another subnet, too: by the way out of its own card.
  const { Subnets = [] } = await rig.ec2.send(new DescribeSubnetsCommand({}))
  const far =
    Subnets.find(({ AvailabilityZone }) => AvailabilityZone?.endsWith('b'))?.SubnetId ?? ''
  const curl = ['curl', '-sS', '--max-time', '2', `http://${four?.value}/`]
  expect((await rig.enid('lab', 'exec', '--subnet', far, '--', ...curl)).stdout.trim()).toBe('yes')
  await rig.stopAndWait(both)
}, 90_000)

test('nothing is left', async () => {
  await rig.stopAndWait(id, peer)
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 90_000)
