// Goal: managed prefix lists as EC2 has them: versions, room, references; and what the fabric is told
// of a rule that names one is what the list says when the call is answered.

import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateManagedPrefixListCommand,
  DeleteManagedPrefixListCommand,
  DescribeManagedPrefixListsCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DescribeTagsCommand,
  GetManagedPrefixListAssociationsCommand,
  GetManagedPrefixListEntriesCommand,
  type IpPermission,
  ModifyManagedPrefixListCommand,
  type ModifyManagedPrefixListCommandInput,
  ModifySecurityGroupRulesCommand,
  RestoreManagedPrefixListVersionCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
let groupId: string
beforeEach(async () => {
  rig = await makeRig()
  groupId = await rig.makeGroup('web')
})
afterEach(() => rig.end())

async function makeList(cidrs: string[], MaxEntries = 10, AddressFamily = 'IPv4') {
  const { PrefixList } = await rig.ec2.send(
    new CreateManagedPrefixListCommand({
      PrefixListName: 'office',
      AddressFamily,
      MaxEntries,
      Entries: cidrs.map((Cidr) => ({ Cidr })),
    }),
  )
  return PrefixList?.PrefixListId ?? ''
}
const from = (PrefixListId: string, port = 80): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: port,
  ToPort: port,
  PrefixListIds: [{ PrefixListId, Description: 'office' }],
})
const allow = (...IpPermissions: IpPermission[]) =>
  rig.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions }))
const modify = (PrefixListId: string, input: Partial<ModifyManagedPrefixListCommandInput>) =>
  rig.ec2.send(new ModifyManagedPrefixListCommand({ PrefixListId, ...input }))
async function shown(prefixListId: string) {
  const { PrefixLists } = await rig.ec2.send(
    new DescribeManagedPrefixListsCommand({ PrefixListIds: [prefixListId] }),
  )
  return PrefixLists?.[0]
}
async function entries(PrefixListId: string, TargetVersion?: number) {
  const { Entries = [] } = await rig.ec2.send(
    new GetManagedPrefixListEntriesCommand({ PrefixListId, TargetVersion }),
  )
  return Entries.map(({ Cidr }) => Cidr)
}
/** What the fabric lets in: id, port and block of each rule. */
const letIn = () =>
  (rig.fabric.groups.get(groupId)?.rules ?? []).flatMap(({ direction, from, peer, ruleId }) =>
    direction === 'ingress' && peer.kind !== 'group' ? [[ruleId, from, peer.cidr]] : [],
  )

