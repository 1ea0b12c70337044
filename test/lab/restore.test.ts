// Goal: a stored world is put back into the fabric whole, in an order in which it could be made from
// nothing; what did not outlive the lab goes; what was under way is over. Method: the lab's own EC2
// over a fabric of memory, and a clock that stands still.

import {
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  DetachNetworkInterfaceCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { World } from '../../lab/model/world.ts'
import { restoreOf, survivors } from '../../lab/restore.ts'
import { FakeFabric } from './fake-fabric.ts'
import { makeRig, type Rig } from './rig.ts'

let rig: Rig
/** The world as it was stored last. */
let stored: World | undefined
const timers: (() => void)[] = []

beforeEach(async () => {
  timers.length = 0
  const clock = {
    nowMs: () => 0,
    start: (_ms: number, work: () => void) => {
      timers.push(work)
      return () => {}
    },
  }
  rig = await makeRig('lab.unlimited', clock, (_before, after) => {
    stored = after
  })
})
afterEach(() => rig.end())

async function attach(): Promise<{ eniId: string; attachmentId: string }> {
  const eni = await rig.createEni()
  const attached = await rig.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni.NetworkInterfaceId,
      InstanceId: rig.instanceId,
      DeviceIndex: 1,
    }),
  )
  return { eniId: eni.NetworkInterfaceId, attachmentId: attached.AttachmentId ?? '' }
}

async function restored(world: World): Promise<FakeFabric> {
  const fabric = new FakeFabric()
  await restoreOf(world)(fabric)
  return fabric
}

test('a world comes back into an empty fabric as it was in the old one, groups that name each other too', async () => {
  const [a, b] = [await rig.makeGroup('a'), await rig.makeGroup('b')]
  for (const [GroupId, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const IpPermissions = [{ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: other }] }]
    await rig.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }))
  }
  await attach()
  await rig.lab.probes.add({ groupIds: [a, b] })
  const fabric = await restored(rig.lab.region.world)
  for (const kind of ['acls', 'subnets', 'groups', 'ports'] as const) {
    expect(fabric[kind], kind).toEqual(rig.fabric[kind])
  }
})

test('namespaces that nothing in the world names are taken away, and the others stay', async () => {
  const probe = await rig.lab.probes.add({ name: 'known' })
  const fabric = new FakeFabric()
  for (const name of ['known', 'proof-a']) await fabric.makeNetns(name)
  await restoreOf(rig.lab.region.world)(fabric)
  expect([...fabric.namespaces.keys()]).toEqual(['known'])
  expect(probe.netnsPath).toBe('/run/netns/enid-lab-fake.known')
})

test('a probe whose namespace is gone goes with its ENI, and so does the ENI of one never finished', async () => {
  const { eniId } = await attach()
  const [stays, gone] = [await rig.lab.probes.add({}), await rig.lab.probes.add({})]
  const half = await rig.lab.probes.add({})
  const { world } = rig.lab.region
  const probes = new Map([...world.probes].filter(([id]) => id !== half.probeId))
  const next = survivors({ ...world, probes }, (path) => path !== gone.netnsPath)
  expect([...next.probes.keys()]).toEqual([stays.probeId])
  const [primary = ''] = world.enis.keys()
  expect([...next.enis.keys()]).toEqual([primary, eniId, stays.eniId])
})

// P248
test('a transition that is under way is stored as over, and goes its way in the lab that lives', async () => {
  const { eniId, attachmentId } = await attach()
  await rig.lab.faults.add('detach-slow', { seconds: 60 })
  await rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }))
  const status = (world: World | undefined) => {
    const eni = world?.enis.get(eniId)
    return `${eni?.status} ${eni?.attachment?.status}`
  }
  expect(status(rig.lab.region.world)).toBe('in-use detaching')
  expect(status(stored)).toBe('available undefined')
  // Other changes meanwhile do not undo that.
  await rig.makeGroup('other')
  expect(status(stored)).toBe('available undefined')
  for (const work of timers.splice(0)) work()
  await rig.makeGroup('one more')
  expect(status(rig.lab.region.world)).toBe('available undefined')
  expect(stored).toBe(rig.lab.region.world)
})

test('a reset calls off what is under way, in what is stored as well', async () => {
  const { attachmentId } = await attach()
  await rig.lab.faults.add('detach-slow', { seconds: 60 })
  await rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }))
  await rig.lab.reset()
  expect(stored).toBe(rig.lab.region.world)
  await rig.makeGroup('after')
  expect(stored).toBe(rig.lab.region.world)
})
