// Goal: network ACLs as EC2 has them: one for each subnet, entries canonical or refused, EC2's
// errors, and every change in force in the fabric when the call is answered, or none.

import {
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  type CreateNetworkAclEntryCommandInput,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  DeleteNetworkAclCommand,
  DeleteNetworkAclEntryCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeNetworkAclsCommand,
  type DescribeNetworkAclsCommandInput,
  type DescribeNetworkAclsCommandOutput,
  DescribeTagsCommand,
  type NetworkAcl,
  ReplaceNetworkAclAssociationCommand,
  ReplaceNetworkAclEntryCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
let aclId: string
beforeEach(async () => {
  rig = await makeRig()
  aclId = await makeAcl()
})
afterEach(() => rig.end())

type Entry = CreateNetworkAclEntryCommandInput

async function makeAcl(vpcId = rig.vpcId): Promise<string> {
  const made = await rig.ec2.send(new CreateNetworkAclCommand({ VpcId: vpcId }))
  return made.NetworkAcl?.NetworkAclId ?? ''
}
async function find(input: DescribeNetworkAclsCommandInput): Promise<NetworkAcl[]> {
  return (await rig.ec2.send(new DescribeNetworkAclsCommand(input))).NetworkAcls ?? []
}
const byFilter = (Name: string, ...Values: string[]) => find({ Filters: [{ Name, Values }] })
async function described(id = aclId): Promise<NetworkAcl> {
  const [acl] = await find({ NetworkAclIds: [id] })
  if (acl === undefined) throw new Error(`no ACL ${id}`)
  return acl
}
async function defaultAcl(vpcId = rig.vpcId): Promise<NetworkAcl & { NetworkAclId: string }> {
  const acls = await byFilter('default', 'true')
  const acl = acls.find((each) => each.VpcId === vpcId)
  return acl as NetworkAcl & { NetworkAclId: string }
}
/** Everything in from anywhere, but for what is said. */
const entry = (change: Partial<Entry> = {}): Entry => ({
  NetworkAclId: aclId,
  RuleNumber: 100,
  Egress: false,
  Protocol: '-1',
  RuleAction: 'allow',
  CidrBlock: '0.0.0.0/0',
  ...change,
})
/** Everything in from anywhere in IPv6. */
const entry6 = (change: Partial<Entry> = {}): Entry => {
  const { CidrBlock: _ipv4, ...rest } = entry()
  return { ...rest, Ipv6CidrBlock: '::/0', ...change }
}
const add = (change: Partial<Entry> = {}) =>
  rig.ec2.send(new CreateNetworkAclEntryCommand(entry(change)))
const add6 = (change: Partial<Entry> = {}) =>
  rig.ec2.send(new CreateNetworkAclEntryCommand(entry6(change)))
const replace = (change: Partial<Entry> = {}) =>
  rig.ec2.send(new ReplaceNetworkAclEntryCommand(entry(change)))
const remove = (RuleNumber: number, Egress = false, NetworkAclId = aclId) =>
  rig.ec2.send(new DeleteNetworkAclEntryCommand({ NetworkAclId, RuleNumber, Egress }))
const inFabric = (id = aclId) => rig.fabric.acls.get(id)?.entries

async function associationOf(subnetId: string): Promise<{ id: string; aclId: string }> {
  const [acl] = await byFilter('association.subnet-id', subnetId)
  const association = acl?.Associations?.find((each) => each.SubnetId === subnetId)
  return {
    id: association?.NetworkAclAssociationId ?? '',
    aclId: association?.NetworkAclId ?? '',
  }
}
async function associate(subnetId: string, NetworkAclId = aclId): Promise<string> {
  const { id } = await associationOf(subnetId)
  const { NewAssociationId } = await rig.ec2.send(
    new ReplaceNetworkAclAssociationCommand({ AssociationId: id, NetworkAclId }),
  )
  return NewAssociationId ?? ''
}

describe("a VPC's default ACL", () => {
  test('allows all of both versions, and ends in the entries that deny the rest', async () => {
    const acl = await defaultAcl()
    const all = { Protocol: '-1' }
    const side = (Egress: boolean) => [
      { ...all, Egress, RuleNumber: 100, RuleAction: 'allow', CidrBlock: '0.0.0.0/0' },
      { ...all, Egress, RuleNumber: 101, RuleAction: 'allow', Ipv6CidrBlock: '::/0' },
      { ...all, Egress, RuleNumber: 32767, RuleAction: 'deny', CidrBlock: '0.0.0.0/0' },
      { ...all, Egress, RuleNumber: 32768, RuleAction: 'deny', Ipv6CidrBlock: '::/0' },
    ]
    expect(acl).toMatchObject({ IsDefault: true, OwnerId: '123456789012', VpcId: rig.vpcId })
    expect(acl.Entries).toEqual([...side(true), ...side(false)])
    expect(inFabric(acl.NetworkAclId)).toHaveLength(4)
  })

  test('says nothing of IPv6 where the VPC has none', async () => {
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    const acl = await defaultAcl(Vpc?.VpcId)
    expect(acl.Entries?.map((each) => each.RuleNumber)).toEqual([100, 32767, 100, 32767])
    expect(rig.fabric.acls.has(acl.NetworkAclId), 'no packets there').toBe(false)
  })

  test('is what each subnet has, old or new, until it gets another', async () => {
    const acl = await defaultAcl()
    const made = await rig.ec2.send(
      new CreateSubnetCommand({ VpcId: rig.vpcId, CidrBlock: '10.0.7.0/24' }),
    )
    const subnetId = made.Subnet?.SubnetId ?? ''
    for (const each of [rig.subnetA, rig.subnetB, subnetId]) {
      expect(await associationOf(each)).toEqual({
        id: expect.stringMatching(/^aclassoc-[0-9a-f]{17}$/),
        aclId: acl.NetworkAclId,
      })
      expect(rig.fabric.subnets.get(each)?.aclId).toBe(acl.NetworkAclId)
    }
    await rig.ec2.send(new DeleteSubnetCommand({ SubnetId: subnetId }))
    expect((await defaultAcl()).Associations).toHaveLength(2)
  })

  test('cannot be deleted, and goes with its VPC, which waits for the others', async () => {
    const acl = await defaultAcl()
    const refused = await errorOf(
      rig.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId: acl.NetworkAclId })),
    )
    expect(refused).toEqual({
      code: 'InvalidParameterValue',
      message: `cannot delete default network ACL ${acl.NetworkAclId}`,
    })
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    const VpcId = Vpc?.VpcId ?? ''
    const own = await makeAcl(VpcId)
    const busy = await errorOf(rig.ec2.send(new DeleteVpcCommand({ VpcId })))
    expect(busy.code).toBe('DependencyViolation')
    await rig.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId: own }))
    await rig.ec2.send(new DeleteVpcCommand({ VpcId }))
    expect(await byFilter('vpc-id', VpcId)).toEqual([])
  })
})

