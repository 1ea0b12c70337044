// Goal: what EC2 says of an attachment and what is plugged go apart in time as each fault and profile
// says, and nothing that has ended comes back. Method: the SDK as client, a fabric of memory, a clock
// that passes when told. The same on real links: test/net/lab-faults.test.ts.

import { DescribeSubnetsCommand, ModifyNetworkInterfaceAttributeCommand } from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FaultRig, makeFaultRig, ofTask } from './fault-rig.ts'
import { errorOf } from './rig.ts'

let rig: FaultRig
beforeEach(async () => {
  rig = await makeFaultRig()
})
afterEach(() => rig.end())

const plugged = () => rig.fabric.ports.size
const status = async (eniId: string) => {
  const { Attachment, Status } = await rig.describe(eniId)
  return `${Status}/${Attachment?.Status}`
}

describe('the link', () => {
  test('link-never: EC2 says attached, and it never appears; detaching goes as ever', async () => {
    await rig.fault('link-never', { times: 1 })
    const eni = await rig.createEni()
    const attachmentId = await rig.attach(eni.NetworkInterfaceId)
    expect(await status(eni.NetworkInterfaceId)).toBe('in-use/attached')
    await rig.pass(10_000_000)
    expect(plugged()).toBe(0)
    await rig.detach(attachmentId)
    expect(await status(eni.NetworkInterfaceId)).toBe('available/undefined')
    await rig.attach(eni.NetworkInterfaceId)
    expect(plugged(), 'the next time it does').toBe(1)
  })

  test('link-early: it is there before the call is answered', async () => {
    await rig.fault('link-early', { seconds: 3 })
    const eni = await rig.createEni()
    const call = rig.attach(eni.NetworkInterfaceId)
    await rig.clock.waited()
    expect([plugged(), rig.clock.ahead]).toEqual([1, [3000]])
    await rig.pass(3000)
    expect(await call).toMatch(/^eni-attach-/)
  })

  test('link-late: it appears so long after the answer', async () => {
    await rig.fault('link-late', { seconds: 8 })
    const eni = await rig.attached()
    expect(await status(eni.NetworkInterfaceId)).toBe('in-use/attached')
    await rig.pass(7999)
    expect(plugged()).toBe(0)
    await rig.pass(1)
    expect(plugged()).toBe(1)
  })

  test('a late link keeps what was changed meanwhile, and forgets what has ended', async () => {
    await rig.fault('link-late', { seconds: 8 })
    const eni = await rig.createEni()
    const attachmentId = await rig.attach(eni.NetworkInterfaceId)
    const modify = new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: eni.NetworkInterfaceId,
      Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
    })
    await rig.ec2.send(modify)
    const gone = await rig.createEni()
    await rig.detach(await rig.attach(gone.NetworkInterfaceId))
    await rig.remove(gone.NetworkInterfaceId)
    await rig.pass(8000)
    expect([...rig.fabric.ports.keys()]).toEqual([eni.NetworkInterfaceId])
    const { Attachment } = await rig.describe(eni.NetworkInterfaceId)
    expect(Attachment?.DeleteOnTermination).toBe(true)
  })

  test('link-twice: it appears, goes, and appears again', async () => {
    await rig.fault('link-twice', { seconds: 2 })
    await rig.attached()
    const seen = [plugged()]
    for (const ms of [1999, 1, 1999, 1]) {
      await rig.pass(ms)
      seen.push(plugged())
    }
    expect(seen).toEqual([1, 1, 0, 0, 1])
    await rig.pass(100_000)
    expect(plugged()).toBe(1)
  })

  test('link-twice of a late link waits until it has appeared', async () => {
    await rig.fault('link-late', { seconds: 5 })
    await rig.fault('link-twice', { seconds: 1 })
    await rig.attached()
    const seen: number[] = []
    for (let second = 1; second <= 8; second++) {
      await rig.pass(1000)
      seen.push(plugged())
    }
    expect(seen).toEqual([0, 0, 0, 0, 1, 0, 1, 1])
  })

  test('is of the task that is named, and of no other', async () => {
    await rig.fault('link-never', { task: 'task-1' })
    await rig.attached('task-1')
    const other = await rig.attached('task-2')
    expect([...rig.fabric.ports.keys()]).toEqual([other.NetworkInterfaceId])
    await rig.createEni(ofTask('task-1'))
    const [fault] = await rig.faults()
    expect(fault).toMatchObject({ seen: 1, fired: 1, task: 'task-1' })
  })
})

