// Goal: a guest finds what EC2 gives it: names at the resolver, its lease by DHCP, its metadata as far
// as the hop limit lets it travel. Method: a lab as its users have it; busybox's nslookup and udhcpc
// and curl inside the VPC, none of which knows our code.

import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  AssociateDhcpOptionsCommand,
  AttachNetworkInterfaceCommand,
  CreateDhcpOptionsCommand,
  CreateNetworkAclCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  type EC2Client,
  ModifyInstanceMetadataOptionsCommand,
  type ModifyInstanceMetadataOptionsCommandInput,
  ModifyPrivateDnsNameOptionsCommand,
  ModifyVpcAttributeCommand,
  ReplaceNetworkAclAssociationCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { datagram, frame, ip, oracle } from './fabric-rig.ts'
import {
  close,
  connectTcp,
  hears,
  packetSocket,
  receive,
  send,
  tcp,
  udpSocket,
} from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const run = promisify(execFile)
const name = `t${randomBytes(3).toString('hex')}`
const RESOLVERS = ['10.0.0.2', '169.254.169.253', 'fd00:ec2::253']
const folder = mkdtempSync(join(tmpdir(), 'enid-names-'))
let lab: LabProcess
let ec2: EC2Client
let host: { InstanceId: string; VpcId: string; SubnetId: string }
let probe: Probe

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { InstanceId = '', VpcId = '', SubnetId = '' } = Reservations?.[0]?.Instances?.[0] ?? {}
  host = { InstanceId, VpcId, SubnetId }
  probe = await lab.ask<Probe>('POST', 'probes')
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

const named = ({ netnsPath }: { netnsPath: string }): string => netnsPath.split('/').at(-1) ?? ''

/** What a program in a namespace says, whatever it ends with. */
async function inside(netns: string, program: string, ...args: string[]): Promise<string> {
  const all = ['netns', 'exec', netns, program, ...args]
  return run('ip', all, { timeout: 20_000 }).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  )
}

/** busybox's nslookup: the addresses or names it was told, or why none. */
async function resolve(
  netns: string,
  asked: string,
  { type, server = '10.0.0.2' }: { type?: string; server?: string } = {},
): Promise<string[]> {
  const said = await inside(
    netns,
    'busybox',
    'nslookup',
    ...(type === undefined ? [] : [`-type=${type}`]),
    asked,
    server,
  )
  const answer = said.slice(said.indexOf('\n\n')) // After the lines about the server.
  const found = [...answer.matchAll(/(?:^Address: |name = )(\S+)$/gm)].map(([, text = '']) => text)
  const reason = /NXDOMAIN|SERVFAIL|timed out/.exec(said)?.[0]
  return reason === undefined ? found : [reason]
}

const nameOf = (ipv4: string) => `ip-${ipv4.replaceAll('.', '-')}.us-west-2.compute.internal`

/** A question for an A record, as bytes made by hand. */
function question(id: number, asked: string): Buffer {
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  const labels = asked.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]))
  return Buffer.concat([head, ...labels, Buffer.of(0, 0, 1, 0, 1)])
}

/** The answer to a question that is sent once from a guest, or undefined for silence. */
function answerTo(from: { netnsPath: string }, server: string, asked: string): Buffer | undefined {
  const fd = udpSocket(from.netnsPath, server.includes(':') ? '::' : '0.0.0.0', 0)
  send(fd, question(7, asked), server, 53)
  const answer = receive(fd, 500)
  close(fd)
  return answer
}

/** What TCP meets from a probe that is new: its link may lose a first packet, which comes again in 1 s. */
function first({ netnsPath }: Probe, address: string, port: number): string {
  const { fd, answer } = connectTcp(netnsPath, address, port, 4000)
  close(fd)
  return answer
}

const bytesOfAddress = (ipv4: string): Buffer => Buffer.from(ipv4.split('.').map(Number))