describe('a new ACL', () => {
  test('has no entries but those that deny, no subnet, and the tags it was made with', async () => {
    const { NetworkAcl: acl } = await rig.ec2.send(
      new CreateNetworkAclCommand({
        VpcId: rig.vpcId,
        TagSpecifications: [{ ResourceType: 'network-acl', Tags: [{ Key: 'a', Value: 'b' }] }],
      }),
    )
    expect(acl).toMatchObject({
      NetworkAclId: expect.stringMatching(/^acl-[0-9a-f]{17}$/),
      IsDefault: false,
      Associations: [],
      Tags: [{ Key: 'a', Value: 'b' }],
    })
    expect(acl?.Entries?.map((each) => each.RuleNumber)).toEqual([32767, 32768, 32767, 32768])
    expect(inFabric(acl?.NetworkAclId)).toEqual([])
    await rig.ec2.send(
      new CreateTagsCommand({ Resources: [aclId], Tags: [{ Key: 'c', Value: 'd' }] }),
    )
    const { Tags } = await rig.ec2.send(new DescribeTagsCommand({}))
    expect(Tags).toContainEqual(
      expect.objectContaining({ ResourceId: aclId, ResourceType: 'network-acl', Key: 'c' }),
    )
    await rig.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId: aclId }))
    expect(rig.fabric.acls.has(aclId)).toBe(false)
    const left = (await rig.ec2.send(new DescribeTagsCommand({}))).Tags
    expect(left?.map((tag) => tag.ResourceId)).toEqual([acl?.NetworkAclId])
    expect((await errorOf(find({ NetworkAclIds: [aclId] }))).code).toBe(
      'InvalidNetworkAclID.NotFound',
    )
  })

  test('is made once for a client token', async () => {
    const make = (VpcId: string) =>
      rig.ec2.send(new CreateNetworkAclCommand({ VpcId, ClientToken: 'token' }))
    const [first, second] = [await make(rig.vpcId), await make(rig.vpcId)]
    expect(second.NetworkAcl?.NetworkAclId).toBe(first.NetworkAcl?.NetworkAclId)
    expect(second.ClientToken).toBe('token')
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    expect((await errorOf(make(Vpc?.VpcId ?? ''))).code).toBe('IdempotentParameterMismatch')
    // A token is its action's: the same one makes an ENI all the same.
    const eni = await rig.createEni({ ClientToken: 'token' })
    expect(eni.NetworkInterfaceId).toMatch(/^eni-/)
  })

  test('is one of at most 200 of a VPC', async () => {
    const have = (await byFilter('vpc-id', rig.vpcId)).length
    for (let n = have; n < 200; n++) await makeAcl()
    expect((await errorOf(makeAcl())).code).toBe('NetworkAclLimitExceeded')
  })
})

