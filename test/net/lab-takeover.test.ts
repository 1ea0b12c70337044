// Goal: a lab that is killed takes nothing along: what it had said holds, connections between ENIs
// live on through it, and the next lab of its name goes on where it was. Method: real labs killed with
// SIGKILL, the SDK as client, sockets held by this process, iproute2 and nft as oracle.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import {
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateTagsCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeTagsCommand,
  type EC2Client,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { Caller } from './caller.ts'
import { asDescribed, asEnforced } from './fabric-oracle.ts'
import { ip, namespaces, oracle } from './fabric-rig.ts'
import { acceptTcp, close, connectTcp, listenTcp, receive, send, tcp } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

let lab: LabProcess
let ec2: EC2Client
let name: string
const guests: string[] = []

beforeEach(async () => {
  name = `t${randomBytes(3).toString('hex')}`
  lab = await startLab(name)
  ec2 = clientOf(lab)
})
afterEach(async () => {
  ec2.destroy()
  await lab.end()
  for (const guest of guests.splice(0)) if (namespaces().includes(guest)) ip('netns', 'del', guest)
  expect(leftovers(name)).toEqual([])
})

/** The next lab of the name, once this one is dead. */
async function again(...how: string[]): Promise<void> {
  ec2.destroy()
  lab = await startLab(name, 0, ...how)
  ec2 = clientOf(lab)
}

async function kill(): Promise<void> {
  expect(await lab.end('SIGKILL')).toBe('SIGKILL')
}

async function host() {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { InstanceId = '', SubnetId = '', VpcId = '' } = Reservations?.[0]?.Instances?.[0] ?? {}
  return { InstanceId, SubnetId, VpcId }
}

async function makeGroup(groupName: string): Promise<string> {
  const { VpcId } = await host()
  const wish = { GroupName: groupName, Description: 'x', VpcId }
  return (await ec2.send(new CreateSecurityGroupCommand(wish))).GroupId ?? ''
}

const allow = (GroupId: string, port: number, from: string) => ({
  GroupId,
  IpPermissions: [
    { IpProtocol: 'tcp', FromPort: port, ToPort: port, IpRanges: [{ CidrIp: `${from}/32` }] },
  ],
})

/** A task's ENI: attached, moved into a namespace of its own, configured there as an agent would. */
async function task(index: number, groupId: string) {
  const { InstanceId, SubnetId } = await host()
  const { NetworkInterface: eni } = await ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId, Groups: [groupId], Ipv6AddressCount: 1 }),
  )
  const { NetworkInterfaceId = '', MacAddress: mac = '', PrivateIpAddress: ipv4 = '' } = eni ?? {}
  const attach = { NetworkInterfaceId, InstanceId, DeviceIndex: index }
  await ec2.send(new AttachNetworkInterfaceCommand(attach))
  const netns = `${name}-g${index}`
  ip('netns', 'add', netns)
  guests.push(netns)
  const dev = String(onHost(mac)[0]?.ifname)
  ip('link', 'set', dev, 'netns', netns)
  ip('-n', netns, 'link', 'set', dev, 'name', 'eth0')
  ip('-n', netns, 'link', 'set', 'eth0', 'up')
  ip('-n', netns, 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0')
  ip('-n', netns, 'route', 'add', 'default', 'via', '10.0.0.1')
  const ifindex = () => oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')[0]?.ifindex
  return {
    eniId: NetworkInterfaceId,
    mac,
    ipv4,
    name: netns,
    netns: `/run/netns/${netns}`,
    ifindex,
  }
}

const onHost = (mac: string) => oracle('ip', '-j', 'link').filter((link) => link.address === mac)

async function everything() {
  const [enis, tags, instances] = await Promise.all([
    ec2.send(new DescribeNetworkInterfacesCommand({})),
    ec2.send(new DescribeTagsCommand({})),
    ec2.send(new DescribeInstancesCommand({})),
  ])
  const { $metadata: _, ...seen } = { ...enis, ...tags, ...instances }
  return seen
}

/** What travels on a connection from one end comes out of the other, both ways. */
function carries(a: number, b: number, words: string): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    send(from, Buffer.from(words))
    expect(receive(to, 3000)?.toString()).toBe(words)
  }
}

