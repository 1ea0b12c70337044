// Goal: a drained host takes no tasks and leaves nothing of those it had; under a termination notice
// tasks are down in time and their ENIs are left to EC2, which is not called. Method: a real lab and
// agent on Docker; the lab announces the end, and its log says which calls arrived.

import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rig } from './rig.ts'

let rig: Rig
let group = ''
let subnet = ''
beforeAll(async () => {
  rig = await Rig.open()
  // What is held back after the announced end is held for a tenth of two minutes.
  rig.env.ENID_TIMEOUT_SCALE = '0.1'
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
  group = await rig.group('web', { port: 80, cidr: '10.0.0.0/16' })
  subnet = await rig.subnetId()
  await rig.define('idle', 'exec /busybox sleep 600')
  // Deaf to SIGTERM, and given two minutes to hear it.
  const deaf = 'trap "" TERM; while :; do /busybox sleep 1; done'
  await rig.define('deaf', deaf, { stopTimeout: 120 })
})
afterAll(() => rig?.close())

const status = async () => (await fetch(`${rig.ecsUrl}/status`)).json() as Promise<Status>
type Status = {
  status: string
  draining?: { why: string; endsAt?: string }
  waiting: { taskId: string; row: string; code: string; reason: string }[]
}

/** RunTask as it is answered. */
async function runTask() {
  const awsvpcConfiguration = { subnets: [subnet], securityGroups: [group] }
  const networkConfiguration = { awsvpcConfiguration }
  return rig.ecs.send(new RunTaskCommand({ taskDefinition: 'idle', networkConfiguration }))
}

/** The calls that change something, as the lab counted them. */
async function mutations(): Promise<Record<string, number>> {
  const answer = await fetch(`${rig.env.AWS_ENDPOINT_URL_EC2}/lab/calls`)
  const { actions } = (await answer.json()) as { actions: Record<string, { calls: number }> }
  const counts = Object.entries(actions).map(([name, { calls }]) => [name, calls] as const)
  return Object.fromEntries(counts.filter(([name]) => !name.startsWith('Describe')))
}

const isTakingTasks = async () => (await status()).status

// P91
test('enid drain stops everything, is minded by RunTask and by later lives, and can be undone', async () => {
  const ids = [...(await rig.run('idle', [group], 2)), ...(await rig.run('idle', [group]))]
  for (const id of ids) await rig.waitFor(id, 'RUNNING')
  const drained = await rig.enid('drain', '--reason', 'new kernel', '--json')
  expect(drained, drained.stderr).toMatchObject({ code: 0 })
  expect(JSON.parse(drained.stdout).tasks).toHaveLength(3)
  for (const id of ids) {
    const stopped = { stopCode: 'UserInitiated', stoppedReason: 'Host drained: new kernel' }
    expect(await rig.task(id)).toMatchObject({ lastStatus: 'STOPPED', ...stopped })
  }
  expect([await rig.enis(), await rig.containers()]).toEqual([[], []])

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const { tasks, failures } = await runTask()
    expect(tasks).toEqual([])
    expect(failures).toMatchObject([
      { reason: 'INACTIVE', detail: expect.stringContaining('new kernel. Run the task elsewhere') },
    ])
    const refused = await rig.enid('run', 'idle')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('INACTIVE: this host is DRAINING since')
    await rig.endAgent(signal)
    await rig.startAgent()
  }
  expect(await status()).toMatchObject({ status: 'DRAINING', draining: { why: 'new kernel' } })

  expect((await rig.enid('drain', '--undo')).stdout).toBe('ACTIVE  this host takes tasks\n')
  const { tasks = [] } = await runTask()
  const id = tasks[0]?.taskArn?.split('/').at(-1) ?? ''
  await rig.waitFor(id, 'RUNNING')
  expect((await rig.enid('drain', '--keep-tasks')).code).toBe(0)
  expect((await runTask()).failures).toHaveLength(1)
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  await rig.enid('drain', '--undo')
  await rig.stopAndWait(id)
}, 120_000)

