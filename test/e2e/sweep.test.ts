// Goal: what leaks is found and given back, at start and while the agent runs, and nothing else is
// ever touched: not what tasks hold, not what others made, not on one look. Method: things made by
// hand in the lab's EC2 and in Docker, behind the agent's back; its times scaled down a thousandfold.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  AllocateAddressCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DeleteTagsCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
} from '@aws-sdk/client-ec2'
import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

type Sweep = {
  findings: { what: string; id: string; verdict: string; why: string; taskId?: string }[]
}

/** Ends at once when it is told to. */
const IDLE = 'trap exit TERM; while :; do /busybox sleep 0.1; done'
const FAST = '0.001'
const VANISHED_MS = 3_600

let rig: Rig
let group = ''
let instanceId = ''
beforeAll(async () => {
  rig = await Rig.open()
  const { Reservations = [] } = await rig.ec2.send(new DescribeInstancesCommand({}))
  instanceId = Reservations[0]?.Instances?.[0]?.InstanceId ?? ''
  group = await rig.group('any')
  await rig.define('idle', IDLE)
  await restart(FAST)
})
afterAll(() => rig?.close())

async function restart(scale: string): Promise<void> {
  await rig.endAgent('SIGTERM')
  Object.assign(rig.env, { ENID_SWEEP_SCALE: scale, ENID_EC2_SHARE: '1' })
  await rig.startAgent()
}

const newTaskId = () => randomBytes(16).toString('hex')
const markOf = (row: string, of = instanceId, taskId = newTaskId()) => ({
  'enid:instance': of,
  'enid:holder': taskId,
  'enid:row': row,
})

async function makeEni(tags: Record<string, string>, deviceIndex?: number): Promise<string> {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  const made = new CreateNetworkInterfaceCommand({
    SubnetId: await rig.subnetId(),
    TagSpecifications: [{ ResourceType: 'network-interface', Tags }],
  })
  const { NetworkInterface } = await rig.ec2.send(made)
  const NetworkInterfaceId = NetworkInterface?.NetworkInterfaceId ?? ''
  if (deviceIndex === undefined) return NetworkInterfaceId
  const at = { NetworkInterfaceId, InstanceId: instanceId, DeviceIndex: deviceIndex }
  await rig.ec2.send(new AttachNetworkInterfaceCommand(at))
  return NetworkInterfaceId
}