// P240
test('connections between ENIs live on while the lab is dead, and when the next one is up', async () => {
  const [servers, clients] = [await makeGroup('servers'), await makeGroup('clients')]
  const server = await task(1, servers)
  const client = await task(2, clients)
  const third = await task(3, clients)
  await ec2.send(
    new CreateTagsCommand({ Resources: [server.eniId], Tags: [{ Key: 'a', Value: 'b' }] }),
  )
  // One is tracked, because its rule goes while it runs.
  await ec2.send(new AuthorizeSecurityGroupIngressCommand(allow(servers, 80, client.ipv4)))
  await ec2.send(new AuthorizeSecurityGroupIngressCommand(allow(servers, 81, client.ipv4)))
  const listeners = [80, 81].map((port) => listenTcp(server.netns, server.ipv4, port))
  const pairs = listeners.map((listener, at) => {
    const { fd, answer } = connectTcp(client.netns, server.ipv4, 80 + at, 4000)
    expect(answer).toBe('open')
    return [fd, acceptTcp(listener)] as const
  })
  await ec2.send(new RevokeSecurityGroupIngressCommand(allow(servers, 81, client.ipv4)))
  const [before, indexes] = [await everything(), [server.ifindex(), client.ifindex()]]

  await kill()
  for (const [a, b] of pairs) carries(a, b, 'nobody is there')
  await again()
  for (const [a, b] of pairs) carries(a, b, 'and again')

  expect(lab.ready).toMatchObject({ tookOver: true, eniCount: 4 })
  expect(await everything()).toEqual(before)
  expect([server.ifindex(), client.ifindex()], 'adopted, not plugged anew').toEqual(indexes)
  expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
  // What is closed is closed, and rules are in force when the call returns, as ever.
  const reaches = () => tcp(third.netns, server.ipv4, 80)
  expect(reaches()).toBe('silent')
  await ec2.send(new AuthorizeSecurityGroupIngressCommand(allow(servers, 80, third.ipv4)))
  expect(connectTcp(third.netns, server.ipv4, 80, 4000).answer).toBe('open')
  expect(tcp(client.netns, server.ipv4, 81)).toBe('silent')
  for (const [a, b] of pairs) carries(a, b, 'to the end')
  for (const fd of [...listeners, ...pairs.flat()]) close(fd)
})

// P241
test('a lab killed at any instant has done every call that was answered, and no half of another', async () => {
  const { InstanceId, SubnetId, VpcId } = await host()
  const world = new Caller()
  await world.prepare(ec2, VpcId)
  const kills = 30
  for (let n = 0; n < kills; n++) {
    const dead = once(lab.child, 'exit')
    const timer = setTimeout(() => lab.child.kill('SIGKILL'), 5 + Math.random() * 60)
    await world.live(ec2, { InstanceId, SubnetId })
    clearTimeout(timer)
    await dead
    await again()
    expect(lab.ready.tookOver).toBe(true)
    await world.compare(ec2)
    expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
  }
  expect(world.answered, 'the kills met calls under way, not an idle lab').toBeGreaterThan(kills)
}, 240_000)

// P242
test('a card that moved is adopted where it is, and one whose namespace died meanwhile comes back', async () => {
  const groupId = await makeGroup('any')
  const [stays, dies] = [await task(1, groupId), await task(2, groupId)]
  const ifindex = stays.ifindex()
  await kill()
  ip('netns', 'del', dies.name)
  await again()
  expect(stays.ifindex()).toBe(ifindex)
  expect(onHost(stays.mac)).toEqual([])
  expect(onHost(dies.mac)).toMatchObject([{ mtu: 9001, operstate: 'DOWN' }])
  expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
})

// P242
test('when everything is gone, as after a reboot, what was attached is plugged into the host again', async () => {
  const groupId = await makeGroup('any')
  const { mac, name: guest } = await task(1, groupId)
  await lab.ask('POST', 'probes')
  const before = await everything()
  await kill()
  // A reboot of a lab's own: its namespaces, and those of its guests.
  for (const each of namespaces().filter((n) => n.startsWith(`enid-lab-${name}`))) {
    ip('netns', 'del', each)
  }
  ip('netns', 'del', guest)
  await again()
  expect(onHost(mac)).toMatchObject([{ mtu: 9001, operstate: 'DOWN' }])
  // A probe is its namespace: it goes, and its ENI with it.
  const { probes } = await lab.ask<{ probes: unknown[] }>('GET', 'status')
  expect(probes).toEqual([])
  const kept = (seen: typeof before) =>
    seen.NetworkInterfaces?.filter(({ RequesterManaged }) => RequesterManaged !== true)
  expect(kept(await everything())).toEqual(kept(before))
  expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
})

