// Goal: a lab that was told to leads to the real Internet and to nothing else: not to the host, not to
// its networks, not to its provider; and of the host nothing stays changed. Method: this namespace
// plays the host of a real Internet that the test makes (real-internet.ts), real labs as processes,
// sockets as proof; what must stay silent is first seen to answer the host itself.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  CreateEgressOnlyInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  DescribeNatGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { ip, oracle } from './fabric-rig.ts'
import {
  acceptTcp,
  close,
  connectTcp,
  listenTcp,
  receive,
  send,
  tcp,
  udp,
} from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'
import { AT, hostSettings, makeRealInternet, type RealInternetRig } from './real-internet.ts'

const HOST_NETNS = '/proc/self/ns/net'
let name: string
let real: RealInternetRig
let lab: LabProcess | undefined
let ec2: EC2Client
const fds: number[] = []

function setUp(): void {
  name = `t${randomBytes(3).toString('hex')}`
  real = makeRealInternet(name)
  for (const key of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) set(key, '1')
}
async function tearDown(): Promise<void> {
  fds.splice(0).forEach(close)
  ec2?.destroy()
  await lab?.end()
  lab = undefined
  real.end()
  expect(leftovers(name)).toEqual([])
}

const set = (key: string, value: string) => writeFileSync(`/proc/sys/net/${key}`, value)

async function start(...more: string[]): Promise<LabProcess> {
  lab = await startLab(name, 0, ...more)
  ec2 = clientOf(lab)
  return lab
}

type Real = {
  link: string
  ways: { version: string; address: string; uplink: string; gateway?: string }[]
  without: Record<string, string>
}
async function internet(): Promise<{ netnsPath: string; real?: Real }> {
  const status = await lab?.ask<{ internet: { netnsPath: string; real?: Real } }>('GET', 'status')
  if (status === undefined) throw new Error('no lab')
  return status.internet
}

async function probe(more: object = {}): Promise<Probe> {
  const made = await lab?.ask<Probe>('POST', 'probes', { public: true, ...more })
  if (made === undefined) throw new Error('no lab')
  const netns = made.netnsPath.replace('/run/netns/', '')
  const isUp = () => oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')[0]?.operstate === 'UP'
  for (let tries = 0; !isUp() && tries < 60; tries++) await sleep(50)
  return made
}

const mainTable = async () => (await ec2.send(new DescribeRouteTablesCommand({}))).RouteTables?.[0]

/** All IPv6 to the internet gateway, as all IPv4 is. */
async function routeIpv6(): Promise<void> {
  const table = await mainTable()
  const gateway = table?.Routes?.find(({ GatewayId }) => GatewayId?.startsWith('igw-'))?.GatewayId
  await ec2.send(
    new CreateRouteCommand({
      RouteTableId: table?.RouteTableId,
      DestinationIpv6CidrBlock: '::/0',
      GatewayId: gateway,
    }),
  )
}

/** As whom a listener of the real Internet sees its peers. */
const peersAt = (port: number): string[] =>
  execFileSync(
    'ip',
    ['netns', 'exec', real.world.replace('/run/netns/', ''), 'ss', '-Htn', `sport = :${port}`],
    { encoding: 'utf8' },
  )
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).at(-1)?.replace(/:\d+$/, '') ?? '')

/** What each of these addresses answers to TCP on port 80. */
const asked = (netns: string, addresses: readonly string[]) =>
  Object.fromEntries(addresses.map((each) => [each, tcp(netns, each, 80)]))
const all = (addresses: readonly string[], answer: string) =>
  Object.fromEntries(addresses.map((each) => [each, answer]))

/** What the host has of its own. */
const hostState = () => ({
  settings: hostSettings(),
  rules: oracle('nft', '-j', 'list', 'ruleset'),
  routes: [oracle('ip', '-j', 'route'), oracle('ip', '-6', '-j', 'route')],
})

