// Goal: each EC2 driver converges whatever becomes of its call: answered, refused, lost after the
// deed, not yet visible. Method: the real SDK against a small EC2 on loopback, with one fault each;
// then the same job again, as the runner would; the oracle is that EC2's own map of ENIs.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { attachmentDriver } from '../../agent/drivers/attachment.ts'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { type Ec2, type Ec2Call, openEc2 } from '../../agent/drivers/ec2.ts'
import { eniDriver } from '../../agent/drivers/eni.ts'
import { openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { guardDriver } from '../../agent/drivers/guard.ts'
import { openSubnets, type Subnets } from '../../agent/drivers/subnets.ts'
import { FakeEc2 } from './fake-ec2.ts'
import { eniDetails, job, mark, never, newHolderId, newHost, spec } from './jobs.ts'

const host = newHost()
const calls: Ec2Call[] = []
let fake: FakeEc2
let ec2: Ec2
let subnets: Subnets

beforeAll(async () => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-west-2',
  })
})

beforeEach(async () => {
  await close()
  fake = new FakeEc2(host.instanceId)
  process.env.AWS_ENDPOINT_URL_EC2 = await fake.open()
  ec2 = openEc2({ onCall: (call) => calls.push(call) })
  subnets = openSubnets({ ec2, vpcId: 'vpc-1' })
  calls.length = 0
})

afterAll(close)

async function close(): Promise<void> {
  await ec2?.close()
  fake?.close()
}

const eni = () => eniDriver({ ec2, lookup: openEniLookup(ec2), subnets, host })
const attachment = () => attachmentDriver({ ec2, lookup: openEniLookup(ec2), host })
const guard = () => guardDriver({ ec2 })

/** A job of `eni:0` in subnet-a. */
const eniJob = (change: Parameters<typeof job>[1] = {}): Job =>
  job('eni:0', { choice: 'subnet-a', ...change })

const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

/** An ENI that is there, and a job of its attachment. */
async function withEni(): Promise<{ details: Details['eni']; holderId: string }> {
  const holderId = newHolderId()
  const details = await eni().ensure(eniJob({ holderId }), never())
  fake.actions()
  return { details, holderId }
}

test('an ENI is made in one call that carries subnet, groups, mark, tags and token', async () => {
  const enis = [{ subnetIds: ['subnet-6'], securityGroupIds: ['sg-1', 'sg-2'], tags: { a: 'b' } }]
  const given = eniJob({ spec: spec({ enis }), choice: 'subnet-6' })

  const details = await eni().ensure(given, never())

  const [made] = fake.vpc.enis.values()
  expect(made?.groups).toEqual(['sg-1', 'sg-2'])
  expect(made?.token).toBe(given.token)
  const name = `ecs-web-${given.holderId.slice(0, 8)}`
  expect(made?.tags).toEqual({ Name: name, a: 'b', ...mark(host, given) })
  expect(details).toEqual({
    eniId: made?.id,
    mac: '02:aa:00:00:00:05',
    subnetId: 'subnet-6',
    vpcId: 'vpc-1',
    ipv4: made?.ipv4,
    ipv6: 'fd00::5',
    ipv4PrefixLength: 24,
    ipv4Gateway: '10.0.0.1',
    privateDnsName: `ip-${made?.ipv4.replaceAll('.', '-')}.us-west-2.compute.internal`,
    securityGroupIds: ['sg-1', 'sg-2'],
  })
  expect(fake.actions()).toEqual(['DescribeSubnets', 'CreateNetworkInterface'])
})

test('without groups none are sent, so that EC2 fills in the default group of the VPC', async () => {
  const enis = [{ subnetIds: ['subnet-a'], securityGroupIds: [], tags: {} }]
  const details = await eni().ensure(eniJob({ spec: spec({ enis }) }), never())
  expect(details.securityGroupIds).toEqual(['sg-default'])
})

test('a Create whose answer was lost is repeated with its token and finds the same ENI', async () => {
  fake.lose('CreateNetworkInterface')
  const given = eniJob()
  await expect(eni().ensure(given, never())).rejects.toEqual(failing({ kind: 'transient' }))

  const { eniId } = await eni().ensure({ ...given, again: true }, never())

  expect([...fake.vpc.enis.keys()]).toEqual([eniId])
})

