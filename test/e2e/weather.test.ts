// Goal: what EC2 does on a bad day costs a task time at most: never a second ENI, never one that is
// left, never a word less than the cause. Method: the lab's faults, by its own command; the agent as
// users run it, with its waits ten times shorter. Oracle: the lab's EC2, `docker` and `ip -j`.

import {
  DeleteSecurityGroupCommand,
  DescribeNetworkInterfacesCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

const MUTATING = ['Create', 'Attach', 'Detach', 'Delete'].map((verb) => `${verb}NetworkInterface`)
const ALL = [...MUTATING, 'ModifyNetworkInterfaceAttribute']

let rig: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  await rig.endAgent('SIGTERM')
  Object.assign(rig.env, { ENID_TIMEOUT_SCALE: '0.1', ENID_EC2_SHARE: '1' })
  await rig.startAgent()
  group = await rig.group('any')
  await rig.define('idle', 'exec /busybox sleep 600')
})
afterAll(() => rig?.close())
async function lab(...args: string[]): Promise<void> {
  const done = await rig.enid('lab', ...args)
  expect(done, done.stderr).toMatchObject({ code: 0 })
}
const fault = (name: string, ...flags: string[]) => lab('fault', 'add', name, ...flags)

async function eniOf(id: string): Promise<NetworkInterface> {
  const eniId = fact(await rig.task(id), 'networkInterfaceId')
  const asked = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] })
  const { NetworkInterfaces = [] } = await rig.ec2.send(asked)
  return NetworkInterfaces[0] ?? expect.fail(`no ${eniId}`)
}

/** The links inside the task by name, each with its MAC. */
async function linksInside(id: string): Promise<Record<string, string>> {
  const { stdout } = await rig.inside(id, 'ip', '-j', 'link')
  const links = JSON.parse(stdout) as { ifname: string; address: string }[]
  return Object.fromEntries(links.map(({ ifname, address }) => [ifname, address]))
}

