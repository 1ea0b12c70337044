// Goal: a launch takes over a warm spare with no EC2 call, or with one where its groups differ, and no
// process of it runs before they hold; a spare is in no launch's way; what becomes of it when the
// agent dies, or when it fails, is seen from outside. Method: a real lab, agent and dockerd on an
// instance with three slots for tasks, the lab's own log of calls, real packets.

import { DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2'
import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fact, Rig } from './rig.ts'

type Pool = {
  securityGroupIds: string[]
  wanted: number
  ready: string[]
  making: string[]
  served: { warm: number; groups: number; cold: number }
  failedCount: number
  lastFailure?: { spareId: string; reason: string }
}
type Spares = { isOn: boolean; limit: number; why: string; pools: Pool[]; givenUpCount: number }
type Calls = Record<string, number>

let rig: Rig
let subnet = ''
let warm = ''
let other = ''
let server = ''
let serverIp = ''
beforeAll(async () => {
  rig = await Rig.open('m5.xlarge')
  subnet = await rig.subnetId()
  warm = await rig.group('warm')
  other = await rig.group('other')
  const open = await rig.group(
    'server',
    { port: 81, fromGroup: warm },
    { port: 82, fromGroup: other },
  )
  const page = 'mkdir /www; echo yes > /www/index.html'
  await rig.define(
    'server',
    `${page}; /busybox httpd -p 81 -h /www; /busybox httpd -f -p 82 -h /www`,
  )
  // A name of its own: a restart makes sure of the server's container as well.
  await rig.define('idle', 'exec /busybox sleep 600', { name: 'late' })
  await rig.define('named', 'exec /busybox sleep 600', { hostname: 'named' })
  ;[server = ''] = await rig.run('server', [open])
  serverIp = fact(await rig.waitFor(server, 'RUNNING'), 'privateIPv4Address')
  // The first thing that the first process does, once for each group, is to ask the server.
  const ask = (port: number) =>
    `/busybox timeout 2 /busybox wget -q -O - http://${serverIp}:${port}/`
  const told = `${ask(82)} && echo 82; ${ask(81)} && echo 81; echo asked; exec /busybox sleep 600`
  await rig.define('asks', told)
}, 120_000)
afterAll(() => rig?.close())

async function restart(settings: Record<string, string>, fault?: string): Promise<void> {
  await rig.endAgent('SIGTERM')
  Object.assign(rig.env, { ENID_EC2_SHARE: '1', ...settings })
  await rig.startAgent(fault)
}

const keepOne = () => ({ ENID_SPARE_POOLS: `${subnet}:${warm}=1` })

async function spares(): Promise<Spares> {
  const answer = await fetch(`${rig.ecsUrl}/status`)
  return ((await answer.json()) as { spares: Spares }).spares
}

/** The id of the pool's one spare, when it is ready and nothing else is under way. */
async function ready(): Promise<string> {
  const seen = async () => {
    const { pools } = await spares()
    return pools.map((pool) => [pool.ready.length, pool.making.length])
  }
  await expect.poll(seen, { timeout: 30_000 }).toEqual([[1, 0]])
  return (await spares()).pools[0]?.ready[0] ?? ''
}

async function counts(): Promise<Calls> {
  const answer = await fetch(`${rig.env.AWS_ENDPOINT_URL_EC2}/lab/calls`)
  const { actions } = (await answer.json()) as { actions: Record<string, { calls: number }> }
  return Object.fromEntries(Object.entries(actions).map(([name, { calls }]) => [name, calls]))
}

/** What arrived at the lab since; a look of the sweep may come at any moment. */
async function callsSince(before: Calls): Promise<Calls> {
  const since = Object.entries(await counts())
    .filter(([name]) => name !== 'DescribeNetworkInterfaces')
    .map(([name, calls]) => [name, calls - (before[name] ?? 0)] as const)
  return Object.fromEntries(since.filter(([, calls]) => calls > 0))
}

