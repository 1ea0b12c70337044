// Goal: what others do behind an agent's back, each seen in EC2 and in the fabric; at once, later, or
// in the wake of a call. Method: the SDK as client, a fabric of memory.

import {
  CreateSecurityGroupCommand,
  CreateTagsCommand,
  DescribeSecurityGroupsCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FaultRig, makeFaultRig } from './fault-rig.ts'
import { errorOf } from './rig.ts'

let rig: FaultRig
beforeEach(async () => {
  rig = await makeFaultRig()
})
afterEach(() => rig.end())

const isGone = async (eniId: string) =>
  (await errorOf(rig.describe(eniId))).code === 'InvalidNetworkInterfaceID.NotFound'

async function makeGroup(name: string): Promise<string> {
  const { GroupId = '' } = await rig.ec2.send(
    new CreateSecurityGroupCommand({ GroupName: name, Description: 'x', VpcId: rig.vpcId }),
  )
  return GroupId
}

describe('done at once', () => {
  test('forced-detach: link and attachment are gone, the ENI is there', async () => {
    const eni = await rig.attached('task-1')
    const other = await rig.attached('task-2')
    const fault = await rig.fault('forced-detach', { task: 'task-1' })
    expect(fault).toMatchObject({ seen: 1, fired: 1 })
    expect(fault.hits[0]?.what).toBe(eni.NetworkInterfaceId)
    expect((await rig.describe(eni.NetworkInterfaceId)).Status).toBe('available')
    expect([...rig.fabric.ports.keys()]).toEqual([other.NetworkInterfaceId])
  })

  test('eni-deleted: the ENI is gone, and its link', async () => {
    const eni = await rig.attached()
    await rig.fault('eni-deleted', { eni: eni.NetworkInterfaceId })
    expect(await isGone(eni.NetworkInterfaceId)).toBe(true)
    expect(rig.fabric.ports.size).toBe(0)
  })

  test('group-deleted: the group is gone; who wore it alone wears the default one', async () => {
    const [web, more] = [await makeGroup('web'), await makeGroup('more')]
    await rig.query(
      `Action=AuthorizeSecurityGroupIngress&GroupId=${more}&IpPermissions.1.IpProtocol=-1` +
        `&IpPermissions.1.Groups.1.GroupId=${web}`,
    )
    const alone = await rig.createEni({ Groups: [web] })
    const both = await rig.createEni({ Groups: [web, more] })
    await rig.attach(both.NetworkInterfaceId)
    await rig.fault('group-deleted', { group: web })
    const groupsOf = async (eniId: string) =>
      (await rig.describe(eniId)).Groups?.map(({ GroupId }) => GroupId)
    expect(await groupsOf(alone.NetworkInterfaceId)).toEqual([rig.defaultGroup])
    expect(await groupsOf(both.NetworkInterfaceId)).toEqual([more])
    expect(rig.fabric.groups.has(web)).toBe(false)
    const gone = rig.ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [web] }))
    expect((await errorOf(gone)).code).toBe('InvalidGroup.NotFound')
    expect((await errorOf(rig.createEni({ Groups: [web] }))).code).toBe('InvalidGroup.NotFound')

    await rig.fault('group-deleted', { eni: both.NetworkInterfaceId })
    expect(await groupsOf(both.NetworkInterfaceId), 'an ENI’s own').toEqual([rig.defaultGroup])
  })

  test('groups-changed: the ENI wears another group, in force', async () => {
    const [web, other] = [await makeGroup('web'), await makeGroup('other')]
    const eni = await rig.createEni({ Groups: [web] })
    await rig.attach(eni.NetworkInterfaceId)
    const worn = () => rig.fabric.ports.get(eni.NetworkInterfaceId)?.groupIds
    await rig.fault('groups-changed', { eni: eni.NetworkInterfaceId, group: other })
    expect(worn()).toEqual([other])
    await rig.fault('groups-changed', { eni: eni.NetworkInterfaceId })
    expect(worn()).toEqual([rig.defaultGroup])
  })

  test('tags-stripped: the ENI has no tag any more', async () => {
    const eni = await rig.attached('task-1')
    const kept = await rig.attached('task-2')
    await rig.fault('tags-stripped', { task: 'task-1' })
    expect((await rig.describe(eni.NetworkInterfaceId)).TagSet).toEqual([])
    expect((await rig.describe(kept.NetworkInterfaceId)).TagSet).toHaveLength(1)
    await rig.ec2.send(
      new CreateTagsCommand({ Resources: [eni.NetworkInterfaceId], Tags: [{ Key: 'a' }] }),
    )
  })

  test('foreign-eni: takes slots, until the instance is full', async () => {
    const small = await makeFaultRig('t3.small')
    try {
      const eni = await small.createEni()
      await small.fault('foreign-eni', { times: 2 })
      expect(small.fabric.ports.size).toBe(2)
      const error = await errorOf(small.attach(eni.NetworkInterfaceId, 9))
      expect(error.code).toBe('AttachmentLimitExceeded')
      await expect(small.fault('foreign-eni')).rejects.toThrow('exceeds the limit for t3.small')
      expect(await small.faults(), 'one that could not be done is not on').toHaveLength(1)
    } finally {
      await small.end()
    }
  })

  test('befalls one ENI unless told more, chosen again by the same seed', async () => {
    for (let n = 0; n < 12; n++) await rig.attached()
    const before = rig.fabric.ports.size
    await rig.fault('forced-detach')
    expect(rig.fabric.ports.size).toBe(before - 1)
    await rig.fault('forced-detach', { times: 3 })
    expect(rig.fabric.ports.size).toBe(before - 4)
    const fault = await rig.fault('tags-stripped', { times: 100 }).catch((e: Error) => e.message)
    expect(fault, 'there are no tags').toMatch(/Nothing to do it to/)
    const half = await rig.fault('eni-deleted', { times: 100, likelihood: 0.5, seed: 4 })
    expect(half.seen).toBe(12)
    expect(half.fired).toBeGreaterThan(2)
    expect(half.fired).toBeLessThan(10)
  })

  test('never befalls the host’s own ENI or a probe’s, and says when there is no other', async () => {
    await rig.ask('POST', 'probes', {})
    for (const name of ['forced-detach', 'eni-deleted', 'tags-stripped', 'groups-changed']) {
      await expect(rig.fault(name)).rejects.toThrow('Nothing to do it to')
    }
    await expect(rig.fault('group-deleted', { group: rig.defaultGroup })).rejects.toThrow(
      'is a default group',
    )
    expect(await rig.faults()).toEqual([])
    expect(rig.lab.region.world.enis.size).toBe(2)
  })
})

