// Goal: what a task sees of itself is as ECS has it, also with two ENIs, with IPv6 beside IPv4, and while a
// neighbour asks for all it is worth. Method: real tasks that ask with programs of their own; the oracle
// is `ip -j`, the lab's EC2 and what was sent.

import { DescribeNetworkInterfacesCommand, type NetworkInterface } from '@aws-sdk/client-ec2'
import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program } from '../../scripts/demo/program.ts'
import { mountPoints, volumes } from './host-programs.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
let open = ''
beforeAll(async () => {
  rig = await Rig.open()
  open = await rig.group('open', { port: 8080, cidr: '0.0.0.0/0' }, { port: 8080, cidr6: '::/0' })
}, 180_000)
afterAll(() => rig?.close())

/** What a program of the task's own says. */
async function within(id: string, container: string, ...command: string[]): Promise<string> {
  const dockerId = await rig.containerId(id, `container:${container}`)
  const { code, stdout, stderr } = await program('docker', ['exec', dockerId, ...command], {
    timeoutMs: 90_000,
  })
  expect(code, stderr).toBe(0)
  return stdout.trim()
}
const shell = (id: string, line: string) => within(id, 'app', '/busybox', 'sh', '-c', line)
const uriOf = (id: string, path = '') => shell(id, `echo $ECS_CONTAINER_METADATA_URI_V4${path}`)
async function metadata<T>(id: string, path: string): Promise<T> {
  return JSON.parse(
    await shell(id, `/busybox wget -q -O - $ECS_CONTAINER_METADATA_URI_V4${path}`),
  ) as T
}
async function eni(eniId: string): Promise<NetworkInterface> {
  const asked = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] })
  return (await rig.ec2.send(asked)).NetworkInterfaces?.[0] ?? expect.fail(`no ${eniId}`)
}

type Network = Readonly<Record<string, unknown>>
type Container = { readonly Name: string; readonly Networks: readonly Network[] }
type Stats = {
  readonly network_rate_stats: { rx_bytes_per_sec: number; tx_bytes_per_sec: number }
  readonly networks: Readonly<Record<string, { rx_bytes: number; tx_bytes: number }>>
  readonly cpu_stats: object
  readonly precpu_stats: { cpu_usage?: { total_usage: number } }
  readonly read: string
  readonly preread: string
}

// P509
test('a task of two ENIs is told of both, with id, groups, MAC, subnet and gateway of each', async () => {
  const second = await rig.group('second')
  await rig.define('two', 'exec /busybox sleep 600', { mountPoints }, { volumes })
  const awsvpcConfiguration = { subnets: [await rig.subnetId()], securityGroups: [open] }
  const { tasks = [] } = await rig.ecs.send(
    new RunTaskCommand({
      taskDefinition: 'two',
      tags: [{ key: 'enid:eni:1', value: second }],
      networkConfiguration: { awsvpcConfiguration },
    }),
  )
  const id = tasks[0]?.taskArn?.split('/').at(-1) ?? ''
  const { attachments = [] } = await rig.waitFor(id, 'RUNNING')
  const eniIds = attachments.map(
    ({ details = [] }) => details.find(({ name }) => name === 'networkInterfaceId')?.value ?? '',
  )
  const seen = await Promise.all(eniIds.map(eni))
  expect(seen.map(({ Groups = [] }) => Groups.map(({ GroupId }) => GroupId))).toEqual([
    [open],
    [second],
  ])
  const expected = seen.map((one, n) => ({
    NetworkMode: 'awsvpc',
    AttachmentIndex: n,
    IPv4Addresses: [one.PrivateIpAddress],
    IPv6Addresses: one.Ipv6Addresses?.map(({ Ipv6Address }) => Ipv6Address),
    MACAddress: one.MacAddress,
    PrivateDNSName: one.PrivateDnsName,
    IPv4SubnetCIDRBlock: '10.0.0.0/24',
    IPv6SubnetCIDRBlock: expect.stringMatching(/^2001:db8:.*::\/64$/),
    SubnetGatewayIpv4Address: '10.0.0.1/24',
    DomainNameServers: ['10.0.0.2'],
    DomainNameSearchList: ['us-west-2.compute.internal'],
    NetworkInterfaceId: one.NetworkInterfaceId,
    SecurityGroupIds: one.Groups?.map(({ GroupId }) => GroupId),
  }))
  const task = await metadata<{ Containers: Container[] }>(id, '/task')
  expect(task.Containers[0]?.Networks).toEqual(expected)
  expect((await metadata<Container>(id, '')).Networks).toEqual(expected)
  // What it is told is what it has.
  for (const [n, { MacAddress }] of seen.entries()) {
    const { stdout } = await rig.inside(id, 'ip', '-j', 'link', 'show', `eth${n}`)
    expect(JSON.parse(stdout)[0].address).toBe(MacAddress)
  }
  const stats = await metadata<Stats>(id, '/stats')
  expect(Object.keys(stats.networks)).toEqual(['eth0', 'eth1'])
  expect(Object.keys(await metadata<object>(id, '/task/stats'))).toEqual([
    await rig.containerId(id, 'container:app'),
  ])
  // Groups that are ordered later are told as well.
  expect((await rig.enid('groups', id, open, '--eni', '1')).code).toBe(0)
  expect((await metadata<Container>(id, '')).Networks[1]).toMatchObject({
    SecurityGroupIds: [open],
  })
  await rig.stopAndWait(id)
}, 90_000)