// P243
test('what was changed behind its back is put right, and of its tables nothing else is left', async () => {
  const groupId = await makeGroup('any')
  const { ipv4, ifindex } = await task(1, groupId)
  const index = ifindex()
  await kill()
  const netns = `enid-lab-${name}`
  const nft = (...args: string[]) => execFileSync('ip', ['netns', 'exec', netns, 'nft', ...args])
  nft('add', 'rule', 'inet', 'enid', 'ingress_gate', 'accept')
  nft('add', 'chain', 'inet', 'enid', 'foreign', '{ type filter hook forward priority 5; }')
  nft('add', 'element', 'inet', 'enid', `ipv4-of-${groupId}`, '{ 10.0.0.99 }')
  nft('flush', 'chain', 'inet', 'enid', 'egress_gate')
  ip('-n', netns, 'route', 'del', `${ipv4}/32`)
  const dev = oracle('ip', '-n', netns, '-j', 'link').find(({ ifalias }) => ifalias !== undefined)
  ip('-n', netns, 'route', 'add', '10.0.0.99/32', 'dev', String(dev?.ifname))
  ip('-n', netns, 'addr', 'add', '10.0.0.77/32', 'dev', 'lo')
  // A link that was plugged for a call that was never answered.
  const peer = ['peer', 'name', 'stray', 'netns', String(process.pid)]
  ip('-n', netns, 'link', 'add', 'stray', 'group', String(0xe1d), 'type', 'veth', ...peer)
  await again()
  expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
  expect(ifindex()).toBe(index)
  const rules = nft('list', 'ruleset').toString()
  expect(rules).not.toContain('foreign')
  // The same tables as those of a lab that was never killed.
  const other = await startLab(`${name}-b`)
  const others = oracle('ip', 'netns', 'exec', `enid-lab-${name}-b`, 'nft', '-j', 'list', 'chains')
  const mine = oracle('ip', 'netns', 'exec', netns, 'nft', '-j', 'list', 'chains')
  await other.end()
  expect(gates(mine)).toEqual(gates(others))
})

/** The chains on a hook that are no link's own. */
const gates = (listed: unknown): object[] =>
  (listed as { nftables: { chain?: Record<string, unknown> }[] }).nftables
    .flatMap(({ chain }) => (chain?.hook === undefined || chain.family === 'netdev' ? [] : [chain]))
    .map(({ handle: _, ...chain }) => chain)
    .sort((a, b) => String(a.name).localeCompare(String(b.name)))

// P244
test('probes and IMDS tokens hold on, and a command in a probe can still be ended', async () => {
  const probe = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'] })
  const { InstanceId } = await host()
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
  const given = await fetch(`${lab.endpoint}/latest/api/token`, { method: 'PUT', headers: ttl })
  const headers = { 'x-aws-ec2-metadata-token': await given.text() }
  const { endpoint } = lab
  await kill()
  await again()
  expect(lab.endpoint, 'the port is the one that was').toBe(endpoint)
  const answer = await fetch(`${lab.endpoint}/latest/meta-data/instance-id`, { headers })
  expect((await answer.text()).trim()).toBe(InstanceId)
  const { probes } = await lab.ask<{ probes: Probe[] }>('GET', 'status')
  expect(probes).toEqual([probe])
  await lab.ask('DELETE', `probes/${probe.probeId}`)
  expect(asEnforced(name)).toEqual(await asDescribed(name, ec2))
  expect(namespaces()).not.toContain(`enid-lab-${name}.${probe.name}`)
  // And a reset goes back to the first lab's fresh VPC, ids and all.
  await lab.ask('POST', 'reset')
  expect((await host()).InstanceId).toBe(InstanceId)
})