describe('an entry', () => {
  test('is canonical, shown in the order of its number, and in the fabric at once', async () => {
    await add({ RuleNumber: 200, Protocol: 'TCP', PortRange: { From: 80, To: 81 } })
    await add({ RuleNumber: 32766, CidrBlock: '100.68.0.18/18', RuleAction: 'deny' })
    await add({ RuleNumber: 1, Protocol: '1', IcmpTypeCode: { Type: 8, Code: -1 } })
    await add6({ RuleNumber: 2, Protocol: '58', IcmpTypeCode: { Type: 128, Code: 0 } })
    await add({ RuleNumber: 3, Protocol: '58', IcmpTypeCode: { Type: 128, Code: 0 } })
    await add({ RuleNumber: 4, Protocol: '47', PortRange: { From: 1, To: 2 } })
    await add6({ RuleNumber: 5, Protocol: '17', PortRange: { From: 0, To: 65535 } })
    await add({ RuleNumber: 1, Egress: true })
    const entries = (await described()).Entries?.filter((each) => (each.RuleNumber ?? 0) < 32767)
    expect(entries?.map((each) => [each.Egress, each.RuleNumber, each.Protocol])).toEqual([
      [true, 1, '-1'],
      [false, 1, '1'],
      [false, 2, '58'],
      [false, 3, '58'],
      [false, 4, '47'],
      [false, 5, '17'],
      [false, 200, '6'],
      [false, 32766, '-1'],
    ])
    expect(entries?.[1]).toMatchObject({ IcmpTypeCode: { Type: 8, Code: -1 } })
    expect(entries?.[2]).toMatchObject({ Ipv6CidrBlock: '::/0', IcmpTypeCode: { Type: 128 } })
    expect(entries?.[3], 'ICMPv6 in IPv4 has no type').not.toHaveProperty('IcmpTypeCode')
    expect(entries?.[4], 'no ports either').not.toHaveProperty('PortRange')
    expect(entries?.[6]).toMatchObject({ PortRange: { From: 80, To: 81 } })
    expect(entries?.[7]).toMatchObject({ CidrBlock: '100.68.0.0/18', RuleAction: 'deny' })
    expect(inFabric()).toHaveLength(8)
    expect(inFabric()?.[0]).toEqual({
      direction: 'ingress',
      ruleNumber: 200,
      action: 'allow',
      protocol: 6,
      from: 80,
      to: 81,
      peer: { kind: 'ipv4', cidr: '0.0.0.0/0' },
    })
  })

  test.each<[string, Partial<Entry>, string]>([
    ['number 0', { RuleNumber: 0 }, 'InvalidParameterValue'],
    ["EC2's own number", { RuleNumber: 32767 }, 'InvalidParameterValue'],
    ['a protocol that is none', { Protocol: 'http' }, 'InvalidParameterValue'],
    ['a protocol out of range', { Protocol: '256' }, 'InvalidParameterValue'],
    ['an action that is none', { RuleAction: 'maybe' as 'allow' }, 'InvalidParameterValue'],
    ['a bad CIDR', { CidrBlock: '10.0.0.0/33' }, 'InvalidParameterValue'],
    ['an octal CIDR', { CidrBlock: '010.0.0.0/8' }, 'InvalidParameterValue'],
    ['both versions', { Ipv6CidrBlock: '::/0' }, 'InvalidParameterCombination'],
    ['TCP without ports', { Protocol: '6' }, 'MissingParameter'],
    ['half a range', { Protocol: '17', PortRange: { From: 1 } }, 'MissingParameter'],
    ['a range upside down', tcp(90, 80), 'InvalidParameterValue'],
    ['a port too high', tcp(1, 65536), 'InvalidParameterValue'],
    ['a port below all', tcp(-1, 80), 'InvalidParameterValue'],
    ['ICMP without type', { Protocol: 'icmp' }, 'MissingParameter'],
    ['ICMP without code', icmp(8), 'MissingParameter'],
    ['an ICMP type too high', icmp(256, 0), 'InvalidParameterValue'],
    ['a code without a type', icmp(-1, 0), 'InvalidParameterValue'],
    ['an ACL that is none', { NetworkAclId: 'acl-00000000' }, 'InvalidNetworkAclID.NotFound'],
    ['an ACL id that is none', { NetworkAclId: 'acl-x' }, 'InvalidNetworkAclId.Malformed'],
  ])('with %s is refused by name, and nothing is there', async (_name, change, code) => {
    const before = rig.lab.region.world
    expect((await errorOf(add(change))).code).toBe(code)
    expect(rig.lab.region.world).toBe(before)
    expect(inFabric()).toEqual([])
  })

  test('needs a CIDR, and ICMPv6 in IPv6 its type', async () => {
    const { CidrBlock: _cidr, ...none } = entry()
    const nowhere = rig.ec2.send(new CreateNetworkAclEntryCommand(none))
    expect((await errorOf(nowhere)).code).toBe('MissingParameter')
    expect((await errorOf(add6({ Protocol: '58' }))).code).toBe('MissingParameter')
    expect((await errorOf(add6({ Ipv6CidrBlock: '10.0.0.0/8' }))).code).toBe(
      'InvalidParameterValue',
    )
  })

  test('has a number once in a direction; replacing is another call', async () => {
    await add()
    expect(await errorOf(add({ RuleAction: 'deny' }))).toEqual({
      code: 'NetworkAclEntryAlreadyExists',
      message: 'The network acl entry identified by 100 already exists.',
    })
    await add({ Egress: true })
    await replace({ RuleAction: 'deny', CidrBlock: '10.0.0.0/8' })
    expect(inFabric()).toMatchObject([
      { direction: 'egress', action: 'allow' },
      { direction: 'ingress', action: 'deny', peer: { cidr: '10.0.0.0/8' } },
    ])
    const missing = { code: 'InvalidNetworkAclEntry.NotFound' }
    expect(await errorOf(replace({ RuleNumber: 101 }))).toMatchObject(missing)
    expect(await errorOf(remove(101))).toMatchObject(missing)
    expect(await errorOf(remove(101, true))).toMatchObject({
      ...missing,
      message: 'no egress entry with number 101',
    })
    expect((await errorOf(remove(32767))).code).toBe('InvalidParameterValue')
    await remove(100)
    expect(inFabric()).toMatchObject([{ direction: 'egress' }])
    await remove(100, true)
    expect(inFabric()).toEqual([])
  })

  test("is one of 20 of its direction and version, EC2's own last one counted", async () => {
    for (let n = 1; n <= 19; n++) await add({ RuleNumber: n })
    expect((await errorOf(add({ RuleNumber: 20 }))).code).toBe('NetworkAclEntryLimitExceeded')
    expect(inFabric()).toHaveLength(19)
    await add6({ RuleNumber: 20 })
    await add({ RuleNumber: 20, Egress: true })
    await replace({ RuleNumber: 19, RuleAction: 'deny' })
    const turned = new ReplaceNetworkAclEntryCommand(entry({ RuleNumber: 20 }))
    expect((await errorOf(rig.ec2.send(turned))).code).toBe('NetworkAclEntryLimitExceeded')
  })
})