// P502
test('the rates in its statistics are those of the bytes that it sends', async () => {
  await rig.define('sender', 'exec /busybox sleep 600', { mountPoints }, { volumes })
  const [id = ''] = await rig.run('sender', [open])
  await rig.waitFor(id, 'RUNNING')
  const quiet = await metadata<Stats>(id, '/stats')
  expect(quiet.network_rate_stats.tx_bytes_per_sec).toBeLessThan(10_000)
  expect(quiet.preread < quiet.read).toBe(true)
  expect(quiet.precpu_stats.cpu_usage?.total_usage).toBeGreaterThan(0)
  const mac = fact(await rig.task(id), 'macAddress')
  const before = quiet.networks.eth0?.tx_bytes ?? 0
  // Datagrams that nobody hears are counted all the same.
  const lines = [
    'import socket',
    's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
    'for n in range(2000): s.sendto(bytes(1000), ("203.0.113.10", 9))',
  ]
  await within(id, 'app', '/usr/bin/python3', '-c', lines.join('\n'))
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  const busy = await metadata<Stats>(id, '/stats')
  const sent = (busy.networks.eth0?.tx_bytes ?? 0) - before
  const seconds = (Date.parse(busy.read) - Date.parse(busy.preread)) / 1000
  expect(sent, mac).toBeGreaterThan(1_000_000)
  const told = busy.network_rate_stats.tx_bytes_per_sec * seconds
  expect(told / sent).toBeGreaterThan(0.8)
  expect(told / sent).toBeLessThan(1.25)
  // The same, for whoever looks from outside.
  const { stdout } = await rig.enid('stats', id)
  const [, row = ''] = stdout.split('\n')
  expect(row).toMatch(/^\S+ +app +[\d.]+% +[\d.]+ [kM]B +[\d.]+ [MG]B +1 +[\d.]+ \w+ +[\d.]+ \w+$/)
  await rig.stopAndWait(id)
}, 90_000)

// P510
test('its hostname, in every container, is the private DNS name of its ENI, and means its address', async () => {
  const line = ['/busybox', 'sh', '-c', 'exec /busybox sleep 600']
  const more = { name: 'side', image: rig.image, memory: 64, stopTimeout: 1, command: line }
  const app = { ...more, name: 'app' }
  await rig.define('named', '', {}, { containerDefinitions: [app, more] })
  const [id = ''] = await rig.run('named', [open])
  const task = await rig.waitFor(id, 'RUNNING')
  const { PrivateDnsName, PrivateIpAddress = '' } = await eni(fact(task, 'networkInterfaceId'))
  for (const container of ['app', 'side']) {
    expect(await within(id, container, '/busybox', 'hostname'), container).toBe(PrivateDnsName)
    const hosts = await within(id, container, '/busybox', 'cat', '/etc/hosts')
    expect(hosts).toMatch(new RegExp(`^${PrivateIpAddress}\\s+${PrivateDnsName}$`, 'm'))
    expect(await within(id, container, '/busybox', 'cat', '/etc/hostname')).toBe(PrivateDnsName)
  }
  await rig.stopAndWait(id)
}, 180_000)

