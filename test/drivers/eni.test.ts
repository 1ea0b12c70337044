// Goal: an ENI is made once and deleted for sure, whatever becomes of the calls: answered, refused,
// lost after the deed, not yet visible. Method: the real SDK against a small EC2 on loopback, with
// one fault each; then the same job again, as the runner would. Oracle: that EC2's own map of ENIs.

import { expect, test } from 'vitest'
import { openEc2 } from '../../agent/drivers/ec2.ts'
import { eniDriver } from '../../agent/drivers/eni.ts'
import { openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { eniJob, useEc2 } from './ec2-rig.ts'
import { eniDetails, mark, never, spec } from './jobs.ts'

const rig = useEc2()
const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

test('an ENI is made in one call that carries subnet, groups, mark, tags and token', async () => {
  const enis = [{ subnetIds: ['subnet-6'], securityGroupIds: ['sg-1', 'sg-2'], tags: { a: 'b' } }]
  const given = eniJob({ spec: spec({ enis }), choice: 'subnet-6' })

  const details = await rig.eni().ensure(given, never())

  const [made] = rig.fake.vpc.enis.values()
  expect(made?.groups).toEqual(['sg-1', 'sg-2'])
  expect(made?.token).toBe(given.token)
  const name = `ecs-web-${given.holderId.slice(0, 8)}`
  expect(made?.tags).toEqual({ Name: name, a: 'b', ...mark(rig.host, given) })
  expect(details).toEqual({
    eniId: made?.id,
    mac: '02:aa:00:00:00:05',
    subnetId: 'subnet-6',
    vpcId: 'vpc-1',
    ipv4: made?.ipv4,
    ipv6: 'fd00::5',
    ipv6PrefixLength: 64,
    ipv4PrefixLength: 24,
    ipv4Gateway: '10.0.0.1',
    privateDnsName: `ip-${made?.ipv4.replaceAll('.', '-')}.us-west-2.compute.internal`,
    securityGroupIds: ['sg-1', 'sg-2'],
  })
  expect(rig.fake.actions()).toEqual(['DescribeSubnets', 'CreateNetworkInterface'])
})

// P540
test('an ENI of a subnet of IPv6 alone is made with one IPv6 address, and has no IPv4 and no name', async () => {
  const enis = [{ subnetIds: ['subnet-v6only'], securityGroupIds: ['sg-1'], tags: {} }]
  const given = eniJob({ spec: spec({ enis }), choice: 'subnet-v6only' })
  const details = await rig.eni().ensure(given, never())
  const [made] = rig.fake.vpc.enis.values()
  expect(made?.parameters).toContain('Ipv6AddressCount=1')
  expect(details).toEqual({
    eniId: made?.id,
    mac: '02:aa:00:00:00:05',
    subnetId: 'subnet-v6only',
    vpcId: 'vpc-1',
    ipv6: 'fd00::5',
    ipv6PrefixLength: 64,
    securityGroupIds: ['sg-1'],
  })
})

test('without groups none are sent, so that EC2 fills in the default group of the VPC', async () => {
  const enis = [{ subnetIds: ['subnet-a'], securityGroupIds: [], tags: {} }]
  const details = await rig.eni().ensure(eniJob({ spec: spec({ enis }) }), never())
  expect(details.securityGroupIds).toEqual(['sg-default'])
})

test('a Create whose answer was lost is repeated with its token and finds the same ENI', async () => {
  rig.fake.lose('CreateNetworkInterface')
  const given = eniJob()
  await expect(rig.eni().ensure(given, never())).rejects.toEqual(failing({ kind: 'transient' }))

  const { eniId } = await rig.eni().ensure({ ...given, again: true }, never())

  expect([...rig.fake.vpc.enis.keys()]).toEqual([eniId])
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
  rig.fake.refuse('CreateNetworkInterface', code, message)
  await expect(rig.eni().ensure(eniJob(), never())).rejects.toEqual(
    failing({ kind: 'refused', code, ofChoice, message: expect.stringContaining(message) }),
  )
})

test.for([
  ['RequestLimitExceeded', 503],
  ['InternalError', 500],
  ['SomethingNobodyHeardOf', 502],
] as const)('a Create refused with %s (HTTP %i) is transient', async ([code, status]) => {
  rig.fake.refuse('CreateNetworkInterface', code, code, status)
  await expect(rig.eni().ensure(eniJob(), never())).rejects.toEqual(
    failing({ kind: 'transient', code }),
  )
  expect(rig.calls.at(-1)).toMatchObject({
    action: 'CreateNetworkInterface',
    code,
    requestId: 'req-1',
  })
})

test('a subnet without room has no free addresses until EC2 is asked again', async () => {
  rig.fake.refuse('CreateNetworkInterface', 'InsufficientFreeAddressesInSubnet')
  await expect(rig.eni().ensure(eniJob(), never())).rejects.toThrow()
  expect(rig.subnets.known('subnet-a')?.freeAddressCount).toBe(0)
})

// P32
test('an EC2 that never answers is given up in time, one that is not there at once', async () => {
  rig.fake.hang('DeleteNetworkInterface')
  const impatient = openEc2({ timeoutScale: 0.05 })
  const driver = eniDriver({ ...rig, ec2: impatient, lookup: openEniLookup(impatient) })
  const given = eniJob({ known: { 'eni:0': eniDetails() } })
  const unanswered = failing({ kind: 'transient', code: 'Ec2Unreachable' })
  await expect(driver.release(given, never())).rejects.toEqual(unanswered)
  rig.fake.close()
  await expect(driver.release(given, never())).rejects.toEqual(unanswered)
  await impatient.close()
})

// P32
test('a step that is given up ends at once', async () => {
  rig.fake.hang('CreateNetworkInterface')
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  const ended = rig.eni().ensure(eniJob(), controller.signal)
  await expect(ended).rejects.toEqual(failing({ kind: 'transient', code: 'Aborted' }))
})

// P95
test('a doubted ENI is looked up, not made again, and gets the groups it should wear', async () => {
  const { details } = await rig.withEni()
  const enis = [{ subnetIds: ['subnet-a'], securityGroupIds: ['sg-9'], tags: {} }]
  const known = { 'eni:0': details }

  const same = await rig.eni().ensure(eniJob({ known, again: true }), never())
  expect(same).toEqual(details)
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces'])

  const amended = eniJob({ known, again: true, spec: spec({ enis }) })
  expect((await rig.eni().ensure(amended, never())).securityGroupIds).toEqual(['sg-9'])
  expect(rig.fake.vpc.enis.get(details.eniId)?.groups).toEqual(['sg-9'])
})

test('an order for the groups that are the task’s already puts back what somebody changed', async () => {
  const { doubted, groups } = await changed()
  const [eni] = doubted.spec.enis
  const enis = eni === undefined ? [] : [{ ...eni, groupsOrder: 1 }]
  const ordered = { ...doubted, spec: spec({ enis }) }
  expect(await rig.eni().ensure(ordered, never())).toMatchObject({
    securityGroupIds: ['sg-1', 'sg-2'],
    groupsOrder: 1,
  })
  expect(groups()).toEqual(['sg-1', 'sg-2'])
})

test.for([
  ['put back where an order that failed had changed them', ['sg-quarantine'], ['sg-1', 'sg-2']],
  ['left where somebody else had', ['sg-failed'], ['sg-quarantine']],
] as const)('the task’s own groups are %s, once that order is withdrawn', async (given) => {
  const [, unheard, expected] = given
  const { doubted, groups } = await changed()
  const [eni] = doubted.spec.enis
  const withdrawn = { groupsOrder: 2, isWithdrawn: true, unheard: [[...unheard]] }
  const enis = eni === undefined ? [] : [{ ...eni, ...withdrawn }]
  await rig.eni().ensure({ ...doubted, spec: spec({ enis }) }, never())
  expect(groups()).toEqual(expected)
})

/** A job of an ENI in doubt whose groups somebody changed to sg-quarantine. */
async function changed(groups: readonly string[] = ['sg-1', 'sg-2']) {
  const enis = [{ subnetIds: ['subnet-a'], securityGroupIds: groups, tags: {} }]
  const given = eniJob({ spec: spec({ enis }) })
  const details = await rig.eni().ensure(given, never())
  const made = rig.fake.vpc.enis.get(details.eniId)
  if (made !== undefined) made.groups = ['sg-quarantine']
  rig.fake.actions()
  const known = { 'eni:0': details, 'attachment:0': { attachmentId: 'a', deviceIndex: 1 } }
  const doubted = eniJob({ holderId: given.holderId, spec: spec({ enis }), known, again: true })
  return { doubted, details, groups: () => rig.fake.vpc.enis.get(details.eniId)?.groups }
}

test('groups that somebody changed are left, and the task’s own stay written down', async () => {
  const { doubted, details, groups } = await changed()
  expect(await rig.eni().ensure(doubted, never())).toEqual(details)
  expect(groups()).toEqual(['sg-quarantine'])
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces'])
})

test.for([
  [
    ['sg-1', 'sg-2'],
    ['sg-1', 'sg-2'],
  ],
  [[], ['sg-default']],
] as const)(
  'groups that somebody changed are put back where they are to be kept, and read again: %j',
  async ([asked, own]) => {
    const { doubted, details, groups } = await changed(asked)
    expect(await rig.eni({ keepGroups: true }).ensure(doubted, never())).toEqual(details)
    expect(groups()).toEqual(own)
    expect(rig.fake.actions()).toEqual([
      'DescribeNetworkInterfaces',
      'ModifyNetworkInterfaceAttribute',
      'DescribeNetworkInterfaces',
    ])
    await rig.eni({ keepGroups: true }).ensure(doubted, never())
    expect(rig.fake.actions(), 'nothing to put back').toEqual(['DescribeNetworkInterfaces'])
  },
)

test('a group that was deleted cannot be put back: refused with the remedy, the ENI left', async () => {
  const { doubted, groups } = await changed()
  const words = "The security group 'sg-1' does not exist"
  rig.fake.refuse('ModifyNetworkInterfaceAttribute', 'InvalidGroup.NotFound', words)
  await expect(rig.eni({ keepGroups: true }).ensure(doubted, never())).rejects.toEqual(
    failing({
      kind: 'refused',
      code: 'InvalidGroup.NotFound',
      message: expect.stringMatching(/^eni-\S+ cannot be put into sg-1, sg-2: .*'sg-1' does not/),
      hint: expect.stringContaining('The ENI stays in those it wears'),
    }),
  )
  expect(groups()).toEqual(['sg-quarantine'])
})

test('groups that EC2 took and does not show are not taken for put back', async () => {
  const { doubted } = await changed()
  const { call } = rig.ec2
  rig.ec2 = {
    ...rig.ec2,
    call: async (action, ...rest) =>
      action === 'ModifyNetworkInterfaceAttribute' ? ({} as never) : call(action, ...rest),
  }
  await expect(rig.eni({ keepGroups: true }).ensure(doubted, never())).rejects.toEqual(
    failing({
      kind: 'transient',
      code: 'SecurityGroupsNotShown',
      message: expect.stringContaining('sg-quarantine'),
    }),
  )
})

test('a doubted ENI that EC2 does not show is lost if it was attached once, else too new', async () => {
  const known = { 'eni:0': eniDetails() }
  const young = eniJob({ known, again: true })
  await expect(rig.eni().ensure(young, never())).rejects.toEqual(failing({ kind: 'transient' }))
  const attached = { 'attachment:0': { attachmentId: 'eni-attach-1', deviceIndex: 1 } }
  const old = eniJob({ known: { ...known, ...attached }, again: true })
  await expect(rig.eni().ensure(old, never())).rejects.toEqual(failing({ kind: 'lost' }))
})

// P88
test('one whose card was in the task is not lost for what EC2 does not show', async () => {
  const known = {
    'eni:0': eniDetails(),
    'attachment:0': { attachmentId: 'eni-attach-1', deviceIndex: 1 },
    'link:0': { ifindex: 7, mtu: 9001, gatewayMac: '02:00:00:00:00:01' },
  }
  await expect(rig.eni().ensure(eniJob({ known, again: true }), never())).rejects.toEqual(
    failing({ kind: 'transient', hint: expect.stringContaining('while its card is there') }),
  )
})

// P16
test('an ENI is deleted in one call, and one that is gone already is success', async () => {
  const { details, holderId } = await rig.withEni()
  const given = eniJob({ holderId, known: { 'eni:0': details } })
  await rig.eni().release(given, never())
  expect(rig.fake.actions()).toEqual(['DeleteNetworkInterface'])
  expect(rig.fake.vpc.enis.size).toBe(0)
  await rig.eni().release({ ...given, again: true }, never())
})

test('an ENI that was made by a Create without an answer is found by its tags and deleted', async () => {
  rig.fake.lose('CreateNetworkInterface')
  const given = eniJob()
  await expect(rig.eni().ensure(given, never())).rejects.toThrow()
  rig.fake.actions()

  await rig.eni().release({ ...given, again: true }, never())

  expect(rig.fake.vpc.enis.size).toBe(0)
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces', 'DeleteNetworkInterface'])
})

test('one that EC2 does not show yet is found by its token and deleted', async () => {
  rig.fake.lose('CreateNetworkInterface')
  const given = eniJob()
  await expect(rig.eni().ensure(given, never())).rejects.toThrow()
  for (const made of rig.fake.vpc.enis.values()) made.isHidden = true

  await rig.eni().release({ ...given, again: true }, never())

  expect(rig.fake.vpc.enis.size).toBe(0)
})

test('a Create that never arrived leaves nothing, also where it would be refused now', async () => {
  await rig.eni().release(eniJob({ again: true }), never())
  expect(rig.fake.vpc.enis.size).toBe(0)
  rig.fake.refuse('CreateNetworkInterface', 'InsufficientFreeAddressesInSubnet')
  await rig.eni().release(eniJob({ again: true }), never())
  expect(rig.fake.vpc.enis.size).toBe(0)
})

test('a missing permission does not pass for an ENI that never was', async () => {
  rig.fake.refuse('CreateNetworkInterface', 'UnauthorizedOperation', 'no', 403)
  const released = rig.eni().release(eniJob({ again: true }), never())
  await expect(released).rejects.toEqual(failing({ code: 'UnauthorizedOperation' }))
})