describe('what EC2 says', () => {
  test('attach-slow: attaching for so long, and the link there all the same', async () => {
    await rig.fault('attach-slow', { seconds: 15 })
    const eni = await rig.attached()
    expect([await status(eni.NetworkInterfaceId), plugged()]).toEqual(['in-use/attaching', 1])
    await rig.pass(15_000)
    expect([await status(eni.NetworkInterfaceId), plugged()]).toEqual(['in-use/attached', 1])
  })

  test('detach-slow: detaching for so long, not to be deleted, and the link gone', async () => {
    await rig.fault('detach-slow', { seconds: 60 })
    const eni = await rig.createEni()
    const attachmentId = await rig.attach(eni.NetworkInterfaceId)
    await rig.detach(attachmentId)
    expect([await status(eni.NetworkInterfaceId), plugged()]).toEqual(['in-use/detaching', 0])
    expect((await errorOf(rig.remove(eni.NetworkInterfaceId))).message).toMatch(/in use/)
    await rig.detach(attachmentId)
    await rig.pass(59_999)
    expect(await status(eni.NetworkInterfaceId)).toBe('in-use/detaching')
    await rig.pass(1)
    expect(await status(eni.NetworkInterfaceId)).toBe('available/undefined')
    await rig.remove(eni.NetworkInterfaceId)
  })

  test('an attach that settles late does not end the detach that came after it', async () => {
    await rig.fault('attach-slow', { seconds: 5 })
    await rig.fault('detach-slow', { seconds: 60 })
    const eni = await rig.createEni()
    await rig.detach(await rig.attach(eni.NetworkInterfaceId))
    await rig.pass(5000)
    expect(await status(eni.NetworkInterfaceId)).toBe('in-use/detaching')
  })
})

describe('a profile', () => {
  const profile = (name: string, more = {}) => rig.ask('POST', 'profile', { name, ...more })
  test('aws: pending, then available; attaching, then attached and linked, each in its time', async () => {
    await profile('aws', { seed: 3 })
    const eni = await rig.answered(rig.createEni())
    await rig.answered(rig.attach(eni.NetworkInterfaceId))
    await profile('fast')
    expect(plugged(), 'after the answer, not before').toBe(0)
    await rig.pass(60_000)
    expect([await status(eni.NetworkInterfaceId), plugged()]).toEqual(['in-use/attached', 1])
  })

  test('aws: a new ENI is pending for half a second, and may be deleted in it for good', async () => {
    await profile('aws')
    const { NetworkInterfaceId: eniId } = await rig.answered(rig.createEni(), 10)
    await profile('fast')
    expect((await rig.describe(eniId)).Status).toBe('pending')
    await rig.remove(eniId)
    await rig.pass(1000)
    expect((await errorOf(rig.describe(eniId))).code).toMatch(/NotFound$/)
  })

  test('is replayed by its seed: the same times for the same calls', async () => {
    const times = async (seed: number) => {
      await profile('aws', { seed })
      const call = rig.createEni()
      await rig.clock.waited()
      const { ahead } = rig.clock
      await rig.answered(call)
      await rig.pass(10_000)
      return ahead
    }
    const first = await times(5)
    expect(await times(5)).toEqual(first)
    expect(await times(6)).not.toEqual(first)
  })

  test('hostile: hangs some describes, until the lab itself gives up', async () => {
    await profile('hostile', { seed: 1 })
    let hung = 0
    for (let n = 0; n < 60; n++) {
      const call = rig.ec2.send(new DescribeSubnetsCommand({}))
      const outcome = await rig.answered(call, 1000).catch((error: Error) => error.message)
      if (typeof outcome === 'string') hung++
    }
    const { answer } = await rig.ask('GET', 'calls')
    const hits = (answer.recent as { faults?: string[] }[]).filter(({ faults }) =>
      faults?.includes('hostile: describe hangs'),
    )
    expect(hung).toBeGreaterThan(0)
    expect(hung).toBe(hits.length)
  })
})