test.for([
  ['InsufficientFreeAddressesInSubnet', 'no room', true],
  ['InsufficientCidrBlocks', 'no room', true],
  ['InvalidParameterValue', "There aren't sufficient free Ipv4 addresses or prefixes", true],
  ['InvalidSubnetID.NotFound', 'no such subnet', true],
  ['InvalidGroup.NotFound', 'no such group', false],
  ['UnauthorizedOperation', 'no', false],
  ['SomethingNobodyHeardOf', 'what?', false],
] as const)('a Create refused with %s (%s) is refused, of the choice alone: %s', async (given) => {
  const [code, message, ofChoice] = given
  fake.refuse('CreateNetworkInterface', code, message)
  await expect(eni().ensure(eniJob(), never())).rejects.toEqual(
    failing({ kind: 'refused', code, ofChoice, message: expect.stringContaining(message) }),
  )
})

test.for([
  ['RequestLimitExceeded', 503],
  ['InternalError', 500],
  ['SomethingNobodyHeardOf', 502],
] as const)('a Create refused with %s (HTTP %i) is transient', async ([code, status]) => {
  fake.refuse('CreateNetworkInterface', code, code, status)
  await expect(eni().ensure(eniJob(), never())).rejects.toEqual(
    failing({ kind: 'transient', code }),
  )
  expect(calls.at(-1)).toMatchObject({ action: 'CreateNetworkInterface', code, requestId: 'req-1' })
})

test('a subnet without room has no free addresses until EC2 is asked again', async () => {
  fake.refuse('CreateNetworkInterface', 'InsufficientFreeAddressesInSubnet')
  await expect(eni().ensure(eniJob(), never())).rejects.toThrow()
  expect(subnets.known('subnet-a')?.freeAddressCount).toBe(0)
})

test('an EC2 that never answers is given up in time, one that is not there at once', async () => {
  fake.hang('DeleteNetworkInterface')
  const impatient = openEc2({ timeoutScale: 0.05 })
  const driver = eniDriver({ ec2: impatient, lookup: openEniLookup(impatient), subnets, host })
  const given = eniJob({ known: { 'eni:0': eniDetails() } })
  const unanswered = failing({ kind: 'transient', code: 'Ec2Unreachable' })
  await expect(driver.release(given, never())).rejects.toEqual(unanswered)
  fake.close()
  await expect(driver.release(given, never())).rejects.toEqual(unanswered)
  await impatient.close()
})

test('a step that is given up ends at once', async () => {
  fake.hang('CreateNetworkInterface')
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  const ended = eni().ensure(eniJob(), controller.signal)
  await expect(ended).rejects.toEqual(failing({ kind: 'transient', code: 'Aborted' }))
})

test('a doubted ENI is looked up, not made again, and gets the groups it should wear', async () => {
  const { details } = await withEni()
  const enis = [{ subnetIds: ['subnet-a'], securityGroupIds: ['sg-9'], tags: {} }]
  const known = { 'eni:0': details }

  const same = await eni().ensure(eniJob({ known, again: true }), never())
  expect(same).toEqual(details)
  expect(fake.actions()).toEqual(['DescribeNetworkInterfaces'])

  const amended = eniJob({ known, again: true, spec: spec({ enis }) })
  expect((await eni().ensure(amended, never())).securityGroupIds).toEqual(['sg-9'])
  expect(fake.vpc.enis.get(details.eniId)?.groups).toEqual(['sg-9'])
})

test('a doubted ENI that EC2 does not show is lost if it was attached once, else too new', async () => {
  const known = { 'eni:0': eniDetails() }
  const young = eniJob({ known, again: true })
  await expect(eni().ensure(young, never())).rejects.toEqual(failing({ kind: 'transient' }))
  const attached = { 'attachment:0': { attachmentId: 'eni-attach-1', deviceIndex: 1 } }
  const old = eniJob({ known: { ...known, ...attached }, again: true })
  await expect(eni().ensure(old, never())).rejects.toEqual(failing({ kind: 'lost' }))
})

test('an ENI is deleted in one call, and one that is gone already is success', async () => {
  const { details, holderId } = await withEni()
  const given = eniJob({ holderId, known: { 'eni:0': details } })
  await eni().release(given, never())
  expect(fake.actions()).toEqual(['DeleteNetworkInterface'])
  expect(fake.vpc.enis.size).toBe(0)
  await eni().release({ ...given, again: true }, never())
})