/** RunTask, and nothing that asks the lab. */
async function run(family: string, group: string, count = 1): Promise<string[]> {
  const awsvpcConfiguration = { subnets: [subnet], securityGroups: [group] }
  const networkConfiguration = { awsvpcConfiguration }
  const asked = new RunTaskCommand({ taskDefinition: family, count, networkConfiguration })
  const { tasks = [], failures = [] } = await rig.ecs.send(asked)
  expect(failures).toEqual([])
  return tasks.map(({ taskArn = '' }) => taskArn.split('/').at(-1) ?? '')
}

/** The ports at which the task's first process was answered. */
async function answersOf(taskId: string): Promise<string[]> {
  const log = async () => (await rig.enid('logs', taskId)).stdout
  await expect.poll(log, { timeout: 15_000 }).toContain('asked')
  return (await log()).split('\n').filter((line) => /^8[12]$/.test(line))
}

const taskIds = async (): Promise<string[]> => {
  const { stdout } = await rig.enid('ps', '--json', '--all')
  return (JSON.parse(stdout) as { tasks: { taskId: string }[] }).tasks.map(({ taskId }) => taskId)
}

async function eniOf(holderId: string) {
  const Filters = [{ Name: 'tag:enid:holder', Values: [holderId] }]
  const { NetworkInterfaces = [] } = await rig.ec2.send(
    new DescribeNetworkInterfacesCommand({ Filters }),
  )
  return NetworkInterfaces[0]
}

type IpLink = { ifname: string; address: string; flags: string[]; operstate: string }
const linksOf = async (id: string): Promise<IpLink[]> =>
  JSON.parse((await rig.inside(id, 'ip', '-j', 'link')).stdout) as IpLink[]

// P450
test('without a setting there are none, and none is made', async () => {
  const { isOn, pools } = await spares()
  expect([isOn, pools]).toEqual([false, []])
  expect(await rig.enis()).toHaveLength(1)
})

// P451
test('a spare stands ready: attached, guarded, in its groups, its link inside and down, and is no task', async () => {
  await restart(keepOne())
  const id = await ready()
  const eni = await eniOf(id)
  expect(eni?.Attachment).toMatchObject({ Status: 'attached', DeleteOnTermination: true })
  expect(eni?.Groups?.map(({ GroupId }) => GroupId)).toEqual([warm])
  const link = (await linksOf(id)).find(({ ifname }) => ifname === 'eth0')
  expect(link?.address).toBe(eni?.MacAddress)
  expect(link?.flags).not.toContain('UP')
  const { stdout: rules } = await rig.inside(id, 'nft', 'list', 'ruleset')
  expect(rules).toContain('169.254.169.254')
  expect(await taskIds()).not.toContain(id)
  const { stdout } = await rig.enid('spares')
  expect(stdout).toMatch(new RegExp(`${subnet} +${warm} +1/1 +0 +0 +0 +0 +0\\n`))
}, 180_000)

// P452
test('a launch in its groups takes it over: under its id, with no call to EC2', async () => {
  const id = await ready()
  const before = await counts()
  const [taskId = ''] = await run('asks', warm)
  expect(taskId).toBe(id)
  const task = await rig.waitFor(taskId, 'RUNNING')
  expect(await callsSince(before)).toEqual({})
  expect(task.createdAt?.getTime()).toBeGreaterThan(Date.now() - 30_000)
  expect(await answersOf(taskId)).toEqual(['81'])
  expect((await spares()).pools[0]?.served).toEqual({ warm: 1, groups: 0, cold: 0 })
  await rig.stopAndWait(taskId)
  const gone = fact(task, 'networkInterfaceId')
  expect(await rig.enis(), 'deleted, not kept for another').not.toContain(gone)
}, 180_000)