async function makeContainer(labels: Record<string, string>): Promise<string> {
  const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`])
  const command = [rig.image, '/busybox', 'sh', '-c', IDLE]
  const run = ['run', '--detach', '--network', 'none', ...flags, ...command]
  return (await must('docker', run)).trim()
}

const containers = async () =>
  (await must('docker', ['ps', '--all', '--quiet', '--no-trunc'])).split('\n').filter(Boolean)

async function sweep(...flags: string[]): Promise<Sweep> {
  const { code, stdout, stderr } = await rig.enid('sweep', '--json', ...flags)
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as Sweep
}

/** Long enough for many sweeps at this pace. */
const manySweeps = async () => {
  for (let n = 0; n < 5; n++) {
    await sweep()
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

// P42
test('leaks are given back while tasks, foreign things and other hosts’ things stay', async () => {
  const [taskId = ''] = await rig.run('idle', [group])
  const eniId = fact(await rig.waitFor(taskId, 'RUNNING'), 'networkInterfaceId')
  const mine = await rig.containers()
  const foreign = {
    free: await makeEni({ Name: 'foreign' }),
    attached: await makeEni({ Name: 'foreign' }, 9),
    container: await makeContainer({ owner: 'somebody' }),
    theirs: await makeContainer(markOf('sandbox', 'i-0123456789abcdef0')),
  }
  const leaked = {
    free: await makeEni(markOf('eni:0')),
    attached: await makeEni(markOf('eni:0'), 7),
    ofTask: await makeEni(markOf('eni:0', instanceId, taskId)),
    app: await makeContainer(markOf('container:app')),
    pause: await makeContainer(markOf('sandbox')),
  }
  const left = async () => [...(await rig.enis()), ...(await containers())]
  const gone = Object.values(leaked)
  await expect
    .poll(async () => (await left()).filter((id) => gone.includes(id)), { timeout: 20_000 })
    .toEqual([])
  await manySweeps()
  expect(await left()).toEqual(expect.arrayContaining([eniId, ...Object.values(foreign)]))
  expect(await rig.containers()).toEqual(mine)
  expect((await rig.task(taskId)).lastStatus).toBe('RUNNING')
  expect((await sweep()).findings).toEqual([])
  expect(rig.agentLog).not.toContain('"event":"doubted"')
  await rig.stopAndWait(taskId)

  const { container, theirs, free, attached } = foreign
  await must('docker', ['rm', '--force', container, theirs])
  await detach(attached)
  for (const NetworkInterfaceId of [free, attached]) {
    await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
  }
}, 180_000)

async function detach(eniId: string): Promise<void> {
  const { Reservations = [] } = await rig.ec2.send(new DescribeInstancesCommand({}))
  const enis = Reservations[0]?.Instances?.[0]?.NetworkInterfaces ?? []
  const found = enis.find(({ NetworkInterfaceId }) => NetworkInterfaceId === eniId)
  const AttachmentId = found?.Attachment?.AttachmentId
  await rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId, Force: true }))
}

// P42
test('what leaked while the agent was dead is given back when it lives again', async () => {
  await rig.endAgent('SIGKILL')
  const leaked = [await makeEni(markOf('eni:0')), await makeEni(markOf('eni:1'), 5)]
  const pause = await makeContainer(markOf('sandbox'))
  await rig.startAgent()
  await expect.poll(() => rig.enis(), { timeout: 20_000 }).toEqual([])
  await expect.poll(() => containers(), { timeout: 20_000 }).not.toContain(pause)
  expect(rig.agentLog).toContain(`sweep: eni ${leaked[0]}: released`)
}, 180_000)

// P43
test('an ENI of an instance that is gone is deleted, but only after its hour', async () => {
  const begun = performance.now()
  await makeEni(markOf('eni:0', 'i-0123456789abcdef0'))
  await expect.poll(() => rig.enis(), { timeout: 30_000, interval: 100 }).toEqual([])
  expect(performance.now() - begun).toBeGreaterThan(VANISHED_MS)
}, 180_000)

// P514
test('a public address of an instance that is gone is released, but only after its hour', async () => {
  const TagSpecifications = (whose: string) => [
    {
      ResourceType: 'elastic-ip' as const,
      Tags: Object.entries(markOf('publicIp:0', whose)).map(([Key, Value]) => ({ Key, Value })),
    },
  ]
  const addresses = async () =>
    ((await rig.ec2.send(new DescribeAddressesCommand({}))).Addresses ?? []).length
  // A host that never had one of its own is not allowed to look at any.
  const { tasks = [] } = await rig.ecs.send(
    new RunTaskCommand({
      taskDefinition: 'idle',
      tags: [{ key: 'enid:publicIp', value: 'new' }],
      networkConfiguration: {
        awsvpcConfiguration: { subnets: [await rig.subnetId()], securityGroups: [group] },
      },
    }),
  )
  const id = tasks[0]?.taskArn?.split('/').at(-1) ?? ''
  await rig.waitFor(id, 'RUNNING')
  expect(await addresses()).toBe(1)
  const begun = performance.now()
  const gone = { TagSpecifications: TagSpecifications('i-0123456789abcdef0') }
  await rig.ec2.send(new AllocateAddressCommand(gone))
  expect(await addresses()).toBe(2)
  await expect.poll(addresses, { timeout: 30_000, interval: 100 }).toBe(1)
  expect(performance.now() - begun).toBeGreaterThan(VANISHED_MS)
  await manySweeps()
  expect(await addresses(), 'its own').toBe(1)
  await rig.stopAndWait(id)
  expect(await addresses()).toBe(0)
}, 90_000)

// P515
test('a lent ENI that EC2 attached when its task was over is told of, and detached by enid sweep', async () => {
  const made = { SubnetId: await rig.subnetId(), Groups: [group] }
  const { NetworkInterface } = await rig.ec2.send(new CreateNetworkInterfaceCommand(made))
  const NetworkInterfaceId = NetworkInterface?.NetworkInterfaceId ?? ''
  await rig.fault({ name: 'effect-lost', action: 'AttachNetworkInterface' })
  const { tasks = [] } = await rig.ecs.send(
    new RunTaskCommand({
      taskDefinition: 'idle',
      tags: [{ key: 'enid:eniId', value: NetworkInterfaceId }],
      networkConfiguration: { awsvpcConfiguration: { subnets: [made.SubnetId] } },
    }),
  )
  const id = tasks[0]?.taskArn?.split('/').at(-1) ?? ''
  const said = async () => (await rig.enid('describe', id, '--json')).stdout
  await expect.poll(said, { timeout: 20_000 }).toContain('attachment:0')
  await rig.stopAndWait(id)
  await rig.enid('lab', 'fault', 'clear')
  // Now it takes effect: to EC2 it is an Attach like any other.
  const at = { NetworkInterfaceId, InstanceId: instanceId, DeviceIndex: 1 }
  await rig.ec2.send(new AttachNetworkInterfaceCommand(at))
  const told = `sweep: eni ${NetworkInterfaceId}: it is attached at index 1`
  await expect.poll(() => rig.agentLog, { timeout: 30_000 }).toContain(told)
  await expect.poll(() => rig.agentLog, { timeout: 30_000 }).toContain('enid sweep detaches it')
  const status = async () => {
    const asked = new DescribeNetworkInterfacesCommand({
      NetworkInterfaceIds: [NetworkInterfaceId],
    })
    return (await rig.ec2.send(asked)).NetworkInterfaces?.[0]?.Status
  }
  expect(await status(), 'nobody has said so').toBe('in-use')
  await sweep()
  await expect.poll(status, { timeout: 10_000 }).toBe('available')
  await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
}, 90_000)

// P47
test('nothing is given back on one look, and a dry run says what would be', async () => {
  await restart('1')
  const taskId = newTaskId()
  const eniId = await makeEni(markOf('eni:0', instanceId, taskId))
  const waits = {
    what: 'eni',
    id: eniId,
    taskId,
    row: 'eni:0',
    verdict: 'wait',
    why: `no task ${taskId} is known here; released when it is still so after 60 s`,
  }
  expect((await sweep('--dry-run')).findings).toEqual([waits])
  expect((await sweep()).findings).toEqual([waits])
  expect((await sweep()).findings).toEqual([waits])
  expect(await rig.enis()).toEqual([eniId])
  const shown = await rig.enid('sweep', '--dry-run')
  expect(shown.stdout).toMatch(new RegExp(`^WHAT .*\neni .*${eniId}.* wait .*no task ${taskId}`))
  await restart(FAST)
  await expect.poll(() => rig.enis(), { timeout: 20_000 }).toEqual([])
  expect((await rig.enid('sweep')).stdout).toMatch(/nothing to give back/)
}, 180_000)

// P49
test('a task whose ENI lost its tags goes on, and what to do about it is said', async () => {
  const [taskId = ''] = await rig.run('idle', [group])
  const eniId = fact(await rig.waitFor(taskId, 'RUNNING'), 'networkInterfaceId')
  const Tags = [{ Key: 'enid:instance' }, { Key: 'enid:holder' }]
  await rig.ec2.send(new DeleteTagsCommand({ Resources: [eniId], Tags }))
  await manySweeps()
  const [finding] = (await sweep()).findings
  expect(finding).toMatchObject({ id: eniId, taskId, verdict: 'leave' })
  expect(finding?.why).toContain('tags were taken off')
  expect((await rig.task(taskId)).lastStatus).toBe('RUNNING')
  await rig.stopAndWait(taskId)
}, 180_000)

// P48
test('tasks of another state file run on, are told of, and go when somebody says so', async () => {
  const [taskId = ''] = await rig.run('idle', [group])
  const eniId = fact(await rig.waitFor(taskId, 'RUNNING'), 'networkInterfaceId')
  const running = await rig.containers()
  await rig.endAgent('SIGTERM')
  // Docker tells the second of a container's creation, and the new state file has to be younger.
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  const stateDir = rig.env.ENID_STATE_DIR ?? ''
  rig.env.ENID_STATE_DIR = join(stateDir, '..', 'another')
  await rig.startAgent()
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  expect(await rig.containers()).toEqual(running)
  expect(await rig.enis()).toEqual([eniId])
  expect(rig.agentLog).toContain('another state file, and in use: enid sweep gives it back')
  await expect
    .poll(async () => [...(await sweep()).findings, ...(await rig.enis())], { timeout: 20_000 })
    .toEqual([])
  expect(await rig.containers()).toEqual([])
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