describe('the resolver', () => {
  // P250
  test.each(RESOLVERS)(
    'at %s tells the name of an address, and the address of a name',
    async (server) => {
      const at = { server, type: 'a' }
      const [netns, asked] = [named(probe), nameOf(probe.ipv4)]
      expect(await resolve(netns, asked, at)).toEqual([probe.ipv4])
      expect(await resolve(netns, probe.ipv4, { server })).toEqual([asked])
      expect(await resolve(netns, nameOf('10.0.0.99'), at)).toEqual(['NXDOMAIN'])
    },
  )

  // P250
  test('knows every address of an ENI by the name that the API gives it', async () => {
    await ec2.send(
      new CreateNetworkInterfaceCommand({
        SubnetId: host.SubnetId,
        SecondaryPrivateIpAddressCount: 2,
      }),
    )
    const { NetworkInterfaces = [] } = await ec2.send(new DescribeNetworkInterfacesCommand({}))
    const all = NetworkInterfaces.flatMap((eni) => eni.PrivateIpAddresses ?? [])
    expect(all.length).toBeGreaterThan(4)
    for (const { PrivateDnsName = '', PrivateIpAddress = '' } of all) {
      expect(await resolve(named(probe), PrivateDnsName, { type: 'a' })).toEqual([PrivateIpAddress])
    }
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
    const { PrivateDnsName = '', PrivateIpAddress } = Reservations?.[0]?.Instances?.[0] ?? {}
    expect(await loopback('local-hostname')).toBe(PrivateDnsName)
    expect(await loopback('local-ipv4')).toBe(PrivateIpAddress)
    expect(await resolve(named(probe), PrivateDnsName, { type: 'a' })).toEqual([PrivateIpAddress])
  })

  test('knows an instance by its id where its options say so', async () => {
    const asked = `${host.InstanceId}.us-west-2.compute.internal`
    const ask = () => resolve(named(probe), asked, { type: 'a' })
    expect(await ask()).toEqual(['NXDOMAIN'])
    await ec2.send(
      new ModifyPrivateDnsNameOptionsCommand({
        InstanceId: host.InstanceId,
        EnableResourceNameDnsARecord: true,
      }),
    )
    expect(await ask()).toEqual([await loopback('local-ipv4')])
  })

  // P257
  test('is what a command of enid lab exec asks, with the VPC’s domain, and the host’s file stays', async () => {
    const before = readFileSync('/etc/resolv.conf', 'utf8')
    const exec = (...words: string[]) =>
      run(ENID, ['lab', 'exec', '--name', name, '--', ...words], { timeout: 20_000 })
    const { stdout } = await exec('cat', '/etc/resolv.conf')
    expect(stdout).toBe('search us-west-2.compute.internal\nnameserver 10.0.0.2\n')
    const short = nameOf(probe.ipv4).split('.')[0] ?? ''
    expect((await exec('getent', 'ahostsv4', short)).stdout).toContain(`${probe.ipv4} `)
    expect(readFileSync('/etc/resolv.conf', 'utf8')).toBe(before)
    expect(leftovers(name).filter((each) => each.includes('probe-'))).toHaveLength(
      (await lab.ask<{ probes: unknown[] }>('GET', 'status')).probes.length * 2,
    )
  })

  test('answers by TCP too', () => {
    const { fd, answer } = connectTcp(probe.netnsPath, '10.0.0.2', 53)
    expect(answer).toBe('open')
    const asked = question(9, nameOf(probe.ipv4))
    send(fd, Buffer.concat([Buffer.of(0, asked.length), asked]))
    const told = receive(fd, 1000)
    close(fd)
    expect(told?.readUInt16BE(0)).toBe((told?.length ?? 0) - 2)
    expect(told?.subarray(-4)).toEqual(bytesOfAddress(probe.ipv4))
  })

  // P251
  test('and IMDS are there for a guest that no group and no ACL lets speak', async () => {
    const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
    const { SubnetId } = Subnets.find((subnet) => subnet.SubnetId !== host.SubnetId) ?? {}
    const { GroupId = '' } = await ec2.send(
      new CreateSecurityGroupCommand({ GroupName: 'mute', Description: 'x', VpcId: host.VpcId }),
    )
    const { SecurityGroups = [] } = await ec2.send(
      new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }),
    )
    const IpPermissions = SecurityGroups[0]?.IpPermissionsEgress
    await ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions }))
    await closeSubnet(SubnetId ?? '')
    const mute = await lab.ask<Probe>('POST', 'probes', {
      subnetId: SubnetId,
      groupIds: [GroupId],
    })
    expect(tcp(mute.netnsPath, probe.ipv4, 53)).toBe('silent')
    for (const imds of ['169.254.169.254', 'fd00:ec2::254']) {
      expect(first(mute, imds, 80), imds).toBe('open')
    }
    for (const server of RESOLVERS) {
      const answer = answerTo(mute, server, nameOf(probe.ipv4))
      expect(answer?.subarray(-4), server).toEqual(bytesOfAddress(probe.ipv4))
      expect(tcp(mute.netnsPath, server, 53), server).toBe('open')
      expect(tcp(mute.netnsPath, server, 54), server).toBe('silent')
    }
  })

  // P251
  test('answers nobody under another address than his own', async () => {
    const victim = await lab.ask<Probe>('POST', 'probes')
    const heard = udpSocket(victim.netnsPath, victim.ipv4, 40000)
    expect(first(victim, '10.0.0.2', 53)).toBe('open')
    send(heard, question(3, nameOf(probe.ipv4)), '10.0.0.2', 53)
    expect(receive(heard, 1000), 'asked by itself').toBeDefined()
    const link = oracle('ip', '-n', named(probe), '-j', 'link', 'show', 'eth0')[0]
    const fd = packetSocket(probe.netnsPath, Number(link?.ifindex))
    const spoofed = (from: string) =>
      frame(
        ROUTER,
        probe.mac,
        0x0800,
        datagram(from, '10.0.0.2', 53, question(3, nameOf(probe.ipv4))),
      )
    send(fd, spoofed(victim.ipv4))
    expect(receive(heard), 'asked by another').toBeUndefined()
    const own = udpSocket(probe.netnsPath, probe.ipv4, 40000)
    send(fd, spoofed(probe.ipv4))
    expect(receive(own, 1000), 'the frame is one that is answered').toBeDefined()
    for (const each of [heard, fd, own]) close(each)
  })

  // P252
  test('is silent while DNS support is off, and knows no names of the VPC while host names are', async () => {
    const modify = (change: object) =>
      ec2.send(new ModifyVpcAttributeCommand({ VpcId: host.VpcId, ...change }))
    const ask = (server: string) => answerTo(probe, server, nameOf(probe.ipv4)) !== undefined
    await modify({ EnableDnsSupport: { Value: false } })
    expect(RESOLVERS.map(ask)).toEqual([false, false, false])
    expect(tcp(probe.netnsPath, '10.0.0.2', 53)).toBe('silent')
    await modify({ EnableDnsSupport: { Value: true } })
    expect(RESOLVERS.map(ask)).toEqual([true, true, true])
    await modify({ EnableDnsHostnames: { Value: false } })
    const names = async () => [
      await resolve(named(probe), nameOf(probe.ipv4), { type: 'a' }),
      await resolve(named(probe), probe.ipv4),
    ]
    expect(await names()).toEqual([['NXDOMAIN'], ['NXDOMAIN']])
    await modify({ EnableDnsHostnames: { Value: true } })
    expect(await names()).toEqual([[probe.ipv4], [nameOf(probe.ipv4)]])
  })

  // P253
  test('hears 1024 packets a second of an ENI, and counts what comes beyond', async () => {
    const [loud, other] = [
      await lab.ask<Probe>('POST', 'probes'),
      await lab.ask<Probe>('POST', 'probes'),
    ]
    for (const each of [loud, other]) expect(first(each, '10.0.0.2', 53)).toBe('open')
    const fd = udpSocket(loud.netnsPath, '0.0.0.0', 0)
    const [before, began] = [droppedBeyond(), performance.now()]
    for (let n = 0; n < 5000; n++) send(fd, question(n, nameOf(probe.ipv4)), '10.0.0.2', 53)
    const seconds = (performance.now() - began) / 1000
    close(fd)
    const dropped = droppedBeyond() - before
    expect(dropped).toBeLessThan(5000 - 1000)
    expect(dropped).toBeGreaterThan(5000 - 1024 - 1024 * seconds - 50)
    expect(answerTo(other, '10.0.0.2', nameOf(probe.ipv4)), 'another ENI').toBeDefined()
  })
})