// P453
test('a launch in other groups takes it over with one call, and its first process meets the new ones', async () => {
  const id = await ready()
  const before = await counts()
  const [taskId = ''] = await run('asks', other)
  expect(taskId).toBe(id)
  await rig.waitFor(taskId, 'RUNNING')
  expect(await callsSince(before)).toEqual({ ModifyNetworkInterfaceAttribute: 1 })
  // Port 81 is for the groups that the spare wore, 82 for those of the task.
  expect(await answersOf(taskId)).toEqual(['82'])
  await rig.stopAndWait(taskId)
}, 180_000)

// P454
test('a group that there is none of fails the task, which never wears the groups of the pool', async () => {
  await ready()
  const [taskId = ''] = await run('idle', 'sg-0123456789abcdef0')
  const task = await rig.waitFor(taskId, 'STOPPED')
  expect(task.stoppedReason).toContain('InvalidGroup.NotFound')
  expect(task.containers?.[0]?.runtimeId).toBeUndefined()
}, 180_000)

// P455
test('launches that fit no spare get its slot: they wait for it, say so, and run', async () => {
  await ready()
  const before = (await spares()).givenUpCount
  await rig.fault({ name: 'detach-slow', times: 1, seconds: 4 })
  // One slot is free, and the spare has the other.
  const ids = await run('named', warm, 2)
  const waits = async () =>
    (await Promise.all(ids.map((id) => rig.enid('describe', id))))
      .map(({ stdout }) => stdout)
      .join()
  await expect.poll(waits, { timeout: 5_000 }).toContain('A warm spare is given up for it')
  for (const id of ids) await rig.waitFor(id, 'RUNNING', 120_000)
  const { pools, givenUpCount } = await spares()
  expect(givenUpCount).toBe(before + 1)
  expect(pools[0]?.ready).toEqual([])
  await rig.stopAndWait(...ids)
}, 120_000)

// P456
test.each([
  ['before began ensure image:late', 'the same groups', () => warm],
  ['after effect ensure eni:0', 'other groups', () => other],
  ['after effect ensure container:late', 'the same groups', () => warm],
])(
  'an agent that dies %s of a launch in %s finishes it as the same task',
  async (point, _groups, group) => {
    const id = await ready()
    await restart({}, point)
    expect(await ready(), 'a restart costs no spare').toBe(id)
    // The first of these points lies inside of RunTask itself: then its answer never comes.
    await run('idle', group()).catch(() => [])
    await rig.agentDeath()
    await rig.startAgent()
    await rig.waitFor(id, 'RUNNING')
    expect((await eniOf(id))?.Groups?.map(({ GroupId }) => GroupId)).toEqual([group()])
    await rig.stopAndWait(id)
  },
  90_000,
)

// P457
test('a spare that is hurt is given back, named with its reason, and another one is made', async () => {
  const id = await ready()
  await rig.inside(id, 'ip', 'link', 'set', 'eth0', 'up')
  const failure = async () => (await spares()).pools[0]?.lastFailure
  await expect.poll(failure, { timeout: 15_000 }).toMatchObject({ spareId: id })
  expect((await failure())?.reason).toContain('link:0: up: false, seen true')
  expect(await ready()).not.toBe(id)
}, 180_000)

// P458
test('a drained host gives its spares up, and makes none', async () => {
  await ready()
  await rig.enid('drain', '--keep-tasks')
  const left = async () => {
    const { pools, limit, why } = await spares()
    return [pools.flatMap((pool) => [...pool.ready, ...pool.making]), limit, why]
  }
  await expect.poll(left, { timeout: 15_000 }).toEqual([[], 0, expect.stringContaining('DRAINING')])
  await rig.enid('drain', '--undo')
  await ready()
}, 180_000)

// P459
test('idle spares of a pool that is none any more are given up, and nothing is left', async () => {
  await ready()
  await restart({ ENID_SPARE_POOLS: '' })
  await expect.poll(() => rig.enis(), { timeout: 30_000 }).toHaveLength(1)
  await rig.stopAndWait(server)
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