type Address = {
  local: string
  prefixlen: number
  scope: string
  dynamic?: boolean
  valid_life_time: number
}
type Route = { dst: string; gateway?: string; dev: string; protocol?: string }

// P511
test('IPv6 stands beside IPv4 without any router’s word: addresses and default route are static', async () => {
  await rig.define(
    'dual',
    'mkdir /www; echo yes > /www/index.html; exec /busybox httpd -f -p 8080 -h /www',
  )
  const [one = '', two = ''] = await rig.run('dual', [open], 2)
  const tasks = await Promise.all([one, two].map((id) => rig.waitFor(id, 'RUNNING')))
  const inside = async <T>(...args: string[]) =>
    JSON.parse((await rig.inside(one, 'ip', '-j', ...args)).stdout) as T[]
  const [link] = await inside<{ addr_info: Address[] }>('address', 'show', 'dev', 'eth0')
  const global = (link?.addr_info ?? []).filter(({ scope }) => scope === 'global')
  expect(global).toHaveLength(2)
  for (const { dynamic, valid_life_time: seconds } of global) {
    expect([dynamic, seconds]).toEqual([undefined, 2 ** 32 - 1])
  }
  const [v4] = (await inside<Route>('route')).filter(({ dst }) => dst === 'default')
  const [v6, ...more] = (await inside<Route>('-6', 'route')).filter(({ dst }) => dst === 'default')
  expect([v4?.gateway, v6?.gateway, more]).toEqual(['10.0.0.1', 'fe80:ec2::1', []])
  expect([v4?.protocol, v6?.protocol]).not.toContain('ra')
  const accept = await rig.inside(one, 'cat', '/proc/sys/net/ipv6/conf/eth0/accept_ra')
  expect(accept.stdout.trim()).toBe('0')
  // Both versions carry packets, between tasks of one host.
  const other = tasks[1]?.containers?.[0]?.networkInterfaces?.[0] ?? {}
  for (const host of [other.privateIpv4Address, `[${other.ipv6Address}]`]) {
    await expect
      .poll(
        () => shell(one, `/busybox timeout 2 /busybox wget -q -O - http://${host}:8080/ || true`),
        {
          timeout: 15_000,
        },
      )
      .toBe('yes')
  }
  await rig.stopAndWait(one, two)
}, 90_000)

// P512
test('one that hammers its endpoint is told so, and another is answered in time meanwhile', async () => {
  await rig.define('loud', 'exec /busybox sleep 600', { memory: 256, mountPoints }, { volumes })
  await rig.define('calm', 'exec /busybox sleep 600', { memory: 256, mountPoints }, { volumes })
  const [loud = ''] = await rig.run('loud', [open])
  const [calm = ''] = await rig.run('calm', [open])
  for (const id of [loud, calm]) await rig.waitFor(id, 'RUNNING')
  const [loudUri, calmUri] = [await uriOf(loud, '/task'), await uriOf(calm, '/task')]
  const python = ['/usr/bin/python3', '/app/consumers/hammer.py']
  const hammering = within(loud, 'app', ...python, loudUri, '10', '500')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  // Once each quarter of a second, as a program that reads its metadata; each answer is timed by curl.
  const times: number[] = []
  for (let n = 0; n < 20; n++) {
    const format = '%{http_code} %{time_total}'
    const curl = ['curl', '-sS', '-m', '4', '-o', '/dev/null', '-w', format, calmUri]
    const { stdout } = await rig.inside(calm, ...curl)
    const [status, seconds] = stdout.split(' ')
    expect(status).toBe('200')
    times.push(Number(seconds))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const said = await hammering
  type Said = { readonly seconds: number; readonly counts: Readonly<Record<string, number>> }
  const { seconds, counts } = JSON.parse(said) as Said
  // Each second 40 of its requests are answered, after a first 60, and the others refused: ECS's 429.
  // How many it makes is this machine's business: it goes on until it was refused so often.
  expect(counts['429'] ?? 0, said).toBeGreaterThanOrEqual(500)
  expect(counts['200'] ?? 0, said).toBeGreaterThan(60)
  expect(counts['200'] ?? 0, said).toBeLessThan(60 + 40 * (seconds + 5))
  expect(Math.max(...times)).toBeLessThan(2)
  await rig.stopAndWait(loud, calm)
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