// P325
test('a public name is the private address to the VPC and the public one to the Internet', async () => {
  const { internet } = await lab.ask<{ internet: { netnsPath: string } }>('GET', 'status')
  const outside = named(internet)
  const { probeId, netnsPath, ipv4, publicIp } = await lab.ask<Probe>('POST', 'probes', {
    public: true,
  })
  const asked = `ec2-${publicIp?.replaceAll('.', '-')}.us-west-2.compute.amazonaws.com`
  expect(await resolve(named({ netnsPath }), asked)).toEqual([ipv4])
  for (const server of ['203.0.113.10', '2001:db8:ffff::10']) {
    expect(await resolve(outside, asked, { server })).toEqual([publicIp])
  }
  // A command there asks the host there.
  expect(await inside(outside, 'cat', '/etc/resolv.conf')).toBe('nameserver 203.0.113.10\n')
  await lab.ask('DELETE', `probes/${probeId}`)
  expect(await resolve(outside, asked, { server: '203.0.113.10' })).toEqual(['NXDOMAIN'])
})

describe('DHCP', () => {
  // P254
  test('gives an ENI its address, its subnet and what the VPC has as options', async () => {
    const guest = await unconfigured()
    expect(await lease(guest)).toMatchObject({
      ip: guest.ipv4,
      mask: '24',
      router: '10.0.0.1',
      serverid: '10.0.0.1',
      dns: '10.0.0.2',
      domain: 'us-west-2.compute.internal',
      hostname: nameOf(guest.ipv4).split('.')[0],
      mtu: '9001',
      lease: '3600',
    })
    const { DhcpOptions } = await ec2.send(
      new CreateDhcpOptionsCommand({
        DhcpConfigurations: [
          { Key: 'domain-name', Values: ['example.com'] },
          { Key: 'domain-name-servers', Values: ['10.0.1.7', '192.0.2.53'] },
          { Key: 'ntp-servers', Values: ['192.0.2.123'] },
        ],
      }),
    )
    const { DhcpOptionsId } = DhcpOptions ?? {}
    const associate = (id?: string) =>
      ec2.send(new AssociateDhcpOptionsCommand({ DhcpOptionsId: id, VpcId: host.VpcId }))
    await associate(DhcpOptionsId)
    const custom = { dns: '10.0.1.7 192.0.2.53', domain: 'example.com', ntpsrv: '192.0.2.123' }
    expect(await lease(guest)).toMatchObject({ ...custom, ip: guest.ipv4 })
    await associate('default')
    const none = await lease(guest)
    expect(none).toMatchObject({ ip: guest.ipv4, router: '10.0.0.1' })
    expect([none.dns, none.domain, none.ntpsrv]).toEqual([undefined, undefined, undefined])
  })

  test('is asked and answered in private: a neighbour hears nothing of it', async () => {
    const [guest, neighbour] = [await unconfigured(), await lab.ask<Probe>('POST', 'probes')]
    const link = oracle('ip', '-n', named(neighbour), '-j', 'link', 'show', 'eth0')[0]
    const heard = packetSocket(neighbour.netnsPath, Number(link?.ifindex))
    await lease(guest)
    const marker = Buffer.from(guest.mac.replaceAll(':', ''), 'hex')
    expect(hears(heard, marker)).toBe(false)
    close(heard)
  })
})

