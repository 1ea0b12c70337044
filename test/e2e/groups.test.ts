// Goal: security groups that somebody changed behind the agent's back are told, and put back only by
// setting; whatever comes of it, the task runs on. Method: a web server in a task, asked from inside
// the VPC with real packets, its groups changed in the lab's EC2; the sweep a thousandfold faster.

import {
  DescribeNetworkInterfacesCommand,
  ModifyNetworkInterfaceAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fact, Rig } from './rig.ts'

type Detail = {
  findings: { id: string; row: string; verdict: string; why: string }[]
  waiting: { row: string; code: string; reason: string }[]
}

let rig: Rig
let own = ''
let quarantine = ''
let taskId = ''
let eniId = ''
let address = ''
let containers: string[] = []
let startedAt: Date | undefined
beforeAll(async () => {
  rig = await Rig.open()
  own = await rig.group('own', { port: 80, cidr: '10.0.0.0/16' })
  quarantine = await rig.group('quarantine')
  await rig.define('web', 'mkdir /www; echo yes > /www/index.html; /busybox httpd -f -p 80 -h /www')
  await restart('false')
  ;[taskId = ''] = await rig.run('web', [own])
  const task = await rig.waitFor(taskId, 'RUNNING')
  eniId = fact(task, 'networkInterfaceId')
  address = fact(task, 'privateIPv4Address')
  startedAt = task.startedAt
  containers = await rig.containers()
}, 180_000)
afterAll(() => rig?.close())

async function restart(keep: 'true' | 'false'): Promise<void> {
  await rig.endAgent('SIGTERM')
  const settings = { ENID_SWEEP_SCALE: '0.001', ENID_EC2_SHARE: '1', ENID_KEEP_GROUPS: keep }
  Object.assign(rig.env, settings)
  await rig.startAgent()
}

async function wear(...Groups: string[]): Promise<void> {
  const input = { NetworkInterfaceId: eniId, Groups }
  await rig.ec2.send(new ModifyNetworkInterfaceAttributeCommand(input))
}

async function worn(): Promise<string[]> {
  const asked = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] })
  const { NetworkInterfaces = [] } = await rig.ec2.send(asked)
  return (NetworkInterfaces[0]?.Groups ?? []).map(({ GroupId }) => GroupId ?? '')
}

/** What a program inside the VPC gets of the task's page. */
async function page(): Promise<string> {
  const curl = ['curl', '-sS', '--max-time', '2', `http://${address}/`]
  return (await rig.enid('lab', 'exec', '--', ...curl)).stdout.trim()
}

async function detail(): Promise<Detail> {
  return (await fetch(`${rig.ecsUrl}/tasks/${taskId}`)).json() as Promise<Detail>
}

/** The same containers since the same moment: nothing was started again, nothing was stopped. */
async function expectUntouched(): Promise<void> {
  const { lastStatus, startedAt: since } = await rig.task(taskId)
  expect([lastStatus, since]).toEqual(['RUNNING', startedAt])
  expect(await rig.containers()).toEqual(containers)
}

// P96
test('are left as somebody set them, and told: in the log, of the task and of the host', async () => {
  expect(await page()).toBe('yes')
  await wear(quarantine)
  const verdicts = async () => (await detail()).findings.map(({ verdict }) => verdict)
  await expect.poll(verdicts, { timeout: 15_000 }).toEqual(['leave'])
  await new Promise((resolve) => setTimeout(resolve, 1_000))

  expect(await worn()).toEqual([quarantine])
  expect(await page(), 'the quarantine holds').toBe('')
  const why = `${eniId} wears ${quarantine}; the task's own are ${own}; changed behind our back`
  const found = { id: eniId, row: 'eni:0', verdict: 'leave', why: expect.stringContaining(why) }
  expect((await detail()).findings).toMatchObject([found])
  const status = (await (await fetch(`${rig.ecsUrl}/status`)).json()) as Detail
  expect(status.findings).toMatchObject([{ taskId, ...found }])
  expect((await rig.enid('describe', taskId)).stdout).toContain(
    `found: eni ${eniId}, leave: ${why}`,
  )
  expect(rig.agentLog.split(why), 'logged once').toHaveLength(2)
  expect(rig.agentLog).not.toContain('"event":"doubted"')
  await expectUntouched()
}, 180_000)

// P97
test('are put back where they are to be kept, and enforced, while the task runs on', async () => {
  await restart('true')
  await expect.poll(worn, { timeout: 15_000 }).toEqual([own])
  expect(await page()).toBe('yes')
  await wear(own, quarantine)
  await expect.poll(worn, { timeout: 15_000 }).toEqual([own])
  await expect.poll(async () => (await detail()).findings, { timeout: 15_000 }).toEqual([])
  expect((await detail()).waiting).toEqual([])
  await expectUntouched()
}, 180_000)

// P98
test('of which one was deleted cannot be put back: told with the remedy, and tried again', async () => {
  await rig.fault({ name: 'group-deleted', group: own })
  const waits = async () => (await detail()).waiting.map(({ row, code }) => `${row} ${code}`)
  await expect.poll(waits).toEqual(['eni:0 InvalidGroup.NotFound'])
  const [waiting] = (await detail()).waiting
  expect(waiting?.reason).toContain(`${eniId} cannot be put into ${own}`)
  expect(waiting?.reason).toContain('Run the task again with others')
  await expectUntouched()
}, 180_000)

test('and nothing is left', async () => {
  await rig.stopAndWait(taskId)
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