// P245
test('down with keep leaves the VPC running for the next lab, plain down forgets it', async () => {
  const groupId = await makeGroup('any')
  const { ifindex } = await task(1, groupId)
  const [before, index] = [await everything(), ifindex()]
  const exit = once(lab.child, 'exit')
  expect(await lab.ask('POST', 'down', { keep: true })).toEqual({ down: true, keep: true })
  expect((await exit)[0]).toBe(0)
  expect(namespaces()).toContain(`enid-lab-${name}`)
  await again()
  expect([lab.ready.tookOver, ifindex()]).toEqual([true, index])
  expect(await everything()).toEqual(before)
  expect(await lab.end()).toBe(0)
  expect(leftovers(name)).toEqual([])
  await again()
  expect(lab.ready).toMatchObject({ tookOver: false, eniCount: 1 })
})

// P215
// P245
test('fresh begins anew over what a killed lab left, and a start that fails leaves it as it is', async () => {
  const { mac, ifindex } = await task(1, await makeGroup('any'))
  const [{ InstanceId }, index] = [await host(), ifindex()]
  const { port } = new URL(lab.endpoint)
  await kill()
  const squatter = createServer().listen(Number(port), '127.0.0.1')
  await once(squatter, 'listening')
  await expect(startLab(name, Number(port))).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`)
  squatter.close()
  expect(ifindex()).toBe(index)
  await again('--fresh')
  expect(lab.ready).toMatchObject({ tookOver: false, eniCount: 1 })
  expect((await host()).InstanceId).not.toBe(InstanceId)
  expect(onHost(mac)).toEqual([])
  expect(oracle('ip', '-n', String(guests[0]), '-j', 'link').map(({ ifname }) => ifname)).toEqual([
    'lo',
  ])
})

// P246
test('a memory that cannot be read is refused with the remedy, and nothing of the VPC is touched', async () => {
  const { ifindex } = await task(1, await makeGroup('any'))
  const index = ifindex()
  await kill()
  const path = `/var/lib/enid-lab/${name}/world.db`
  const log = `${path}-wal`
  const [whole, latest] = [readFileSync(path), readFileSync(log)]
  const garbage = Buffer.concat([Buffer.from('SQLite format 3\0'), randomBytes(8192)])
  // The newest pages are in the log: a damaged file below a whole one is not even read.
  for (const [file, other] of [
    [log, path],
    [path, log],
  ] as const) {
    writeFileSync(file, garbage)
    if (file === path) rmSync(other)
    await expect(startLab(name)).rejects.toThrow(`enid lab --fresh --name ${name}`)
    expect(readFileSync(file), 'nothing was changed').toEqual(garbage)
    writeFileSync(path, whole)
    writeFileSync(log, latest)
  }
  expect(ifindex()).toBe(index)
  await again()
  expect([lab.ready.tookOver, ifindex()]).toEqual([true, index])
})

// P249
test('a host of the lab and what runs on it live on, and one whose namespace is gone is made again', async () => {
  type View = { name: string; instanceId: string; pid?: number; netns: string }
  const added = await lab.ask<View>('POST', 'hosts', { name: 'web' })
  const about = async (): Promise<View> => {
    const { hosts } = await lab.ask<{ hosts: View[] }>('GET', 'hosts')
    return hosts.find((host) => host.name === 'web') ?? added
  }
  const card = () =>
    oracle('ip', '-n', `enid-lab-${name}.host.web`, '-j', 'addr', 'show', 'eth0').map(
      ({ ifindex, address, addr_info: all }) => ({
        ifindex,
        address,
        locals: (all as { local: string }[]).map(({ local }) => local),
      }),
    )[0]
  const before = card()
  await kill()
  await again()
  expect(await about()).toMatchObject({ instanceId: added.instanceId, pid: added.pid })
  expect(card()).toEqual(before)
  expect(asEnforced(name)).toMatchObject({ links: [`enid-lab:${name}:${await primaryOf(added)}`] })
  await kill()
  process.kill(Number(added.pid), 'SIGKILL')
  ip('netns', 'del', `enid-lab-${name}.host.web`)
  await again()
  const now = await about()
  expect(now).toMatchObject({ instanceId: added.instanceId })
  expect(now.pid).not.toBe(added.pid)
  expect(card()).toMatchObject({ address: before?.address, locals: before?.locals })
}, 180_000)

async function primaryOf({ instanceId }: { instanceId: string }): Promise<string> {
  const Filters = [{ Name: 'attachment.instance-id', Values: [instanceId] }]
  const { NetworkInterfaces } = await ec2.send(new DescribeNetworkInterfacesCommand({ Filters }))
  return NetworkInterfaces?.[0]?.NetworkInterfaceId ?? ''
}