// P92
test('a termination notice: tasks are down in time, EC2 is not called, and what outlives it is given back', async () => {
  const [idle = '', deaf = ''] = [
    ...(await rig.run('idle', [group])),
    ...(await rig.run('deaf', [group])),
  ]
  for (const id of [idle, deaf]) await rig.waitFor(id, 'RUNNING')
  // The guard is set beside the start: nothing waits for it.
  const rowsHeld = async (id: string) =>
    JSON.parse((await rig.enid('describe', id, '--json')).stdout).tasks[0].rows.every(
      ({ is }: { is: string }) => is === 'held',
    )
  for (const id of [idle, deaf]) await expect.poll(() => rowsHeld(id)).toBe(true)
  const before = await mutations()
  const enisBefore = await rig.enis()
  await rig.enid('lab', 'fault', 'add', 'spot-interruption', '--seconds', '20')
  const announcedAt = Date.now()

  await expect.poll(isTakingTasks, { timeout: 10_000 }).toBe('DRAINING')
  const { draining } = await status()
  const endsAt = Date.parse(draining?.endsAt ?? '')
  expect(Math.abs(endsAt - announcedAt - 20_000)).toBeLessThan(2_000)
  expect(draining?.why).toMatch(/^EC2 terminates this instance at .*spot interruption notice/)
  expect((await runTask()).failures?.[0]?.detail).toMatch(/Run the task elsewhere$/)

  for (const id of [idle, deaf]) {
    await rig.waitFor(id, 'DEPROVISIONING')
    const { stopCode, stoppedReason } = await rig.task(id)
    expect([stopCode, stoppedReason]).toEqual(['TerminationNotice', draining?.why])
  }
  await expect.poll(() => rig.containers(), { timeout: 25_000 }).toEqual([])
  expect(Date.now(), 'in time, also the one that is deaf').toBeLessThan(endsAt)

  // A restart in between holds on to it.
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  const held = async () =>
    (await status()).waiting.map(({ taskId, row, code }) => `${taskId} ${row} ${code}`).sort()
  const both = [idle, deaf].map((id) => `${id} guard:0 LeftToEc2`).sort()
  await expect.poll(held).toEqual(both)
  const described = (await rig.enid('describe', idle)).stdout
  expect(described).toMatch(/waiting: release guard:0 .*is left to EC2, which deletes it with this/)
  expect(await rig.enis()).toEqual(enisBefore)
  await new Promise((resolve) => setTimeout(resolve, endsAt + 5_000 - Date.now()))
  expect(await mutations(), 'EC2 was not called').toEqual(before)
  expect(await held()).toEqual(both)

  // The instance lives on, twelve seconds and more: the ordinary way down goes on.
  for (const id of [idle, deaf]) await rig.waitFor(id, 'STOPPED', 120_000)
  expect(await rig.enis()).toEqual([])
  expect((await status()).status, 'it is still announced').toBe('DRAINING')
  await rig.enid('lab', 'fault', 'clear')
  await expect.poll(isTakingTasks, { timeout: 30_000 }).toBe('ACTIVE')
}, 180_000)

// P94
test('a notice that is taken back is over: what was held is given back, and tasks are taken', async () => {
  const [id = ''] = await rig.run('idle', [group])
  await rig.waitFor(id, 'RUNNING')
  await rig.enid('lab', 'fault', 'add', 'target-terminated')
  await rig.waitFor(id, 'DEPROVISIONING')
  expect((await rig.task(id)).stoppedReason).toMatch(/^Auto Scaling terminates this instance/)
  await rig.enid('lab', 'fault', 'clear')
  await expect.poll(isTakingTasks, { timeout: 30_000 }).toBe('ACTIVE')
  await rig.waitFor(id, 'STOPPED', 120_000)
  const [next = ''] = await rig.run('idle', [group])
  await rig.waitFor(next, 'RUNNING')
  await rig.stopAndWait(next)
}, 120_000)

test('a spot stop deletes nothing, so everything is given back before it', async () => {
  const [id = ''] = await rig.run('idle', [group])
  await rig.waitFor(id, 'RUNNING')
  await rig.enid('lab', 'fault', 'add', 'spot-stop', '--seconds', '60')
  const task = await rig.waitFor(id, 'STOPPED')
  expect(task.stoppedReason).toMatch(/^EC2 stops this instance at /)
  expect(await rig.enis()).toEqual([])
  await rig.enid('lab', 'fault', 'clear')
  await expect.poll(isTakingTasks, { timeout: 30_000 }).toBe('ACTIVE')
}, 180_000)

// P94
test('IMDS that is away or fails for a while announces nothing, and is not hammered', async () => {
  const [id = ''] = await rig.run('idle', [group])
  await rig.waitFor(id, 'RUNNING')
  for (const fault of ['imds-absent', 'imds-error']) {
    const { stdout } = await rig.enid('lab', 'fault', 'add', fault, '--json')
    await new Promise((resolve) => setTimeout(resolve, 11_000))
    const { faults } = JSON.parse((await rig.enid('lab', 'fault', 'list', '--json')).stdout)
    const [{ seen }] = faults.filter(({ name }: { name: string }) => name === fault)
    // A look every 5 s; a token is asked for again where there is none.
    expect(seen, stdout).toBeGreaterThanOrEqual(2)
    expect(seen, stdout).toBeLessThanOrEqual(6)
    await rig.enid('lab', 'fault', 'clear')
  }
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  expect((await status()).status).toBe('ACTIVE')
  await rig.stopAndWait(id)
}, 180_000)

test('nothing is left', async () => {
  expect([await rig.enis(), await rig.containers()]).toEqual([[], []])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
