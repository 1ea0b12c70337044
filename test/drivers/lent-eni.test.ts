// Goal: an ENI that is lent is used, and left as it was: never made, marked, guarded or deleted, and
// what its owner does with it is not undone; an address that was chosen is asked for and no other.
// Method and oracle as in eni.test.ts.

import { expect, test } from 'vitest'
import { rows } from '../../state/task.ts'
import { eniJob, useEc2 } from './ec2-rig.ts'
import type { FakeEni } from './fake-vpc.ts'
import { eniDetails, job, never, spec } from './jobs.ts'

const rig = useEc2()
const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)
const ID = 'eni-0123456789abcdef0'
const lentSpec = (securityGroupIds: readonly string[] = []) =>
  spec({ enis: [{ subnetIds: ['subnet-a'], securityGroupIds, tags: {}, lentEniId: ID }] })

/** Somebody's ENI in subnet-a. */
function theirs(change: Partial<FakeEni> = {}): FakeEni {
  const eni = {
    ...{ id: ID, token: '', parameters: '', subnetId: 'subnet-a', ipv4: '10.0.0.200' },
    ...{ groups: ['sg-theirs'], tags: { owner: 'them' }, isHidden: false },
    ...change,
  }
  rig.fake.vpc.enis.set(ID, eni)
  return eni
}
const attachedTo = (instanceId: string, index: number) => ({
  attachment: { id: 'eni-attach-9', instanceId, index, status: 'attached', guard: false },
})

const take = (groups?: readonly string[]) =>
  rig.eni().ensure(eniJob({ spec: lentSpec(groups) }), never())

// P408
test('it is taken as it is, without a call that changes anything', async () => {
  const eni = theirs()
  const before = structuredClone(eni)
  expect(await take()).toMatchObject({
    eniId: ID,
    ipv4: '10.0.0.200',
    securityGroupIds: ['sg-theirs'],
    ipv4Gateway: '10.0.0.1',
  })
  expect(eni).toEqual(before)
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces', 'DescribeSubnets'])
  expect(rows(lentSpec()).map(({ id }) => id)).not.toContain('guard:0')
})

// P408
test('it is put into groups only where some are asked for', async () => {
  const eni = theirs()
  expect((await take(['sg-1'])).securityGroupIds).toEqual(['sg-1'])
  expect(eni.groups).toEqual(['sg-1'])
})

// P409
test.for<[string, Partial<FakeEni>, RegExp]>([
  ['of another VPC', { shown: { vpcId: 'vpc-2' } }, /it is in vpc-2, and this host in vpc-1/],
  [
    'of another zone',
    { shown: { availabilityZone: 'us-west-2b' } },
    /in us-west-2b, and this host/,
  ],
  ['of another subnet', { subnetId: 'subnet-b' }, /subnet-b, which is none of .*: subnet-a/],
  [
    'of an AWS service',
    { shown: { requesterManaged: true, requesterId: 'amazon-elb' } },
    /amazon-elb/,
  ],
  ['of a NAT gateway', { shown: { interfaceType: 'nat_gateway' } }, /AWS service \(nat_gateway/],
  ["that is a task's own", { tags: { 'enid:holder': 'x' } }, /task's own: it wears enid's mark/],
  ['that is attached', attachedTo('i-other', 1), /in use: attached to i-other at index 1/],
  ['that is not ready', { shown: { status: 'pending' } }, /its status is pending, not available/],
  ['that is not shown', { isHidden: true }, /EC2 does not show it/],
])('one %s is refused, and its release does nothing', async ([, change, message]) => {
  const eni = theirs(change)
  const before = structuredClone(eni)
  const refused = failing({
    kind: 'refused',
    code: 'EniNotLent',
    message: expect.stringMatching(message),
  })
  await expect(take()).rejects.toEqual(refused)
  rig.fake.actions()
  await rig.eni().release(eniJob({ spec: lentSpec(), choices: { 'attachment:0': '1' } }), never())
  expect(rig.fake.actions()).toEqual([])
  expect(eni).toEqual(before)
})

const known = { 'eni:0': eniDetails({ eniId: ID }) }

// P408
test('its release deletes nothing', async () => {
  theirs()
  await rig.eni().release(eniJob({ spec: lentSpec(), known }), never())
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces'])
  expect(rig.fake.vpc.enis.has(ID)).toBe(true)
})

// P408
test('an Attach of ours that shows only then is detached, and the ENI stays', async () => {
  const eni = theirs(attachedTo(rig.host.instanceId, 3))
  const given = eniJob({ spec: lentSpec(), known, choices: { 'attachment:0': '3' } })
  const going = failing({ kind: 'transient', code: 'EniDetaching' })
  await expect(rig.eni().release(given, never())).rejects.toEqual(going)
  await rig.eni().release({ ...given, again: true }, never())
  expect(eni.attachment).toBeUndefined()
  expect(rig.fake.vpc.enis.has(ID)).toBe(true)
})

// P409
test('its owner’s attachment, on this host too, is neither taken for ours nor undone', async () => {
  const eni = theirs(attachedTo(rig.host.instanceId, 5))
  const given = { spec: lentSpec(), known, choice: '3' }
  const attachment = rig.attachment()
  await attachment.release(job('attachment:0', { ...given, again: true }), never())
  await rig.eni().release(eniJob({ ...given, choices: { 'attachment:0': '3' } }), never())
  expect(eni.attachment?.index).toBe(5)
  const elsewhere = failing({ kind: 'refused', code: 'EniAttachedElsewhere' })
  const again = attachment.ensure(job('attachment:0', { ...given, again: true }), never())
  await expect(again).rejects.toEqual(elsewhere)
})

// P407
test('addresses that were chosen are asked for; one in use is refused for good', async () => {
  const enis = [
    {
      ...{ subnetIds: ['subnet-6'], securityGroupIds: [], tags: {} },
      ...{ ipv4: '10.0.0.99', ipv6: 'fd00::99' },
    },
  ]
  const given = eniJob({ spec: spec({ enis }), choice: 'subnet-6' })
  expect(await rig.eni().ensure(given, never())).toMatchObject({
    ipv4: '10.0.0.99',
    ipv6: 'fd00::99',
  })
  const late = eniJob({ spec: spec({ enis }), choice: 'subnet-6' })
  await expect(rig.eni().ensure(late, never())).rejects.toEqual(
    failing({ kind: 'refused', code: 'InvalidIPAddress.InUse', ofChoice: false }),
  )
  await rig.eni().release(late, never())
  expect(rig.fake.vpc.enis.size, 'nothing was made, and nothing is').toBe(1)
})
