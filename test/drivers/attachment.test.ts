// Goal: an ENI is attached once and detached for sure, whatever becomes of the calls, and the guard
// never costs a task. Method and oracle as in eni.test.ts.

import { expect, test } from 'vitest'
import type { Details } from '../../agent/drivers/driver.ts'
import { openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { eniJob, useEc2 } from './ec2-rig.ts'
import { eniDetails, job, never, newHolderId } from './jobs.ts'

const rig = useEc2()
const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

test('an ENI is attached in one call at the chosen index, and detached in one', async () => {
  const { details, holderId } = await rig.withEni()
  const given = job('attachment:0', { holderId, choice: '2', known: { 'eni:0': details } })

  const attached = await rig.attachment().ensure(given, never())
  const made = rig.fake.vpc.enis.get(details.eniId)?.attachment
  expect(made).toMatchObject({ instanceId: rig.host.instanceId, index: 2 })
  expect(attached).toEqual({ attachmentId: made?.id, deviceIndex: 2 })

  const held = job('attachment:0', { known: { 'eni:0': details, 'attachment:0': attached } })
  await rig.attachment().release(held, never())
  expect(rig.fake.actions()).toEqual(['AttachNetworkInterface', 'DetachNetworkInterface'])
  await rig.attachment().release({ ...held, again: true }, never())
  expect(rig.fake.vpc.enis.get(details.eniId)?.attachment).toBeUndefined()
})

test('an Attach whose answer was lost is adopted, with the index that it has', async () => {
  const { details } = await rig.withEni()
  rig.fake.lose('AttachNetworkInterface')
  const given = job('attachment:0', { choice: '3', known: { 'eni:0': details } })
  await expect(rig.attachment().ensure(given, never())).rejects.toEqual(
    failing({ kind: 'transient' }),
  )

  const adopted = await rig.attachment().ensure({ ...given, again: true, choice: '4' }, never())

  const made = rig.fake.vpc.enis.get(details.eniId)?.attachment
  expect(adopted).toEqual({ attachmentId: made?.id, deviceIndex: 3 })
})

test('an Attach without an answer is detached by a release that knows no attachment', async () => {
  const { details } = await rig.withEni()
  rig.fake.lose('AttachNetworkInterface')
  const given = job('attachment:0', { choice: '3', known: { 'eni:0': details } })
  await expect(rig.attachment().ensure(given, never())).rejects.toThrow()
  await rig.attachment().release({ ...given, again: true }, never())
  expect(rig.fake.vpc.enis.get(details.eniId)?.attachment).toBeUndefined()
})

test('an Attach that shows only after its row was released is detached by the delete', async () => {
  const { details, holderId } = await rig.withEni()
  const known = { 'eni:0': details }
  await rig.attachment().ensure(job('attachment:0', { choice: '1', known }), never())
  const given = eniJob({ holderId, known })
  const inUse = failing({ kind: 'transient', message: expect.stringContaining('in use') })
  await expect(rig.eni().release(given, never())).rejects.toEqual(inUse)
  await rig.eni().release({ ...given, again: true }, never())
  expect(rig.fake.vpc.enis.size).toBe(0)
})

test('an ENI that is still being detached is looked at, not deleted in vain', async () => {
  const { details, holderId } = await rig.withEni()
  const given = eniJob({ holderId, known: { 'eni:0': details }, again: true })
  const attachment = { id: 'eni-attach-9', instanceId: rig.host.instanceId, index: 1 }
  const made = rig.fake.vpc.enis.get(details.eniId)
  Object.assign(made ?? {}, { attachment: { ...attachment, status: 'detaching', guard: true } })
  const detaching = failing({ kind: 'transient', code: 'EniDetaching' })
  await expect(rig.eni().release(given, never())).rejects.toEqual(detaching)
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces'])
  delete made?.attachment
  await rig.eni().release(given, never())
  expect(rig.fake.vpc.enis.size).toBe(0)
})

test('an ENI is deleted also where EC2 still shows the attachment that is gone', async () => {
  const { details, holderId } = await rig.withEni()
  const known = { 'eni:0': details }
  await rig.attachment().ensure(job('attachment:0', { choice: '1', known }), never())
  rig.fake.refuse('DetachNetworkInterface', 'InvalidAttachmentID.NotFound')
  const given = eniJob({ holderId, known, again: true })
  const inUse = failing({ kind: 'transient', message: expect.stringContaining('in use') })
  // Were this `lost`, the runner would take the ENI for deleted.
  await expect(rig.eni().release(given, never())).rejects.toEqual(inUse)
  await rig.eni().release(given, never())
  expect(rig.fake.vpc.enis.size).toBe(0)
})

test('a device index that is taken is refused of the choice, a full host for good', async () => {
  const first = await rig.withEni()
  const second = await rig.withEni()
  const at = (details: Details['eni'], choice: string) =>
    job('attachment:0', { choice, known: { 'eni:0': details } })
  await rig.attachment().ensure(at(first.details, '1'), never())

  const taken = rig.attachment().ensure(at(second.details, '1'), never())
  await expect(taken).rejects.toEqual(failing({ kind: 'refused', ofChoice: true }))
  expect(rig.takenCount).toBe(1)

  rig.fake.vpc.attachLimit = 2
  const full = rig.attachment().ensure(at(second.details, '2'), never())
  const limit = { kind: 'refused', code: 'AttachmentLimitExceeded', ofChoice: false }
  await expect(full).rejects.toEqual(failing(limit))
  expect(rig.takenCount).toBe(2)
})

test('an ENI that EC2 does not know everywhere yet is tried again; one gone later is lost', async () => {
  const known = { 'eni:0': eniDetails() }
  const young = job('attachment:0', { choice: '1', known })
  await expect(rig.attachment().ensure(young, never())).rejects.toEqual(
    failing({ kind: 'transient' }),
  )
  const was = { 'attachment:0': { attachmentId: 'eni-attach-1', deviceIndex: 1 } }
  const old = job('attachment:0', { choice: '1', again: true, known: { ...known, ...was } })
  await expect(rig.attachment().ensure(old, never())).rejects.toEqual(failing({ kind: 'lost' }))
})

test('an ENI that is attached elsewhere, or being detached, is not adopted', async () => {
  const { details } = await rig.withEni()
  const given = job('attachment:0', { choice: '1', again: true, known: { 'eni:0': details } })
  const worn = { id: 'eni-attach-9', index: 1, status: 'attached', guard: false }
  Object.assign(rig.fake.vpc.enis.get(details.eniId) ?? {}, {
    attachment: { ...worn, instanceId: 'i-other' },
  })
  const elsewhere = failing({ kind: 'refused', code: 'EniAttachedElsewhere' })
  await expect(rig.attachment().ensure(given, never())).rejects.toEqual(elsewhere)
  Object.assign(rig.fake.vpc.enis.get(details.eniId) ?? {}, {
    attachment: { ...worn, instanceId: rig.host.instanceId, status: 'detaching' },
  })
  const leaving = failing({ kind: 'transient', code: 'EniDetaching' })
  await expect(rig.attachment().ensure(given, never())).rejects.toEqual(leaving)
})

test('the guard sets delete-on-termination, and never makes a task stop', async () => {
  const { details } = await rig.withEni()
  const known = { 'eni:0': details }
  const attached = await rig
    .attachment()
    .ensure(job('attachment:0', { choice: '1', known }), never())
  const given = job('guard:0', { known: { ...known, 'attachment:0': attached } })
  await rig.guard().ensure(given, never())
  expect(rig.fake.vpc.enis.get(details.eniId)?.attachment?.guard).toBe(true)

  rig.fake.refuse('ModifyNetworkInterfaceAttribute', 'InvalidAttachmentID.NotFound')
  await expect(rig.guard().ensure(given, never())).rejects.toEqual(failing({ kind: 'transient' }))
})

test('a task costs three calls up and two down, its subnet none once it is known', async () => {
  const holderId = newHolderId()
  await rig.subnets.prepare(['subnet-a'], never())
  rig.fake.actions()
  const details = await rig.eni().ensure(eniJob({ holderId }), never())
  const known: Record<string, Details['eni'] | Details['attachment']> = { 'eni:0': details }
  const at = { holderId, choice: '1', known }
  known['attachment:0'] = await rig.attachment().ensure(job('attachment:0', at), never())
  await rig.guard().ensure(job('guard:0', at), never())
  await rig.attachment().release(job('attachment:0', at), never())
  await rig.eni().release(job('eni:0', at), never())
  expect(rig.fake.actions()).toEqual([
    'CreateNetworkInterface',
    'AttachNetworkInterface',
    'ModifyNetworkInterfaceAttribute',
    'DetachNetworkInterface',
    'DeleteNetworkInterface',
  ])
})

// P33
test('lookups of one moment travel in one call', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, () => rig.withEni()))
  rig.fake.actions()
  const lookup = openEniLookup(rig.ec2)
  const found = await Promise.all(made.map(({ details }) => lookup.byId(details.eniId, never())))
  expect(found.map((eni) => eni?.NetworkInterfaceId)).toEqual(made.map((m) => m.details.eniId))
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces'])
})