describe('done later', () => {
  test('so many seconds from now, unless it was taken back', async () => {
    const eni = await rig.attached()
    const fault = await rig.fault('eni-deleted', { seconds: 30 })
    await rig.fault('forced-detach', { seconds: 40 })
    await rig.ask('DELETE', `faults/${fault.id}`)
    await rig.pass(30_000)
    expect(rig.fabric.ports.size).toBe(1)
    await rig.pass(10_000)
    expect((await rig.describe(eni.NetworkInterfaceId)).Status).toBe('available')
    expect((await rig.faults())[0]).toMatchObject({ name: 'forced-detach', fired: 1 })
  })

  test('a deed that finds nothing any more is no error', async () => {
    const eni = await rig.createEni()
    await rig.fault('eni-deleted', { seconds: 5 })
    await rig.remove(eni.NetworkInterfaceId)
    await rig.pass(5000)
    expect((await rig.faults())[0]).toMatchObject({ seen: 0, fired: 0 })
  })
})

describe('in the wake of a call', () => {
  test('to the ENI of that call, before it is answered', async () => {
    await rig.fault('eni-deleted', { action: 'CreateNetworkInterface', calls: [2] })
    const [first, second] = [await rig.createEni(), await rig.createEni()]
    expect((await rig.describe(first.NetworkInterfaceId)).Status).toBe('available')
    expect(await isGone(second.NetworkInterfaceId)).toBe(true)
  })

  test('so many seconds after it, to the task that is named', async () => {
    const options = { action: 'AttachNetworkInterface', task: 'task-1', times: 5, seconds: 4 }
    await rig.fault('forced-detach', options)
    const mine = await rig.attached('task-1')
    const other = await rig.attached('task-2')
    expect(rig.fabric.ports.size).toBe(2)
    await rig.pass(4000)
    expect([...rig.fabric.ports.keys()]).toEqual([other.NetworkInterfaceId])
    await rig.attach(mine.NetworkInterfaceId)
    await rig.pass(4000)
    expect((await rig.faults())[0]).toMatchObject({ seen: 2, fired: 2 })
  })

  test('a call that is refused is followed by nothing', async () => {
    await rig.fault('foreign-eni', { action: 'AttachNetworkInterface' })
    await errorOf(rig.attach('eni-00000000000000000'))
    expect(rig.fabric.ports.size).toBe(0)
  })
})