describe('an association', () => {
  test('is replaced under a new id, and the subnet is under the other ACL at once', async () => {
    const before = await associationOf(rig.subnetA)
    const NewAssociationId = await associate(rig.subnetA)
    expect(await associationOf(rig.subnetA)).toEqual({ id: NewAssociationId, aclId })
    expect(NewAssociationId).not.toBe(before.id)
    expect(rig.fabric.subnets.get(rig.subnetA)?.aclId).toBe(aclId)
    expect((await associationOf(rig.subnetB)).aclId).toBe(before.aclId)
    expect((await described()).Associations).toEqual([
      { NetworkAclAssociationId: NewAssociationId, NetworkAclId: aclId, SubnetId: rig.subnetA },
    ])
    const again = (AssociationId: string, NetworkAclId: string) =>
      rig.ec2.send(new ReplaceNetworkAclAssociationCommand({ AssociationId, NetworkAclId }))
    expect(await errorOf(again(before.id, before.aclId))).toEqual({
      code: 'InvalidAssociationID.NotFound',
      message: `The association ID '${before.id}' does not exist`,
    })
    expect((await errorOf(again(NewAssociationId, 'acl-00000000'))).code).toBe(
      'InvalidNetworkAclID.NotFound',
    )
  })

  test('keeps its ACL from being deleted, and is within one VPC', async () => {
    await associate(rig.subnetA)
    const drop = new DeleteNetworkAclCommand({ NetworkAclId: aclId })
    expect(await errorOf(rig.ec2.send(drop))).toEqual({
      code: 'DependencyViolation',
      message: `The networkAcl '${aclId}' has dependencies and cannot be deleted.`,
    })
    await associate(rig.subnetA, (await defaultAcl()).NetworkAclId)
    await rig.ec2.send(drop)
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    const foreign = await makeAcl(Vpc?.VpcId)
    expect((await errorOf(associate(rig.subnetA, foreign))).code).toBe('InvalidParameterValue')
  })
})