describe('a lab with --internet', () => {
  let before: ReturnType<typeof hostState>
  beforeAll(async () => {
    setUp()
    before = hostState()
    await start('--internet')
    await routeIpv6()
  }, 180_000)
  afterAll(tearDown)
  afterEach(() => fds.splice(0).forEach(close))

  // P320
  test('leads what its own Internet has not to the real one, both ways, masqueraded as the host', async () => {
    const client = await probe()
    for (const [address, seenAs] of [
      [AT.public, AT.host],
      [AT.publicIpv6, `[${AT.hostIpv6}]`],
    ] as const) {
      const listener = listenTcp(real.world, address, 8000)
      const { fd, answer } = connectTcp(client.netnsPath, address, 8000, 2000)
      const accepted = acceptTcp(listener)
      fds.push(listener, fd, accepted)
      expect([address, answer]).toEqual([address, 'open'])
      send(fd, Buffer.from('there'))
      expect(receive(accepted, 2000)?.toString()).toBe('there')
      send(accepted, Buffer.from('and back'))
      expect(receive(fd, 2000)?.toString()).toBe('and back')
      expect(peersAt(8000)).toContain(seenAs)
    }
    expect(tcp(client.netnsPath, '203.0.113.10', 80), 'the lab’s own host').toBe('open')
    const { real: told } = await internet()
    expect(told?.ways).toMatchObject([
      { version: 'ipv4', uplink: 'uplink0', gateway: AT.gateway },
      { version: 'ipv6', uplink: 'uplink0', gateway: '2a0a:1::1' },
    ])
    expect(
      tcp((await probe({ public: false })).netnsPath, AT.public, 80),
      'no public address',
    ).toBe('silent')
  })

  // P320
  test('leads there by a NAT gateway and by an egress-only gateway, too', async () => {
    const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
    const [near, far] = Subnets.map(({ SubnetId = '' }) => SubnetId)
    const vpcId = Subnets[0]?.VpcId ?? ''
    const { AllocationId } = await ec2.send(new AllocateAddressCommand({}))
    const { NatGateway } = await ec2.send(
      new CreateNatGatewayCommand({ SubnetId: near, AllocationId }),
    )
    for (let tries = 0; tries < 50; tries++) {
      const { NatGateways } = await ec2.send(new DescribeNatGatewaysCommand({}))
      if (NatGateways?.[0]?.State === 'available') break
      await sleep(100)
    }
    const { RouteTable } = await ec2.send(new CreateRouteTableCommand({ VpcId: vpcId }))
    const { EgressOnlyInternetGateway } = await ec2.send(
      new CreateEgressOnlyInternetGatewayCommand({ VpcId: vpcId }),
    )
    const RouteTableId = RouteTable?.RouteTableId
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId: far }))
    await ec2.send(
      new CreateRouteCommand({
        RouteTableId,
        DestinationCidrBlock: '0.0.0.0/0',
        NatGatewayId: NatGateway?.NatGatewayId,
      }),
    )
    await ec2.send(
      new CreateRouteCommand({
        RouteTableId,
        DestinationIpv6CidrBlock: '::/0',
        EgressOnlyInternetGatewayId: EgressOnlyInternetGateway?.EgressOnlyInternetGatewayId,
      }),
    )
    const client = await probe({ public: false, subnetId: far })
    expect(asked(client.netnsPath, [AT.public, AT.publicIpv6])).toEqual(
      all([AT.public, AT.publicIpv6], 'open'),
    )
  })

  // P321
  test('leads to nothing that is not the Internet: no service of the host, no network of its, no metadata', async () => {
    const { host, hostIpv6, public: there, publicIpv6, ...others } = AT
    const elsewhere = Object.values(others)
    const onHost = [host, hostIpv6, '10.77.0.1']
    for (const each of onHost) fds.push(listenTcp(HOST_NETNS, each, 80))
    nft(`table ip docker {
      chain pre { type nat hook prerouting priority dstnat
        fib daddr type local tcp dport 8081 dnat to ${AT.lan}:80;
        ip daddr ${AT.public} tcp dport 8082 dnat to ${AT.lan}:80; }; }`)
    try {
      // The control: all of it is there, for the host, and what is published for others.
      expect(asked(HOST_NETNS, elsewhere)).toEqual(all(elsewhere, 'open'))
      expect(asked(real.world, [host])).toEqual(all([host], 'open'))
      expect(tcp(real.world, host, 8081), 'published').toBe('open')
      const client = await probe()
      const { netnsPath } = await internet()
      // Whoever is root on the lab's Internet (`enid lab exec --internet`) may change its routes.
      const netns = netnsPath.replace('/run/netns/', '')
      for (const block of [...elsewhere, ...onHost]) {
        const via = ['via', ...(block.includes(':') ? [] : ['inet6']), 'fe80::1', 'dev', 'real']
        ip('-n', netns, 'route', 'replace', block, ...via)
      }
      for (const from of [client.netnsPath, netnsPath]) {
        // In the VPC this address is the lab's own metadata service.
        const isOwn = (each: string) => each === AT.metadata && from === client.netnsPath
        const never = [...elsewhere, ...onHost].filter((each) => !isOwn(each))
        expect(asked(from, [there, publicIpv6])).toEqual(all([there, publicIpv6], 'open'))
        expect(asked(from, never)).toEqual(all(never, 'silent'))
        expect(tcp(from, host, 8081), 'what the host publishes').toBe('silent')
        expect(tcp(from, there, 8082), 'what the host leads elsewhere').toBe('silent')
      }
      // Under another address than the lab's own nothing gets out either.
      const server = { netns: real.world, address: there }
      expect(udp(netnsPath, server, 6000)).toBe(true)
      ip('netns', 'exec', netns, 'nft', 'add table ip forge')
      const forge = 'type nat hook postrouting priority 99;'
      ip('netns', 'exec', netns, 'nft', `add chain ip forge leaving { ${forge} }`)
      ip('netns', 'exec', netns, 'nft', 'add rule ip forge leaving snat to 45.10.0.99')
      expect(udp(netnsPath, server, 6000), 'forged').toBe(false)
      ip('netns', 'exec', netns, 'nft', 'delete table ip forge')
      expect(udp(netnsPath, server, 6000)).toBe(true)
    } finally {
      nft('delete table ip docker')
    }
  })

  // P321
  test('lets nothing in: neither the real Internet nor the host begins anything with the lab', async () => {
    const { netnsPath, real: told } = await internet()
    const [address = '', ipv6 = ''] = told?.ways.map((way) => way.address) ?? []
    for (const each of [address, ipv6]) fds.push(listenTcp(netnsPath, each, 80))
    const world = real.world.replace('/run/netns/', '')
    ip('-n', world, 'route', 'add', address, 'via', AT.host)
    ip('-n', world, 'route', 'add', ipv6, 'via', AT.hostIpv6)
    ip('-n', real.lan.replace('/run/netns/', ''), 'route', 'add', address, 'via', '10.77.0.1')
    expect(asked(netnsPath, [address, ipv6]), 'it listens').toEqual(all([address, ipv6], 'open'))
    for (const from of [real.world, HOST_NETNS]) {
      expect(asked(from, [address, ipv6])).toEqual(all([address, ipv6], 'silent'))
    }
    expect(asked(real.lan, [address])).toEqual(all([address], 'silent'))
  })

  // P323
  test('has a way of its own beside another lab’s', async () => {
    const other = await startLab(`${name}b`, 0, '--internet')
    try {
      const status = await other.ask<{ internet: { real: Real } }>('GET', 'status')
      const { real: told } = await internet()
      expect(status.internet.real.link).not.toBe(told?.link)
      expect(status.internet.real.ways[0]?.address).not.toBe(told?.ways[0]?.address)
      await other.end('SIGKILL')
      // One that begins anew takes away what that one left.
      await (await startLab(`${name}b`, 0, '--fresh')).end()
    } finally {
      await other.end()
    }
    expect(leftovers(`${name}b`)).toEqual([])
    expect(tcp((await probe()).netnsPath, AT.public, 80), 'the other is gone').toBe('open')
  }, 180_000)

  // P322
  test('changes of the host a link, a route and a table, and takes them away when it ends', async () => {
    const { real: told } = await internet()
    expect(hostState().settings).toEqual(before.settings)
    const link = told?.link ?? ''
    expect(link).toMatch(/^enid-[0-9a-z]{10}$/)
    expect(oracle('ip', '-j', 'addr', 'show', link)[0]?.addr_info).toEqual([])
    const tables = oracle('nft', '-j', 'list', 'tables') as unknown as {
      nftables: { table?: { name: string } }[]
    }
    expect(tables.nftables.flatMap(({ table }) => table?.name ?? [])).toEqual([`enid-lab-${name}`])
    const rules = oracle('nft', '-j', 'list', 'table', 'inet', `enid-lab-${name}`)
    expect(JSON.stringify(rules)).not.toContain('proof')
    expect(await lab?.end()).toBe(0)
    expect(hostState()).toEqual(before)
  })
})

