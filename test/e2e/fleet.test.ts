// Goal: several agents form a fleet on one machine: each on a host of its own with its own dockerd,
// and what they share is the VPC alone. Method: two hosts of a small type as users make them, real
// packets between their tasks, and EC2 as the witness of whose an ENI is.

import { existsSync, globSync } from 'node:fs'
import { DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { Fleet, type FleetHost } from './fleet-rig.ts'
import { fact } from './rig.ts'

const SERVER = 'mkdir -p /www; echo served > /www/index.html; exec /busybox httpd -f -p 80 -h /www'
const IDLE = 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done'

let fleet: Fleet
let a: FleetHost
let b: FleetHost
const groups = { web: '', client: '', stranger: '' }
const tasks = { web: '', client: '', stranger: '' }
let address = ''

beforeAll(async () => {
  fleet = await Fleet.open()
  groups.client = await fleet.group('client')
  groups.stranger = await fleet.group('stranger')
  groups.web = await fleet.group('web', 80, groups.client)
  ;[a, b] = await Promise.all([fleet.add('a', 'c5.large'), fleet.add('b', 'c5.large')])
}, 180_000)

afterAll(() => fleet?.close())

/** Those of this fleet's hosts that have cgroups, of their dockerd's or their agent's making. */
const cgroups = () => {
  const has = (...paths: string[]) =>
    globSync(paths.flatMap((path) => [`/sys/fs/cgroup/${path}`, `/sys/fs/cgroup/*/${path}`]))
      .length > 0
  return [a, b]
    .filter(({ facts: { name, instanceId } }) =>
      has(`enid-lab/${fleet.name}.${name}`, `enid/${instanceId}.*`),
    )
    .map(({ facts: { name } }) => name)
}

const page = ['/bin/busybox', 'timeout', '2', '/bin/busybox', 'wget', '-q', '-O', '-']
const served = async (task: string) => {
  const { code, stdout } = await b.inside(task, ...page, `http://${address}/`)
  return code === 0 ? stdout.trim() : 'nothing'
}

/** The links of the machine's own namespace. */
const linksHere = async (): Promise<string[]> => {
  const links = JSON.parse(await must('ip', ['-j', 'link'])) as { ifname: string }[]
  return links.map(({ ifname }) => ifname)
}

// P270
test('tasks of two hosts reach each other across the fabric as their groups allow', async () => {
  const before = await linksHere()
  const [web, client, stranger] = await Promise.all([
    a.run(SERVER, [groups.web]),
    b.run(IDLE, [groups.client]),
    b.run(IDLE, [groups.stranger]),
  ])
  Object.assign(tasks, { web: web.id, client: client.id, stranger: stranger.id })
  address = fact(await a.waitFor(web.id, 'RUNNING'), 'privateIPv4Address')
  for (const { id } of [client, stranger]) await b.waitFor(id, 'RUNNING')
  expect(await served(client.id)).toBe('served')
  expect(await served(stranger.id)).toBe('nothing')
  // Each ENI is its own host's, and no link of it is in the machine's own namespace.
  const enis = [await fleet.enisOf(a.facts), await fleet.enisOf(b.facts)]
  expect(enis.map((each) => each.length)).toEqual([1, 2])
  expect(await linksHere()).toEqual(before)
}, 180_000)

// P271
test('a host runs out of slots at its own type’s number, and the other has room left', async () => {
  const { failures } = await b.run(IDLE, [groups.client])
  expect(failures).toEqual([expect.stringContaining('RESOURCE:ENI')])
  const second = await a.run(IDLE, [groups.client])
  await a.waitFor(second.id, 'RUNNING')
  await a.stop(second.id)
}, 180_000)

// P272
test('the death of one host’s agent and its sweep after it touch nothing of the other', async () => {
  const ids = async (host: FleetHost) =>
    (await fleet.enisOf(host.facts)).map((eni) => eni.NetworkInterfaceId).sort()
  const before = { a: await ids(a), b: await ids(b), pid: await b.pausePid(tasks.client) }
  await a.killAgent()
  expect(await served(tasks.client)).toBe('served')
  await a.startAgent()
  // It sweeps by itself a thousand times as often as ever; these are two looks that it answers for.
  await a.exec('sh', '-c', 'bin/enid sweep && sleep 0.2 && bin/enid sweep')
  expect({ a: await ids(a), b: await ids(b), pid: await b.pausePid(tasks.client) }).toEqual(before)
  expect((await a.task(tasks.web))?.lastStatus).toBe('RUNNING')
  expect((await b.task(tasks.client))?.lastStatus).toBe('RUNNING')
  expect(await served(tasks.client)).toBe('served')
}, 180_000)

// P273
test('a dockerd that dies is told, and a host that is removed leaves nothing; the other goes on', async () => {
  const [eni] = await fleet.enisOf(a.facts)
  const { pid = 0 } = a.facts.dockerd ?? {}
  process.kill(pid, 'SIGKILL')
  while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 10))
  const running = (await fleet.list()).map(({ name, dockerd }) => [name, dockerd?.running])
  expect(Object.fromEntries(running)).toEqual({ home: undefined, a: false, b: true })
  await fleet.host('remove', 'a')
  const byId = { NetworkInterfaceIds: [eni?.NetworkInterfaceId ?? ''] }
  await expect(fleet.ec2.send(new DescribeNetworkInterfacesCommand(byId))).rejects.toMatchObject({
    name: 'InvalidNetworkInterfaceID.NotFound',
  })
  expect(existsSync(`/proc/${a.facts.pid}`)).toBe(false)
  expect(existsSync(a.facts.netns)).toBe(false)
  const folders = ['a', 'b'].map((each) => `/var/lib/enid-lab/${fleet.name}/${each}`)
  expect(folders.map((path) => existsSync(path))).toEqual([false, true])
  expect(cgroups()).toEqual(['b'])
  expect(await served(tasks.client)).toBe('nothing')
  expect((await fleet.list()).map(({ name }) => name)).toEqual(['home', 'b'])
  expect((await b.task(tasks.client))?.lastStatus).toBe('RUNNING')
  await b.stop(tasks.client)
}, 180_000)

// P274
test('with the lab every host ends', async () => {
  const { pid, netns, dockerd } = b.facts
  await fleet.close()
  for (const each of [pid, dockerd?.pid]) expect(existsSync(`/proc/${each}`)).toBe(false)
  expect(existsSync(netns)).toBe(false)
  expect(existsSync(`/var/lib/enid-lab/${fleet.name}`)).toBe(false)
  expect(cgroups()).toEqual([])
}, 180_000)