describe('IMDS', () => {
  // P255
  test('gives a token as many hops as the instance’s options say', async () => {
    const guests = { router: `${name}-router`, inner: `${name}-inner` }
    for (const each of Object.values(guests)) ip('netns', 'add', each)
    try {
      await behindRouter(guests)
      const token = (netns: string) =>
        curl(
          netns,
          '-X',
          'PUT',
          '-H',
          'X-aws-ec2-metadata-token-ttl-seconds: 60',
          `${IMDS}/api/token`,
        )
      const id = (netns: string) => curl(netns, `${IMDS}/meta-data/instance-id`)
      const { router, inner } = guests
      expect(await token(router)).toMatch(/^200 \S{20}/)
      expect(await token(inner), 'one hop further').toBe('000 ')
      expect(await id(inner), 'the way is there: without a token IMDS says so').toMatch(/^401 /)
      await options({ HttpPutResponseHopLimit: 2 })
      expect(await token(inner)).toMatch(/^200 \S{20}/)
      await options({ HttpPutResponseHopLimit: 1, HttpTokens: 'optional' })
      expect(await token(inner)).toBe('000 ')
      expect(await id(inner), 'IMDSv1').toBe(`200 ${host.InstanceId}`)
      await options({ HttpEndpoint: 'disabled' })
      expect([await id(inner), await token(router)]).toEqual([
        expect.stringMatching(/^403 /),
        expect.stringMatching(/^403 /),
      ])
      await options({ HttpEndpoint: 'enabled', HttpTokens: 'required' })
      expect(await hopsOfToken(router, '169.254.169.254')).toBe(1)
      expect(await hopsOfToken(router, 'fd00:ec2::254')).toBe(1)
      await options({ HttpPutResponseHopLimit: 7 })
      expect(await hopsOfToken(router, 'fd00:ec2::254')).toBe(7)
      await options({ HttpProtocolIpv6: 'disabled' })
      expect(await hopsOfToken(router, 'fd00:ec2::254'), 'not over IPv6').toBeUndefined()
    } finally {
      for (const each of Object.values(guests)) ip('netns', 'del', each)
    }
  })
})