describe('every change', () => {
  // P223
  test('is one call on the fabric, however many ENIs there are', async () => {
    for (let n = 0; n < 3; n++) await rig.createEni()
    const steps = async (call: () => Promise<unknown>): Promise<string[]> => {
      rig.fabric.said = []
      await call()
      return rig.fabric.said
    }
    expect(await steps(() => add())).toEqual(['putAcl'])
    expect(await steps(() => replace({ RuleAction: 'deny' }))).toEqual(['putAcl'])
    expect(await steps(() => remove(100))).toEqual(['putAcl'])
    expect(await steps(() => associate(rig.subnetA))).toEqual(['putSubnet'])
    const { NetworkAclId } = await defaultAcl()
    expect(await steps(() => associate(rig.subnetA, NetworkAclId))).toEqual(['putSubnet'])
    const drop = new DeleteNetworkAclCommand({ NetworkAclId: aclId })
    expect(await steps(() => rig.ec2.send(drop))).toEqual(['dropAcl'])
  })

  // P223
  test('that the fabric refuses has changed nothing', async () => {
    const before = rig.lab.region.world
    rig.fabric.failNext = 'putAcl'
    expect((await errorOf(add())).code).toBe('InternalError')
    rig.fabric.failNext = 'putSubnet'
    expect((await errorOf(associate(rig.subnetA))).code).toBe('InternalError')
    expect(rig.lab.region.world).toBe(before)
  })

  test('is only tried with DryRun', async () => {
    const DryRun = true
    const { id } = await associationOf(rig.subnetA)
    await add()
    const before = rig.lab.region.world
    const calls = [
      rig.ec2.send(new CreateNetworkAclCommand({ VpcId: rig.vpcId, DryRun })),
      rig.ec2.send(new DeleteNetworkAclCommand({ NetworkAclId: aclId, DryRun })),
      add({ RuleNumber: 101, DryRun }),
      replace({ DryRun }),
      rig.ec2.send(
        new DeleteNetworkAclEntryCommand({
          NetworkAclId: aclId,
          RuleNumber: 100,
          Egress: false,
          DryRun,
        }),
      ),
      rig.ec2.send(
        new ReplaceNetworkAclAssociationCommand({ AssociationId: id, NetworkAclId: aclId, DryRun }),
      ),
      find({ DryRun }),
    ]
    for (const call of calls) expect((await errorOf(call)).code).toBe('DryRunOperation')
    expect(rig.lab.region.world).toBe(before)
  })

  test('is undone by a reset', async () => {
    await associate(rig.subnetA)
    const made = await rig.ec2.send(
      new CreateSubnetCommand({ VpcId: rig.vpcId, CidrBlock: '10.0.7.0/24' }),
    )
    await associate(made.Subnet?.SubnetId ?? '')
    const { NetworkAclId } = await defaultAcl()
    await remove(100, false, NetworkAclId)
    await rig.lab.reset()
    expect([...rig.fabric.acls.keys()]).toEqual([NetworkAclId])
    expect(inFabric(NetworkAclId)).toHaveLength(4)
    expect(rig.fabric.subnets.get(rig.subnetA)?.aclId).toBe(NetworkAclId)
  })
})

