// Goal: whatever goes wrong, the task stops with the cause in plain words, and nothing is left.
// Method: each thing done for real to a real task.

import {
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
} from '@aws-sdk/client-ec2'
import type { Task } from '@aws-sdk/client-ecs'
import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { slowness } from '../slowness.ts'
import { fact, Rig } from './rig.ts'

const idle = 'exec /busybox sleep 600'

describe('on a host with room', () => {
  let rig: Rig
  let group = ''
  beforeAll(async () => {
    rig = await Rig.open()
    group = await rig.group('any')
  })
  afterAll(() => rig?.close())
  afterEach(async () => {
    expect(await rig.enis()).toEqual([])
    expect(await rig.containers()).toEqual([])
  })

  const stopped = async (id: string) => {
    const task = await rig.waitFor(id, 'STOPPED', 120_000)
    return `${task.stopCode}: ${task.stoppedReason}`
  }

  // P136
  test('an essential container that exits takes its task along, with its exit code', async () => {
    await rig.define('short', 'exit 7')
    const [id = ''] = await rig.run('short', [group])
    expect(await stopped(id)).toBe(
      'EssentialContainerExited: Essential container in task exited: app (exit code 7)',
    )
    expect((await rig.task(id)).containers?.[0]?.exitCode).toBe(7)
  }, 180_000)

  // P138
  test('a command that is not in the image', async () => {
    await rig.define('wrong', idle, { command: ['/no/such/program'] })
    const [id = ''] = await rig.run('wrong', [group])
    expect(await stopped(id)).toMatch(
      /^TaskFailedToStart: CannotStartContainerError: .*no such file or directory/,
    )
  }, 180_000)

  // P138
  test('an image that is nowhere', async () => {
    await rig.define('missing', idle, { image: '127.0.0.1:9/enid/no-such-image:1' })
    const [id = ''] = await rig.run('missing', [group])
    expect(await stopped(id)).toMatch(/^TaskFailedToStart: CannotPullContainerError: /)
  }, 180_000)

  // P138
  test('a security group that does not exist', async () => {
    await rig.define('idle', idle)
    const [id = ''] = await rig.run('idle', ['sg-00000000000000000'])
    expect(await stopped(id)).toMatch(
      /^TaskFailedToStart: InvalidGroup\.NotFound: .*sg-00000000000000000/,
    )
  }, 180_000)

  // P62
  test('a pause container that is killed', async () => {
    await rig.define('idle', idle)
    const [id = ''] = await rig.run('idle', [group])
    await rig.waitFor(id, 'RUNNING')
    await must('docker', ['kill', await rig.containerId(id, 'sandbox')])
    expect(await stopped(id)).toMatch(
      /^EssentialContainerExited: PauseGone: .*pause container.* is dead\. Run the task again/,
    )
  }, 180_000)

  // P62
  test.each([
    ['killed', ['kill']],
    ['removed', ['rm', '--force']],
  ])(
    'a container that is %s from outside',
    async (_, order) => {
      await rig.define('idle', idle)
      const [id = ''] = await rig.run('idle', [group])
      await rig.waitFor(id, 'RUNNING')
      await must('docker', [...order, await rig.containerId(id, 'container:app')])
      expect(await stopped(id)).toMatch(
        /^EssentialContainerExited: ContainerKilled: .*container app \(exit code 137\).*enid stop/,
      )
    },
    60_000,
  )

  /** Detaches the ENI of a running task as an operator does, by force. When it was asked for. */
  const detach = async (task: Task) => {
    const eniId = fact(task, 'networkInterfaceId')
    const described = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] })
    const { NetworkInterfaces = [] } = await rig.ec2.send(described)
    const AttachmentId = NetworkInterfaces[0]?.Attachment?.AttachmentId
    const begun = performance.now()
    await rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId, Force: true }))
    return begun
  }
  const linkGone =
    /^EssentialContainerExited: LinkGone: .*card is gone from the host\. .*detached.*run the task again/

  // P68
  test('an ENI that is detached from outside, after a second and not ten', async () => {
    await rig.define('idle', idle)
    const [id = ''] = await rig.run('idle', [group])
    const task = await rig.waitFor(id, 'RUNNING')
    const slow = slowness()
    const begun = await detach(task)
    const desired = async () => (await rig.task(id)).desiredStatus
    await expect.poll(desired, { interval: 10, timeout: 15_000 }).toBe('STOPPED')
    const ms = performance.now() - begun
    console.log(`told to stop ${ms.toFixed(0)} ms after its ENI was detached`)
    // 0.6 s of them the card may be on its way, or plugged in anew.
    expect(ms / Math.max(slow, slowness())).toBeLessThan(1_500)
    expect(await stopped(id)).toMatch(linkGone)
  }, 180_000)

  // P62
  test('an ENI that was detached while the agent was away', async () => {
    await rig.define('idle', idle)
    const [id = ''] = await rig.run('idle', [group])
    const task = await rig.waitFor(id, 'RUNNING')
    await rig.endAgent('SIGKILL')
    await detach(task)
    await rig.startAgent()
    expect(await stopped(id)).toMatch(linkGone)
  }, 180_000)

  // P62
  test('an ENI that is deleted from outside, of which nothing is left', async () => {
    await rig.define('idle', idle)
    const [id = ''] = await rig.run('idle', [group])
    const eniId = fact(await rig.waitFor(id, 'RUNNING'), 'networkInterfaceId')
    await rig.fault({ name: 'eni-deleted', task: id })
    expect(await stopped(id)).toMatch(/LinkGone|InvalidNetworkInterfaceID\.NotFound/)
    expect(await rig.enis()).not.toContain(eniId)
    const mine = await must('docker', ['ps', '-aq', '--filter', `label=enid:holder=${id}`])
    expect(mine).toBe('')
  }, 180_000)

  // P135
  test('a stop while the task is still starting', async () => {
    await rig.define('idle', idle)
    for (const delayMs of [0, 20, 60, 120, 250, 400]) {
      const [id = ''] = await rig.run('idle', [group])
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      await rig.stop(id, 'changed my mind')
      expect(await stopped(id)).toBe('UserInitiated: changed my mind')
    }
  }, 180_000)

  // P137
  test('a container that ignores SIGTERM is killed after its stopTimeout, not before', async () => {
    await rig.define('deaf', 'trap "" TERM; while :; do /busybox sleep 1; done', { stopTimeout: 3 })
    const [id = ''] = await rig.run('deaf', [group])
    await rig.waitFor(id, 'RUNNING')
    const asked = performance.now()
    await rig.stopAndWait(id)
    expect(performance.now() - asked).toBeGreaterThan(2_900)
    expect((await rig.task(id)).containers?.[0]?.exitCode).toBe(137)
  }, 180_000)
})

describe('on an m5.large', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await Rig.open('m5.large')
  })
  afterAll(() => rig?.close())

  // P152
  test('two tasks fit beside the instance’s own ENI; a third is refused at once, with the numbers', async () => {
    await rig.define('idle', idle)
    const group = await rig.group('any')
    const subnets = [await rig.subnetId()]
    const run = (count: number) =>
      rig.ecs.send(
        new RunTaskCommand({
          taskDefinition: 'idle',
          count,
          networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups: [group] } },
        }),
      )
    const { tasks = [], failures = [] } = await run(3)
    expect(tasks).toHaveLength(2)
    expect(failures).toMatchObject([
      { reason: 'RESOURCE:ENI', detail: expect.stringContaining('m5.large carries 3 ENIs, 3 are') },
    ])
    expect((await run(1)).tasks).toEqual([])
    const ids = tasks.map(({ taskArn = '' }) => taskArn.split('/').at(-1) ?? '')
    for (const id of ids) await rig.waitFor(id, 'RUNNING')
    await rig.stopAndWait(...ids)
    expect((await run(1)).tasks).toHaveLength(1)
  }, 180_000)
})