const ENID = new URL('../../bin/enid', import.meta.url).pathname
const IMDS = 'http://169.254.169.254/latest'
/** The router's MAC on every link. */
const ROUTER = '0a:00:00:00:00:01'

const options = (change: Partial<ModifyInstanceMetadataOptionsCommandInput>) =>
  ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: host.InstanceId, ...change }))

/** A leaf of the host's metadata, asked on loopback. */
async function loopback(path: string): Promise<string> {
  const latest = `${lab.endpoint}/latest`
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
  const token = await (await fetch(`${latest}/api/token`, { method: 'PUT', headers: ttl })).text()
  const headers = { 'x-aws-ec2-metadata-token': token }
  return (await fetch(`${latest}/meta-data/${path}`, { headers })).text()
}

/** The status and body that curl gets; `000 ` when nothing came in time. */
async function curl(netns: string, ...args: string[]): Promise<string> {
  const said = await inside(netns, 'curl', '-s', '-m', '3', '-w', '\n%{http_code}', ...args)
  const lines = said.split('\n')
  return `${lines.at(-1)} ${lines.slice(0, -1).join('\n')}`
}

/** The TTL or hop limit with which a token arrives in a namespace; undefined when none does. */
async function hopsOfToken(netns: string, imds: string): Promise<number | undefined> {
  const link = oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')[0]
  const heard = packetSocket(`/run/netns/${netns}`, Number(link?.ifindex))
  const url = `http://${imds.includes(':') ? `[${imds}]` : imds}/latest/api/token`
  await curl(netns, '-g', '-X', 'PUT', '-H', 'X-aws-ec2-metadata-token-ttl-seconds: 60', url)
  // An ICMP error quotes the answers that did not get farther, and they are sent again for a while.
  const [hopsAt, protocolAt] = imds.includes(':') ? [14 + 7, 14 + 6] : [14 + 8, 14 + 9]
  const TCP = 6
  let hops: number | undefined
  for (let got = receive(heard); got !== undefined; got = receive(heard)) {
    if (got[protocolAt] === TCP && got.includes('HTTP/1.1 200')) hops = got[hopsAt]
  }
  close(heard)
  return hops
}