describe('listing', () => {
  beforeEach(async () => {
    await add({ RuleNumber: 7, Protocol: '6', PortRange: { From: 22, To: 23 }, RuleAction: 'deny' })
    await add({ RuleNumber: 8, Protocol: '1', IcmpTypeCode: { Type: 3, Code: 4 } })
    await add6({ RuleNumber: 9, Ipv6CidrBlock: '2001:db8::/32' })
    await add({ RuleNumber: 10, CidrBlock: '192.0.2.0/24' })
    await rig.ec2.send(
      new CreateTagsCommand({ Resources: [aclId], Tags: [{ Key: 'k', Value: 'v' }] }),
    )
    await associate(rig.subnetB)
  })

  test('knows every filter that EC2 documents', async () => {
    const { id } = await associationOf(rig.subnetB)
    for (const [name, value] of [
      ['association.association-id', id],
      ['association.network-acl-id', aclId],
      ['association.subnet-id', rig.subnetB],
      ['default', 'false'],
      ['entry.cidr', '192.0.2.0/24'],
      ['entry.icmp.code', '4'],
      ['entry.icmp.type', '3'],
      ['entry.ipv6-cidr', '2001:db8::/32'],
      ['entry.port-range.from', '22'],
      ['entry.port-range.to', '23'],
      ['entry.protocol', 'tcp'],
      ['entry.protocol', '6'],
      ['entry.protocol', 'icmp'],
      ['entry.rule-number', '7'],
      ['network-acl-id', aclId],
      ['tag:k', 'v'],
      ['tag-key', 'k'],
    ] as const) {
      const found = await byFilter(name, value)
      expect(
        found.map((acl) => acl.NetworkAclId),
        name,
      ).toEqual([aclId])
      expect(await byFilter(name, 'no-such-value'), name).toEqual([])
    }
    for (const [name, value] of [
      ['entry.egress', 'true'],
      ['entry.rule-action', 'deny'],
      ['owner-id', '123456789012'],
      ['vpc-id', rig.vpcId],
    ] as const) {
      expect(await byFilter(name, value), name).toHaveLength(2)
    }
    expect((await errorOf(byFilter('entry.colour', 'red'))).code).toBe('InvalidParameterValue')
  })

  test('goes in pages', async () => {
    for (let n = 0; n < 10; n++) await makeAcl()
    const seen: string[] = []
    let token: string | undefined
    do {
      const page: DescribeNetworkAclsCommandOutput = await rig.ec2.send(
        new DescribeNetworkAclsCommand({ MaxResults: 5, NextToken: token }),
      )
      expect(page.NetworkAcls?.length).toBeLessThanOrEqual(5)
      for (const acl of page.NetworkAcls ?? []) seen.push(acl.NetworkAclId ?? '')
      token = page.NextToken
    } while (token !== undefined)
    expect(seen).toHaveLength(12)
    expect(new Set(seen).size).toBe(12)
    const both = find({ NetworkAclIds: [aclId], MaxResults: 5 })
    expect((await errorOf(both)).code).toBe('InvalidParameterCombination')
  })
})

function tcp(From: number, To: number): Partial<Entry> {
  return { Protocol: '6', PortRange: { From, To } }
}
function icmp(Type: number, Code?: number): Partial<Entry> {
  return { Protocol: '1', IcmpTypeCode: { Type, Code } }
}