test('an ENI that was made by a Create without an answer is found by its tags and deleted', async () => {
  fake.lose('CreateNetworkInterface')
  const given = eniJob()
  await expect(eni().ensure(given, never())).rejects.toThrow()
  fake.actions()

  await eni().release({ ...given, again: true }, never())

  expect(fake.vpc.enis.size).toBe(0)
  expect(fake.actions()).toEqual(['DescribeNetworkInterfaces', 'DeleteNetworkInterface'])
})

test('one that EC2 does not show yet is found by its token and deleted', async () => {
  fake.lose('CreateNetworkInterface')
  const given = eniJob()
  await expect(eni().ensure(given, never())).rejects.toThrow()
  for (const made of fake.vpc.enis.values()) made.isHidden = true

  await eni().release({ ...given, again: true }, never())

  expect(fake.vpc.enis.size).toBe(0)
})

test('a Create that never arrived leaves nothing, also where it would be refused now', async () => {
  await eni().release(eniJob({ again: true }), never())
  expect(fake.vpc.enis.size).toBe(0)
  fake.refuse('CreateNetworkInterface', 'InsufficientFreeAddressesInSubnet')
  await eni().release(eniJob({ again: true }), never())
  expect(fake.vpc.enis.size).toBe(0)
})

test('a missing permission does not pass for an ENI that never was', async () => {
  fake.refuse('CreateNetworkInterface', 'UnauthorizedOperation', 'no', 403)
  const released = eni().release(eniJob({ again: true }), never())
  await expect(released).rejects.toEqual(failing({ code: 'UnauthorizedOperation' }))
})

test('an ENI is attached in one call at the chosen index, and detached in one', async () => {
  const { details, holderId } = await withEni()
  const given = job('attachment:0', { holderId, choice: '2', known: { 'eni:0': details } })

  const attached = await attachment().ensure(given, never())
  const made = fake.vpc.enis.get(details.eniId)?.attachment
  expect(made).toMatchObject({ instanceId: host.instanceId, index: 2 })
  expect(attached).toEqual({ attachmentId: made?.id, deviceIndex: 2 })

  const held = job('attachment:0', { known: { 'eni:0': details, 'attachment:0': attached } })
  await attachment().release(held, never())
  expect(fake.actions()).toEqual(['AttachNetworkInterface', 'DetachNetworkInterface'])
  await attachment().release({ ...held, again: true }, never())
  expect(fake.vpc.enis.get(details.eniId)?.attachment).toBeUndefined()
})

test('an Attach whose answer was lost is adopted, with the index that it has', async () => {
  const { details } = await withEni()
  fake.lose('AttachNetworkInterface')
  const given = job('attachment:0', { choice: '3', known: { 'eni:0': details } })
  await expect(attachment().ensure(given, never())).rejects.toEqual(failing({ kind: 'transient' }))

  const adopted = await attachment().ensure({ ...given, again: true, choice: '4' }, never())

  const made = fake.vpc.enis.get(details.eniId)?.attachment
  expect(adopted).toEqual({ attachmentId: made?.id, deviceIndex: 3 })
})

test('an Attach without an answer is detached by a release that knows no attachment', async () => {
  const { details } = await withEni()
  fake.lose('AttachNetworkInterface')
  const given = job('attachment:0', { choice: '3', known: { 'eni:0': details } })
  await expect(attachment().ensure(given, never())).rejects.toThrow()
  await attachment().release({ ...given, again: true }, never())
  expect(fake.vpc.enis.get(details.eniId)?.attachment).toBeUndefined()
})

test('an Attach that shows only after its row was released is detached by the delete', async () => {
  const { details, holderId } = await withEni()
  const known = { 'eni:0': details }
  await attachment().ensure(job('attachment:0', { choice: '1', known }), never())
  const given = eniJob({ holderId, known })
  const inUse = failing({ kind: 'transient', message: expect.stringContaining('in use') })
  await expect(eni().release(given, never())).rejects.toEqual(inUse)
  await expect(eni().release({ ...given, again: true }, never())).rejects.toEqual(inUse)
  await eni().release({ ...given, again: true }, never())
  expect(fake.vpc.enis.size).toBe(0)
})