describe('a lab with --internet, anew each time,', () => {
  beforeEach(setUp)
  afterEach(tearDown)

  // P323
  test('that is killed leaves the way open; the next takes it over with what runs, or takes it away', async () => {
    await start('--internet')
    const client = await probe()
    const listener = listenTcp(real.world, AT.public, 8000)
    const { fd } = connectTcp(client.netnsPath, AT.public, 8000, 2000)
    const accepted = acceptTcp(listener)
    fds.push(listener, fd, accepted)
    const works = (): boolean => {
      send(fd, Buffer.from('on'))
      if (receive(accepted, 1000) === undefined) return false
      send(accepted, Buffer.from('on'))
      return receive(fd, 1000) !== undefined
    }
    expect(works()).toBe(true)
    const told = await internet()
    await lab?.end('SIGKILL')
    expect(works(), 'while no lab is there').toBe(true)
    await start('--internet')
    expect(lab?.ready.tookOver).toBe(true)
    expect(await internet()).toEqual(told)
    expect(works(), 'taken over').toBe(true)
    expect(tcp(client.netnsPath, AT.public, 80)).toBe('open')
    await lab?.end('SIGKILL')
    // The host's end goes, and with it the other; the next lab makes both anew.
    ip('link', 'del', told.real?.link ?? '')
    await start('--internet')
    expect(tcp(client.netnsPath, AT.public, 80), 'made anew').toBe('open')
    await lab?.end('SIGKILL')
    await start()
    expect((await internet()).real).toBeUndefined()
    expect(
      leftovers(name).filter((each) => each.startsWith('enid-') && each === told.real?.link),
    ).toEqual([])
    expect(tcp(client.netnsPath, AT.public, 80), 'not asked for any more').toBe('silent')
  }, 120_000)
})

