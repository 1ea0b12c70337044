// Goal: a public address is had for as long as its task lives, whatever becomes of the calls: a given
// one is never taken from anybody nor released, a new one never left behind. Method and oracle as in
// eni.test.ts.

import { expect, test } from 'vitest'
import { openOrphans } from '../../agent/drivers/orphans.ts'
import { publicIpDriver } from '../../agent/drivers/public-ip.ts'
import { openSurvey } from '../../agent/drivers/survey.ts'
import { useEc2 } from './ec2-rig.ts'
import { eniDetails, ipv6Details, job, mark, never, newHolderId, spec } from './jobs.ts'

const rig = useEc2()
const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)
const driver = () => publicIpDriver(rig)
const known = { 'eni:0': eniDetails({ eniId: 'eni-1', ipv4: '10.0.0.5' }) }

const jobOf = (publicIp: string, change: Parameters<typeof job>[1] = {}) => {
  const enis = [{ subnetIds: ['subnet-a'], securityGroupIds: [], tags: {}, publicIp }]
  return job('publicIp:0', { known, spec: spec({ enis }), ...change })
}
const addresses = () => [...rig.fake.vpc.addresses.values()]

// P410
test('a new one is allocated with our mark and associated, in two calls; and given back', async () => {
  const given = jobOf('new')
  const details = await driver().ensure(given, never())
  expect(rig.fake.actions()).toEqual(['AllocateAddress', 'AssociateAddress'])
  const [address] = addresses()
  expect(address?.tags).toEqual(mark(rig.host, given))
  expect(address).toMatchObject({ eniId: 'eni-1', privateIp: '10.0.0.5' })
  expect(details).toEqual({ allocationId: address?.id, publicIpv4: address?.publicIp })

  const held = { ...known, 'publicIp:0': details }
  await driver().release(jobOf('new', { holderId: given.holderId, known: held }), never())
  expect(addresses()).toEqual([])
  await driver().release(jobOf('new', { holderId: given.holderId, known: held }), never())
})

// P411
test.for(['AllocateAddress', 'AssociateAddress'] as const)(
  'one whose %s was not answered is found by its mark, and no second one is allocated',
  async (action) => {
    rig.fake.lose(action)
    const given = jobOf('new')
    await expect(driver().ensure(given, never())).rejects.toEqual(failing({ kind: 'transient' }))
    const details = await driver().ensure({ ...given, again: true }, never())
    expect(addresses()).toHaveLength(1)
    expect(addresses()[0]).toMatchObject({ id: details.allocationId, eniId: 'eni-1' })
  },
)

test('for an ENI of IPv6 alone, as one that was lent may be, it is refused and none is allocated', async () => {
  const given = jobOf('new', { known: { 'eni:0': ipv6Details() } })
  const code = 'PublicIpWithoutIpv4'
  await expect(driver().ensure(given, never())).rejects.toEqual(failing({ kind: 'refused', code }))
  await driver().release(given, never())
  expect(rig.fake.actions()).not.toContain('AllocateAddress')
})

// P411
test('a release that knows none gives back what a lost answer has left', async () => {
  rig.fake.lose('AllocateAddress')
  const given = jobOf('new')
  await expect(driver().ensure(given, never())).rejects.toThrow()
  await driver().release({ ...given, again: true }, never())
  expect(addresses()).toEqual([])
})

// P411
test('the sweep sees one with our mark and gives it back; it looks only where it is asked to', async () => {
  const given = jobOf('new')
  const { allocationId } = await driver().ensure(given, never())
  rig.fake.vpc.giveAddress({})
  const nothing = async () => []
  const survey = openSurvey({
    ...{ ec2: rig.ec2, instanceId: rig.host.instanceId, cgroups: { list: nothing } },
    ...{ docker: { list: nothing, listVolumes: nothing }, kernel: { links: nothing } },
    stateDir: '/nowhere',
  })
  expect((await survey([], never())).addresses).toEqual({ seen: [] })
  rig.fake.actions()
  const { addresses: found, ec2CallCount } = await survey([], never(), { addresses: true })
  const { instanceId } = rig.host
  const seen = {
    ...{ what: 'address' as const, allocationId, associationId: expect.any(String) },
    wears: { instanceId, holderId: given.holderId, row: 'publicIp:0' as const },
  }
  expect(found).toEqual({ seen: [seen] })
  expect(rig.fake.actions()).toHaveLength(ec2CallCount)
  const orphans = openOrphans({
    ...{ ec2: rig.ec2, instanceId, stateDir: '/nowhere' },
    ...{ docker: {} as never, kernel: {} as never },
  })
  await orphans.releaseAddress(
    { ...seen, associationId: addresses()[0]?.associationId ?? '' },
    never(),
  )
  expect(addresses().map(({ tags }) => tags)).toEqual([{}])
})

// P410
test('a given one is associated, and disassociated, and stays', async () => {
  const id = rig.fake.vpc.giveAddress({})
  const details = await driver().ensure(jobOf(id), never())
  expect(addresses()[0]).toMatchObject({ eniId: 'eni-1' })
  await driver().release(jobOf(id, { known: { ...known, 'publicIp:0': details } }), never())
  expect(addresses()).toMatchObject([{ id }])
  expect(addresses()[0]?.eniId).toBeUndefined()
})

// P410
test('a given one that stands for another interface is refused, and never taken from it', async () => {
  const id = rig.fake.vpc.giveAddress({ eniId: 'eni-other' })
  const given = jobOf(id)
  const refused = failing({ kind: 'refused', code: 'Resource.AlreadyAssociated' })
  await expect(driver().ensure(given, never())).rejects.toEqual(refused)
  await driver().release({ ...given, again: true }, never())
  expect(addresses()).toMatchObject([{ id, eniId: 'eni-other' }])
})

test('a given one that is not there is refused', async () => {
  const refused = failing({ kind: 'refused', code: 'InvalidAllocationID.NotFound' })
  await expect(driver().ensure(jobOf('eipalloc-none'), never())).rejects.toEqual(refused)
})

test('one that somebody disassociated is associated anew, the same', async () => {
  const holderId = newHolderId()
  const details = await driver().ensure(jobOf('new', { holderId }), never())
  const [address] = addresses()
  delete address?.eniId
  const doubted = jobOf('new', {
    holderId,
    again: true,
    known: { ...known, 'publicIp:0': details },
  })
  expect(await driver().ensure(doubted, never())).toEqual(details)
  expect(addresses()).toMatchObject([{ id: details.allocationId, eniId: 'eni-1' }])
})