test('a device index that is taken is refused of the choice, a full host for good', async () => {
  const first = await withEni()
  const second = await withEni()
  const at = (details: Details['eni'], choice: string) =>
    job('attachment:0', { choice, known: { 'eni:0': details } })
  await attachment().ensure(at(first.details, '1'), never())

  const taken = attachment().ensure(at(second.details, '1'), never())
  await expect(taken).rejects.toEqual(failing({ kind: 'refused', ofChoice: true }))

  fake.vpc.attachLimit = 2
  const full = attachment().ensure(at(second.details, '2'), never())
  const limit = { kind: 'refused', code: 'AttachmentLimitExceeded', ofChoice: false }
  await expect(full).rejects.toEqual(failing(limit))
})

test('an ENI that EC2 does not know everywhere yet is tried again; one gone later is lost', async () => {
  const known = { 'eni:0': eniDetails() }
  const young = job('attachment:0', { choice: '1', known })
  await expect(attachment().ensure(young, never())).rejects.toEqual(failing({ kind: 'transient' }))
  const was = { 'attachment:0': { attachmentId: 'eni-attach-1', deviceIndex: 1 } }
  const old = job('attachment:0', { choice: '1', again: true, known: { ...known, ...was } })
  await expect(attachment().ensure(old, never())).rejects.toEqual(failing({ kind: 'lost' }))
})

test('an ENI that is attached elsewhere, or being detached, is not adopted', async () => {
  const { details } = await withEni()
  const given = job('attachment:0', { choice: '1', again: true, known: { 'eni:0': details } })
  const worn = { id: 'eni-attach-9', index: 1, status: 'attached', guard: false }
  Object.assign(fake.vpc.enis.get(details.eniId) ?? {}, {
    attachment: { ...worn, instanceId: 'i-other' },
  })
  const elsewhere = failing({ kind: 'refused', code: 'EniAttachedElsewhere' })
  await expect(attachment().ensure(given, never())).rejects.toEqual(elsewhere)
  Object.assign(fake.vpc.enis.get(details.eniId) ?? {}, {
    attachment: { ...worn, instanceId: host.instanceId, status: 'detaching' },
  })
  const leaving = failing({ kind: 'transient', code: 'EniDetaching' })
  await expect(attachment().ensure(given, never())).rejects.toEqual(leaving)
})

test('the guard sets delete-on-termination, and never makes a task stop', async () => {
  const { details } = await withEni()
  const known = { 'eni:0': details }
  const attached = await attachment().ensure(job('attachment:0', { choice: '1', known }), never())
  const given = job('guard:0', { known: { ...known, 'attachment:0': attached } })
  await guard().ensure(given, never())
  expect(fake.vpc.enis.get(details.eniId)?.attachment?.guard).toBe(true)

  fake.refuse('ModifyNetworkInterfaceAttribute', 'InvalidAttachmentID.NotFound')
  await expect(guard().ensure(given, never())).rejects.toEqual(failing({ kind: 'transient' }))
})

test('a task costs three calls up and two down, its subnet once a minute', async () => {
  const holderId = newHolderId()
  await subnets.prepare(['subnet-a'], never())
  fake.actions()
  const details = await eni().ensure(eniJob({ holderId }), never())
  const known: Record<string, Details['eni'] | Details['attachment']> = { 'eni:0': details }
  const at = { holderId, choice: '1', known }
  known['attachment:0'] = await attachment().ensure(job('attachment:0', at), never())
  await guard().ensure(job('guard:0', at), never())
  await attachment().release(job('attachment:0', at), never())
  await eni().release(job('eni:0', at), never())
  expect(fake.actions()).toEqual([
    'CreateNetworkInterface',
    'AttachNetworkInterface',
    'ModifyNetworkInterfaceAttribute',
    'DetachNetworkInterface',
    'DeleteNetworkInterface',
  ])
})

test('lookups of one moment travel in one call', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, () => withEni()))
  fake.actions()
  const lookup = openEniLookup(ec2)
  const found = await Promise.all(made.map(({ details }) => lookup.byId(details.eniId, never())))
  expect(found.map((eni) => eni?.NetworkInterfaceId)).toEqual(made.map((m) => m.details.eniId))
  expect(fake.actions()).toEqual(['DescribeNetworkInterfaces'])
})