describe('a host that cannot lead there', () => {
  beforeEach(setUp)
  afterEach(tearDown)

  // P324
  test.each<[string, () => void, () => void, RegExp]>([
    [
      'has no default route',
      () => {
        ip('route', 'del', 'default')
        ip('-6', 'route', 'del', 'default')
      },
      () => {},
      /no default route of ipv4 .*no default route of ipv6 /,
    ],
    [
      'leads IPv4 by a router of IPv6, and IPv6 nowhere',
      () => {
        ip('-4', 'route', 'replace', 'default', 'via', 'inet6', '2a0a:1::1', 'dev', 'uplink0')
        ip('-6', 'route', 'del', 'default')
      },
      () => {},
      /no default route of ipv4 by a router of ipv4/,
    ],
    [
      'forwards nothing',
      () => set('ipv4/ip_forward', '0'),
      () => set('ipv4/ip_forward', '1'),
      /forwards no ipv4 from uplink0: sysctl -w net\.ipv4\.ip_forward=1/,
    ],
    [
      'drops what nobody accepts, as Docker has it',
      () =>
        nft(
          'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }',
        ),
      () => nft('delete table ip filter'),
      /own rules drop.*iptables -I DOCKER-USER -i enid-\+ -j ACCEPT/,
    ],
  ])(
    'that %s: the lab refuses to start, with the remedy, and nothing is changed',
    async (_what, break_, mend, words) => {
      break_()
      const before = hostSettings()
      const gone: string[] = []
      try {
        await expect(startLab(name, 0, '--internet')).rejects.toThrow(words)
        gone.push(...leftovers(name))
        expect(hostSettings()).toEqual(before)
        await start() // Not asked to, it needs nothing of it.
      } finally {
        mend()
      }
      expect(gone).toEqual([])
    },
    60_000,
  )

  // P324
  test('that has let links of labs pass, as the remedy says, is good for one', async () => {
    nft(`table ip filter {
      chain DOCKER-USER { iifname "enid-*" accept; oifname "enid-*" accept; };
      chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }; }`)
    try {
      await start('--internet')
      expect(tcp((await probe()).netnsPath, AT.public, 80)).toBe('open')
    } finally {
      nft('delete table ip filter')
    }
  })

  // P324
  test('with IPv6 leads by IPv4 alone, and the status says why', async () => {
    set('ipv6/conf/all/forwarding', '0')
    ip('-6', 'route', 'replace', 'default', 'via', '2a0a:1::1')
    await start('--internet')
    await routeIpv6()
    const { real: told } = await internet()
    expect(told?.ways.map(({ version }) => version)).toEqual(['ipv4'])
    expect(told?.without.ipv6).toContain('sysctl -w net.ipv6.conf.all.forwarding=1')
    const client = await probe()
    expect(asked(client.netnsPath, [AT.public, AT.publicIpv6])).toEqual({
      [AT.public]: 'open',
      [AT.publicIpv6]: 'silent',
    })
  })

  // P239
  test('is not asked: without --internet a lab leads nowhere, whatever the host could', async () => {
    await start()
    await routeIpv6()
    const client = await probe()
    const { netnsPath, real: told } = await internet()
    expect(told).toBeUndefined()
    for (const from of [client.netnsPath, netnsPath]) {
      expect(asked(from, [AT.public, AT.publicIpv6])).toEqual(
        all([AT.public, AT.publicIpv6], 'silent'),
      )
    }
    expect(oracle('nft', '-j', 'list', 'ruleset')).toMatchObject({ nftables: [{}] })
  })
})

function nft(text: string): void {
  execFileSync('nft', ['-f', '-'], { input: text })
}