/** How many packets the fabric has dropped for coming too often. */
function droppedBeyond(): number {
  const said = oracle(
    'ip',
    'netns',
    'exec',
    `enid-lab-${name}`,
    'nft',
    '-j',
    'list',
    'chain',
    'inet',
    'enid',
    'input',
  )
  const { nftables } = said as unknown as { nftables: { rule?: { expr: object[] } }[] }
  const limited = nftables.find(({ rule }) => JSON.stringify(rule?.expr ?? '').includes('"limit"'))
  const counter = limited?.rule?.expr.find((each) => 'counter' in each)
  return (counter as { counter: { packets: number } }).counter.packets
}

/** Gives a subnet an ACL without entries: nothing crosses its border. */
async function closeSubnet(subnetId: string): Promise<void> {
  const { NetworkAcl } = await ec2.send(new CreateNetworkAclCommand({ VpcId: host.VpcId }))
  const { NetworkAcls = [] } = await ec2.send(new DescribeNetworkAclsCommand({}))
  const association = NetworkAcls.flatMap((acl) => acl.Associations ?? []).find(
    ({ SubnetId }) => SubnetId === subnetId,
  )
  await ec2.send(
    new ReplaceNetworkAclAssociationCommand({
      AssociationId: association?.NetworkAclAssociationId,
      NetworkAclId: NetworkAcl?.NetworkAclId,
    }),
  )
}

/** A probe whose interface has lost its IPv4 address again. */
async function unconfigured(): Promise<Probe> {
  const guest = await lab.ask<Probe>('POST', 'probes')
  ip('-n', named(guest), '-4', 'addr', 'flush', 'dev', 'eth0')
  return guest
}

/** What udhcpc is given, as its script sees it. */
async function lease(guest: Probe): Promise<Record<string, string>> {
  const script = join(folder, 'lease')
  const given = `${script}.given`
  writeFileSync(script, `#!/bin/sh\n[ "$1" = bound ] && env > ${given}\nexit 0\n`, { mode: 0o755 })
  rmSync(given, { force: true })
  const said = await run('ip', [
    ...['netns', 'exec', named(guest), 'busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f'],
    ...['-t', '5', '-T', '1', '-s', script, '-O', 'mtu', '-O', 'ntpsrv'],
  ])
  expect(said.stderr).toContain(`lease of ${guest.ipv4} obtained from 10.0.0.1`)
  const lines = readFileSync(given, 'utf8').split('\n')
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)))
}

/** An attached ENI in a namespace that masquerades for another one behind it. */
async function behindRouter({ router, inner }: { router: string; inner: string }): Promise<void> {
  const { NetworkInterface: eni } = await ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId: host.SubnetId, Ipv6AddressCount: 1 }),
  )
  await ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni?.NetworkInterfaceId,
      InstanceId: host.InstanceId,
      DeviceIndex: 1,
    }),
  )
  const { MacAddress: mac, PrivateIpAddress: ipv4 } = eni ?? {}
  const link = oracle('ip', '-j', 'link').find(({ address }) => address === mac)
  ip('link', 'set', String(link?.ifname), 'netns', router, 'name', 'eth0')
  ip('-n', router, 'link', 'add', 'bridge0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', inner)
  const commands = (netns: string, ...lines: string[]) =>
    execFileSync('ip', ['-n', netns, '-batch', '-'], { input: `${lines.join('\n')}\n` })
  commands(
    router,
    `addr add ${ipv4}/24 dev eth0`,
    'link set eth0 up',
    'route add default via 10.0.0.1',
    `addr add ${eni?.Ipv6Addresses?.[0]?.Ipv6Address}/128 dev eth0 nodad`,
    'route add default via fe80::1 dev eth0',
    'addr add 172.31.255.1/24 dev bridge0',
    'link set bridge0 up',
  )
  commands(
    inner,
    'addr add 172.31.255.2/24 dev eth0',
    'link set eth0 up',
    'route add default via 172.31.255.1',
  )
  execFileSync('ip', ['netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1'])
  execFileSync('ip', ['netns', 'exec', router, 'nft', '-f', '-'], {
    input:
      'table ip nat { chain out { type nat hook postrouting priority srcnat\n oifname eth0 masquerade\n}\n}\n',
  })
}