describe('bad weather', () => {
  afterEach(async () => {
    await lab('fault', 'clear')
    expect(await rig.enis()).toEqual([])
    expect(await rig.containers()).toEqual([])
  })

  // P77
  test.each([
    ['link-early', '1'],
    ['link-late', '2'],
    ['link-twice', '0.1'],
  ])(
    'a card of %s by %s s is taken in by its MAC, and nothing beside it',
    async (name, seconds) => {
      await fault(name, '--seconds', seconds, '--times', '1')
      const [id = ''] = await rig.run('idle', [group])
      const mac = fact(await rig.waitFor(id, 'RUNNING'), 'macAddress')
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      await expect
        .poll(() => linksInside(id), { timeout: 15_000 })
        .toEqual({ lo: '00:00:00:00:00:00', eth0: mac })
      expect((await rig.task(id)).lastStatus).toBe('RUNNING')
      await rig.stopAndWait(id)
    },
    60_000,
  )

  // P78
  test('cards that never come stop their own tasks, with the cause, and give everything back', async () => {
    await fault('link-never', '--times', '2')
    const lost = await rig.run('idle', [group], 2)
    await expect.poll(async () => (await rig.enis()).length).toBe(2)
    await expect
      .poll(async () => (await rig.enid('lab', 'fault', 'list', '--json')).stdout)
      .toMatch(/"fired": ?2/)
    const [id = ''] = await rig.run('idle', [group])
    await rig.waitFor(id, 'RUNNING')
    for (const each of lost) {
      const { stoppedReason, stopCode } = await rig.waitFor(each, 'STOPPED', 120_000)
      expect(stopCode).toBe('TaskFailedToStart')
      expect(stoppedReason).toMatch(/^LinkNotSeen: gave up after \d+ s: /)
    }
    expect(await rig.enis()).toEqual([fact(await rig.task(id), 'networkInterfaceId')])
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
    await rig.stopAndWait(id)
  }, 180_000)

  // P75
  test.each(['reply-lost', 'effect-lost', 'connection-reset', 'error-500', 'error-503'])(
    '%s at every call once: the task runs on one ENI, and leaves none',
    async (name) => {
      for (const action of ALL) await fault(name, '--action', action, '--times', '1')
      const [id = ''] = await rig.run('idle', [group])
      await rig.waitFor(id, 'RUNNING')
      expect(await rig.enis()).toEqual([fact(await rig.task(id), 'networkInterfaceId')])
      await rig.stopAndWait(id)
    },
    60_000,
  )

  // P76
  test('half of all calls throttled: three tasks start and stop, each on one ENI', async () => {
    await fault('request-limit', '--likelihood', '0.5', '--seed', '3')
    const ids = await rig.run('idle', [group], 3)
    for (const id of ids) await rig.waitFor(id, 'RUNNING', 90_000)
    await lab('fault', 'clear')
    const enis = await Promise.all(ids.map(async (id) => (await eniOf(id)).NetworkInterfaceId))
    expect((await rig.enis()).toSorted()).toEqual(enis.toSorted())
    await fault('request-limit', '--likelihood', '0.5', '--seed', '4')
    await rig.stopAndWait(...ids)
  }, 180_000)

  // P79
  test('an ENI that cannot be guarded serves its task all the same, and is guarded later', async () => {
    await fault('error-500', '--action', 'ModifyNetworkInterfaceAttribute', '--times', '4')
    const [id = ''] = await rig.run('idle', [group])
    await rig.waitFor(id, 'RUNNING')
    expect((await eniOf(id)).Attachment?.DeleteOnTermination).toBe(false)
    const { stdout } = await rig.enid('describe', id, '--json')
    expect(stdout).toContain('guard:0')
    expect(stdout).toContain('InternalError')
    await expect
      .poll(async () => (await eniOf(id)).Attachment?.DeleteOnTermination, { timeout: 20_000 })
      .toBe(true)
    await rig.stopAndWait(id)
  }, 180_000)

  // P80
  test('an Attach that is refused for good gives the ENI back, and its group can be deleted', async () => {
    const own = await rig.group('own')
    const drop = () => rig.ec2.send(new DeleteSecurityGroupCommand({ GroupId: own }))
    await fault('attachment-limit', '--times', '1')
    const [id = ''] = await rig.run('idle', [own])
    const { stoppedReason } = await rig.waitFor(id, 'STOPPED')
    expect(stoppedReason).toMatch(/^AttachmentLimitExceeded: .*use a larger type/)
    const [next = ''] = await rig.run('idle', [own])
    await rig.waitFor(next, 'RUNNING')
    await expect(drop()).rejects.toMatchObject({ name: 'DependencyViolation' })
    await rig.stopAndWait(next)
    await drop()
  }, 180_000)

  // P81
  test('a device index that somebody took just before costs one call, not the task', async () => {
    await fault('index-race', '--times', '1')
    const [id = ''] = await rig.run('idle', [group])
    await rig.waitFor(id, 'RUNNING')
    expect((await eniOf(id)).Attachment?.DeviceIndex).toBe(2)
    await rig.stopAndWait(id)
    // The foreign ENI stays: it is not ours to take away.
    const left = await rig.enis()
    expect(left).toHaveLength(1)
    await lab('fault', 'add', 'eni-deleted', '--eni', left[0] ?? '')
  }, 180_000)

  // P88
  test('pictures of EC2 that are older than a task do not stop it, however many looks agree', async () => {
    const restart = async (sweepScale: string) => {
      await rig.endAgent('SIGTERM')
      rig.env.ENID_SWEEP_SCALE = sweepScale
      await rig.startAgent()
    }
    await restart('0.01')
    await fault('stale-describe', '--seconds', '60')
    const [id = ''] = await rig.run('idle', [group])
    await rig.waitFor(id, 'RUNNING')
    const described = async () => (await rig.enid('describe', id, '--json')).stdout
    await expect.poll(described, { timeout: 20_000 }).toContain('EC2 may show an old picture')
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
    await lab('fault', 'clear')
    await expect.poll(described, { timeout: 40_000 }).not.toContain('old picture')
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
    await restart('1')
    await rig.stopAndWait(id)
  }, 120_000)

  // P16
  test.each(['runs', 'is being stopped'])(
    'a task that %s has lost everything when the agent comes back: it ends, and nothing is left',
    async (how) => {
      const [id = ''] = await rig.run('idle', [group])
      const eniId = fact(await rig.waitFor(id, 'RUNNING'), 'networkInterfaceId')
      const gone = await rig.containers()
      if (how === 'is being stopped') await rig.stop(id, 'enough')
      await rig.endAgent('SIGKILL')
      await must('docker', ['rm', '--force', ...gone])
      await fault('eni-deleted', '--eni', eniId)
      await rig.startAgent()
      const { stoppedReason } = await rig.waitFor(id, 'STOPPED')
      expect(stoppedReason).toMatch(how === 'runs' ? /PauseGone|NotFound|LinkGone/ : /^enough$/)
      const [next = ''] = await rig.run('idle', [group])
      await rig.waitFor(next, 'RUNNING')
      await rig.stopAndWait(next)
    },
    60_000,
  )
})

test('nothing is left', async () => {
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