describe('a list', () => {
  test('is made with its first version, and shown', async () => {
    const { PrefixList } = await rig.ec2.send(
      new CreateManagedPrefixListCommand({
        PrefixListName: 'office',
        AddressFamily: 'IPv6',
        MaxEntries: 3,
        Entries: [{ Cidr: '2001:DB8::1/32', Description: 'hq' }],
        TagSpecifications: [{ ResourceType: 'prefix-list', Tags: [{ Key: 'k', Value: 'v' }] }],
      }),
    )
    const id = PrefixList?.PrefixListId ?? ''
    expect(PrefixList).toMatchObject({
      PrefixListId: expect.stringMatching(/^pl-[0-9a-f]{17}$/),
      State: 'create-in-progress',
      Version: 1,
      Tags: [{ Key: 'k', Value: 'v' }],
    })
    expect(await shown(id)).toMatchObject({
      State: 'create-complete',
      AddressFamily: 'IPv6',
      MaxEntries: 3,
      PrefixListName: 'office',
      OwnerId: '123456789012',
      PrefixListArn: `arn:aws:ec2:us-west-2:123456789012:prefix-list/${id}`,
    })
    const { Entries } = await rig.ec2.send(
      new GetManagedPrefixListEntriesCommand({ PrefixListId: id }),
    )
    expect(Entries).toEqual([{ Cidr: '2001:db8::/32', Description: 'hq' }])
    const { Tags } = await rig.ec2.send(new DescribeTagsCommand({}))
    expect(Tags).toMatchObject([{ ResourceId: id, ResourceType: 'prefix-list' }])
  })

  test.each<[string, object, string]>([
    ['a reserved name', { PrefixListName: 'com.amazonaws.x' }, 'InvalidParameterValue'],
    ['no room', { MaxEntries: 0 }, 'InvalidParameterValue'],
    ['too much room', { MaxEntries: 1001 }, 'InvalidParameterValue'],
    ['an unknown family', { AddressFamily: 'ipv4' }, 'InvalidParameterValue'],
    ['a block of the other family', { Entries: [{ Cidr: '::/0' }] }, 'InvalidParameterValue'],
    ['a bad block', { Entries: [{ Cidr: '10.0.0.0/33' }] }, 'InvalidParameterValue'],
    [
      'a block twice',
      { Entries: [{ Cidr: '10.0.0.1/8' }, { Cidr: '10.0.0.0/8' }] },
      'InvalidPrefixListModification',
    ],
    [
      'more than its room',
      { MaxEntries: 1, Entries: [{ Cidr: '1.0.0.0/8' }, { Cidr: '2.0.0.0/8' }] },
      'PrefixListMaxEntriesExceeded',
    ],
    [
      'more than a call may bring',
      {
        MaxEntries: 200,
        Entries: Array.from({ length: 101 }, (_, n) => ({ Cidr: `10.0.${n}.0/24` })),
      },
      'InvalidParameterValue',
    ],
  ])('with %s is refused', async (_what, change, code) => {
    const made = rig.ec2.send(
      new CreateManagedPrefixListCommand({
        PrefixListName: 'x',
        AddressFamily: 'IPv4',
        MaxEntries: 5,
        ...change,
      }),
    )
    expect((await errorOf(made)).code).toBe(code)
    const { PrefixLists } = await rig.ec2.send(new DescribeManagedPrefixListsCommand({}))
    expect(PrefixLists).toEqual([])
  })

  test('the same client token makes it once, and other words with it are refused', async () => {
    const make = (PrefixListName: string) =>
      rig.ec2.send(
        new CreateManagedPrefixListCommand({
          PrefixListName,
          AddressFamily: 'IPv4',
          MaxEntries: 1,
          ClientToken: 'once',
        }),
      )
    const [one, two] = [await make('a'), await make('a')]
    expect(two.PrefixList?.PrefixListId).toBe(one.PrefixList?.PrefixListId)
    expect((await errorOf(make('b'))).code).toBe('IdempotentParameterMismatch')
  })

  test('has a version for every change of its entries, and keeps the old ones', async () => {
    const id = await makeList(['10.0.0.0/8', '11.0.0.0/8'])
    const answer = await modify(id, {
      CurrentVersion: 1,
      AddEntries: [{ Cidr: '12.0.0.0/8' }],
      RemoveEntries: [{ Cidr: '10.9.9.9/8' }],
    })
    expect(answer.PrefixList).toMatchObject({ State: 'modify-in-progress', Version: 1 })
    expect(await shown(id)).toMatchObject({ State: 'modify-complete', Version: 2 })
    expect(await entries(id)).toEqual(['11.0.0.0/8', '12.0.0.0/8'])
    expect(await entries(id, 1)).toEqual(['10.0.0.0/8', '11.0.0.0/8'])
    await rig.ec2.send(
      new RestoreManagedPrefixListVersionCommand({
        PrefixListId: id,
        PreviousVersion: 1,
        CurrentVersion: 2,
      }),
    )
    expect(await shown(id)).toMatchObject({ State: 'restore-complete', Version: 3 })
    expect(await entries(id)).toEqual(['10.0.0.0/8', '11.0.0.0/8'])
    expect((await errorOf(entries(id, 4))).code).toBe('InvalidParameterValue')
  })

  test('a change for another version, or that says two things at once, is refused', async () => {
    const id = await makeList(['10.0.0.0/8'])
    const add = { AddEntries: [{ Cidr: '11.0.0.0/8' }] }
    for (const [input, code] of [
      [{ ...add, CurrentVersion: 2 }, 'PrefixListVersionMismatch'],
      [add, 'MissingParameter'],
      [{}, 'MissingParameter'],
      [{ ...add, CurrentVersion: 1, MaxEntries: 5 }, 'InvalidParameterCombination'],
      [{ MaxEntries: 0 }, 'InvalidParameterValue'],
      [
        { CurrentVersion: 1, RemoveEntries: [{ Cidr: '9.0.0.0/8' }] },
        'InvalidPrefixListModification',
      ],
      [
        {
          CurrentVersion: 1,
          AddEntries: [{ Cidr: '10.0.0.0/8' }],
          RemoveEntries: [{ Cidr: '10.0.0.0/8' }],
        },
        'InvalidPrefixListModification',
      ],
    ] as const) {
      expect((await errorOf(modify(id, input as never))).code, JSON.stringify(input)).toBe(code)
    }
    expect(await shown(id)).toMatchObject({ Version: 1 })
    await modify(id, { PrefixListName: 'renamed' })
    expect(await shown(id)).toMatchObject({ Version: 1, PrefixListName: 'renamed' })
  })

  test('is found by name, in pages, and its entries are', async () => {
    const cidrs = Array.from({ length: 7 }, (_, n) => `10.${n}.0.0/16`)
    const id = await makeList(cidrs)
    const other = await makeList([])
    await modify(other, { PrefixListName: 'home' })
    const { PrefixLists } = await rig.ec2.send(
      new DescribeManagedPrefixListsCommand({
        Filters: [{ Name: 'prefix-list-name', Values: ['off*'] }],
      }),
    )
    expect(PrefixLists?.map((list) => list.PrefixListId)).toEqual([id])
    const found: (string | undefined)[] = []
    let NextToken: string | undefined
    do {
      const page = await rig.ec2.send(
        new GetManagedPrefixListEntriesCommand({ PrefixListId: id, MaxResults: 3, NextToken }),
      )
      found.push(...(page.Entries ?? []).map(({ Cidr }) => Cidr))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    expect(found).toEqual(cidrs)
  })
})

describe('a rule that names a list', () => {
  test('is one rule, shown with the list, and one per entry in the fabric', async () => {
    const id = await makeList(['10.0.0.0/8', '11.0.0.0/8'])
    const { SecurityGroupRules } = await allow(from(id))
    const [rule] = SecurityGroupRules ?? []
    const ruleId = rule?.SecurityGroupRuleId ?? ''
    expect(SecurityGroupRules).toMatchObject([{ PrefixListId: id, Description: 'office' }])
    expect(letIn()).toEqual([
      [ruleId, 80, '10.0.0.0/8'],
      [ruleId, 80, '11.0.0.0/8'],
    ])
    const { SecurityGroups } = await rig.ec2.send(
      new DescribeSecurityGroupsCommand({
        Filters: [{ Name: 'ip-permission.prefix-list-id', Values: [id] }],
      }),
    )
    expect(SecurityGroups).toMatchObject([
      { IpPermissions: [{ PrefixListIds: [{ PrefixListId: id, Description: 'office' }] }] },
    ])
    expect((await errorOf(allow(from(id)))).code).toBe('InvalidPermission.Duplicate')
    const { PrefixListAssociations } = await rig.ec2.send(
      new GetManagedPrefixListAssociationsCommand({ PrefixListId: id }),
    )
    expect(PrefixListAssociations).toEqual([{ ResourceId: groupId, ResourceOwner: '123456789012' }])
  })

  test('follows the list in every group that names it when the call is answered', async () => {
    const id = await makeList(['10.0.0.0/8'])
    await allow(from(id), from(id, 443))
    const web = groupId
    groupId = await rig.makeGroup('db')
    await allow(from(id, 5432))
    await modify(id, {
      CurrentVersion: 1,
      AddEntries: [{ Cidr: '12.0.0.0/8' }],
      RemoveEntries: [{ Cidr: '10.0.0.0/8' }],
    })
    expect(letIn()).toMatchObject([[expect.anything(), 5432, '12.0.0.0/8']])
    groupId = web
    expect(letIn().map(([, port, cidr]) => [port, cidr])).toEqual([
      [80, '12.0.0.0/8'],
      [443, '12.0.0.0/8'],
    ])
    await modify(id, { CurrentVersion: 2, RemoveEntries: [{ Cidr: '12.0.0.0/8' }] })
    expect(letIn(), 'an empty list allows nothing').toEqual([])
  })

  // P226
  test('a fabric that fails at the second group takes the first back, and the list too', async () => {
    const id = await makeList(['10.0.0.0/8'])
    await allow(from(id))
    const web = groupId
    groupId = await rig.makeGroup('db')
    await allow(from(id))
    const before = [rig.fabric.groups.get(web), rig.fabric.groups.get(groupId)]
    const put = rig.fabric.putGroup.bind(rig.fabric)
    rig.fabric.putGroup = (group) => {
      if (group.groupId === groupId) rig.fabric.failNext = 'putGroup'
      return put(group)
    }
    const add = { CurrentVersion: 1, AddEntries: [{ Cidr: '12.0.0.0/8' }] }
    expect((await errorOf(modify(id, add))).code).toBe('InternalError')
    expect([rig.fabric.groups.get(web), rig.fabric.groups.get(groupId)]).toEqual(before)
    expect(await shown(id)).toMatchObject({ Version: 1 })
    expect(await entries(id)).toEqual(['10.0.0.0/8'])
  })

  test('counts as many rules as the list has room for, in both families', async () => {
    const id = await makeList(['10.0.0.0/8'], 59)
    await allow(from(id))
    await allow({ IpProtocol: '-1', IpRanges: [{ CidrIp: '1.0.0.0/8' }] })
    const full = 'RulesPerSecurityGroupLimitExceeded'
    const v4 = allow({ IpProtocol: '-1', IpRanges: [{ CidrIp: '2.0.0.0/8' }] })
    expect((await errorOf(v4)).code).toBe(full)
    const group = allow({ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: groupId }] })
    expect((await errorOf(group)).code).toBe(full)
    expect((await errorOf(allow(from(await makeList([], 61))))).code).toBe(full)
    const answer = await modify(id, { MaxEntries: 60 })
    expect(answer.PrefixList).toMatchObject({ State: 'modify-in-progress' })
    expect(await shown(id)).toMatchObject({
      State: 'modify-failed',
      StateMessage: expect.stringContaining(groupId),
      MaxEntries: 59,
    })
    await modify(id, { MaxEntries: 30 })
    expect(await shown(id)).toMatchObject({ State: 'modify-complete', MaxEntries: 30 })
    expect(await shown(id)).not.toHaveProperty('StateMessage')
    await allow({ IpProtocol: '-1', IpRanges: [{ CidrIp: '2.0.0.0/8' }] })
  })

  test('can be given another list, and keeps the list from being deleted', async () => {
    const [one, two] = [await makeList(['10.0.0.0/8']), await makeList(['11.0.0.0/8'])]
    const { SecurityGroupRules } = await allow(from(one))
    const ruleId = SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? ''
    const remove = (PrefixListId: string) =>
      rig.ec2.send(new DeleteManagedPrefixListCommand({ PrefixListId }))
    expect((await errorOf(remove(one))).code).toBe('DependencyViolation')
    await rig.ec2.send(
      new ModifySecurityGroupRulesCommand({
        GroupId: groupId,
        SecurityGroupRules: [
          {
            SecurityGroupRuleId: ruleId,
            SecurityGroupRule: { IpProtocol: '-1', PrefixListId: two },
          },
        ],
      }),
    )
    expect(letIn()).toEqual([[ruleId, undefined, '11.0.0.0/8']])
    expect((await remove(one)).PrefixList?.State).toBe('delete-in-progress')
    expect((await errorOf(remove(one))).code).toBe('InvalidPrefixListID.NotFound')
    expect((await errorOf(remove('pl-1'))).code).toBe('InvalidPrefixListId.Malformed')
    const revoked = await rig.ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpPermissions: [{ IpProtocol: '-1', PrefixListIds: [{ PrefixListId: two }] }],
      }),
    )
    expect(revoked.RevokedSecurityGroupRules).toMatchObject([{ PrefixListId: two }])
    await remove(two)
  })

  test('of nothing, or of the family that its protocol is not of, is refused', async () => {
    const six = await makeList(['2001:db8::/32'], 1, 'IPv6')
    for (const [permission, code] of [
      [from('pl-00000000000000000'), 'InvalidPrefixListID.NotFound'],
      [{ ...from(six), IpProtocol: 'icmp', FromPort: -1, ToPort: -1 }, 'InvalidParameterValue'],
      [{ IpProtocol: 'icmpv6', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }, 'InvalidParameterValue'],
    ] as const) {
      expect((await errorOf(allow(permission as IpPermission))).code).toBe(code)
    }
    const out = await rig.ec2.send(
      new AuthorizeSecurityGroupEgressCommand({ GroupId: groupId, IpPermissions: [from(six)] }),
    )
    const { SecurityGroupRules } = await rig.ec2.send(
      new DescribeSecurityGroupRulesCommand({
        SecurityGroupRuleIds: [out.SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? ''],
      }),
    )
    expect(SecurityGroupRules).toMatchObject([{ IsEgress: true, PrefixListId: six }])
  })
})
