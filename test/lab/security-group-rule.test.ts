// Goal: a rule is a thing of its own: it has an id that outlives its change, a description, tags,
// and it is listed by them. What a call changes is in the fabric when it is answered.

import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateTagsCommand,
  DeleteTagsCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeTagsCommand,
  type IpPermission,
  ModifySecurityGroupRulesCommand,
  RevokeSecurityGroupIngressCommand,
  type SecurityGroupRuleRequest,
  UpdateSecurityGroupRuleDescriptionsEgressCommand,
  UpdateSecurityGroupRuleDescriptionsIngressCommand,
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

const tcp = (CidrIp: string, port = 80): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: port,
  ToPort: port,
  IpRanges: [{ CidrIp, Description: `port ${port}` }],
})
async function allow(...IpPermissions: IpPermission[]): Promise<string[]> {
  const made = await rig.ec2.send(
    new AuthorizeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions }),
  )
  return (made.SecurityGroupRules ?? []).map((rule) => rule.SecurityGroupRuleId ?? '')
}
const modify = (...rules: (readonly [string, SecurityGroupRuleRequest])[]) =>
  rig.ec2.send(
    new ModifySecurityGroupRulesCommand({
      GroupId: groupId,
      SecurityGroupRules: rules.map(([SecurityGroupRuleId, SecurityGroupRule]) => ({
        SecurityGroupRuleId,
        SecurityGroupRule,
      })),
    }),
  )
async function shown(ruleId: string) {
  const { SecurityGroupRules } = await rig.ec2.send(
    new DescribeSecurityGroupRulesCommand({ SecurityGroupRuleIds: [ruleId] }),
  )
  return SecurityGroupRules?.[0]
}
const inFabric = (ruleId: string) =>
  rig.fabric.groups.get(groupId)?.rules.find((rule) => rule.ruleId === ruleId)

const ssh: SecurityGroupRuleRequest = {
  IpProtocol: '6',
  FromPort: 22,
  ToPort: 22,
  CidrIpv4: '10.0.0.9/24',
}

describe('modifying rules', () => {
  test('writes a rule anew under its id, in the fabric too, and keeps its tags', async () => {
    const [one = '', two = ''] = await allow(tcp('10.0.0.0/8'), tcp('11.0.0.0/8'))
    await rig.ec2.send(
      new CreateTagsCommand({ Resources: [one], Tags: [{ Key: 'team', Value: 'a' }] }),
    )
    expect((await modify([one, ssh])).Return).toBe(true)
    expect(await shown(one)).toMatchObject({
      IpProtocol: 'tcp',
      FromPort: 22,
      CidrIpv4: '10.0.0.0/24',
      Tags: [{ Key: 'team', Value: 'a' }],
    })
    expect(await shown(one), 'it was left out').not.toHaveProperty('Description')
    expect(inFabric(one)).toMatchObject({ protocol: 6, from: 22, peer: { cidr: '10.0.0.0/24' } })
    expect(inFabric(two)).toMatchObject({ from: 80 })
  })

  test('two rules can change places in one call', async () => {
    const [one = '', two = ''] = await allow(tcp('10.0.0.0/8', 1), tcp('10.0.0.0/8', 2))
    const port = (n: number) => ({ ...ssh, CidrIpv4: '10.0.0.0/8', FromPort: n, ToPort: n })
    await modify([one, port(2)], [two, port(1)])
    expect([inFabric(one)?.from, inFabric(two)?.from]).toEqual([2, 1])
  })

  test.each<[string, SecurityGroupRuleRequest, string]>([
    ['no peer', { IpProtocol: '-1' }, 'MissingParameter'],
    ['two peers', { ...ssh, CidrIpv6: '::/0' }, 'InvalidParameterCombination'],
    ['no protocol', { CidrIpv4: '10.0.0.0/8' }, 'MissingParameter'],
    ['a peer of another type', { IpProtocol: '-1', CidrIpv6: '::/0' }, 'InvalidParameterValue'],
    ['a bad CIDR', { ...ssh, CidrIpv4: '10.0.0.0/33' }, 'InvalidParameterValue'],
    ['no ports', { IpProtocol: 'tcp', CidrIpv4: '10.0.0.0/8' }, 'InvalidParameterValue'],
    [
      'what another rule says',
      { ...ssh, FromPort: 81, ToPort: 81, CidrIpv4: '10.1.2.3/8' },
      'InvalidPermission.Duplicate',
    ],
  ])('%s is refused, and no rule of the call changes', async (_what, written, code) => {
    const [one = '', two = ''] = await allow(tcp('10.0.0.0/8'), tcp('11.0.0.0/8'))
    await allow(tcp('10.0.0.0/8', 81))
    expect((await errorOf(modify([two, ssh], [one, written]))).code).toBe(code)
    expect(inFabric(one)).toMatchObject({ from: 80 })
    expect(inFabric(two)).toMatchObject({ from: 80 })
  })

  test('a rule of another group, of nothing, or named twice is refused', async () => {
    const [one = ''] = await allow(tcp('10.0.0.0/8'))
    groupId = await rig.makeGroup('other')
    const foreign = await errorOf(modify([one, ssh]))
    expect(foreign.code).toBe('InvalidSecurityGroupRuleId.NotFound')
    expect((await errorOf(modify(['sgr-1', ssh]))).code).toBe(
      'InvalidSecurityGroupRuleId.Malformed',
    )
    const [mine = ''] = await allow(tcp('10.0.0.0/8'))
    expect((await errorOf(modify([mine, ssh], [mine, ssh]))).code).toBe('InvalidParameterValue')
    expect(inFabric(mine)).toMatchObject({ from: 80 })
  })

  test('a fabric that fails leaves the rule as it was', async () => {
    const [one = ''] = await allow(tcp('10.0.0.0/8'))
    rig.fabric.failNext = 'putGroup'
    expect((await errorOf(modify([one, ssh]))).code).toBe('InternalError')
    expect(await shown(one)).toMatchObject({ FromPort: 80 })
    await modify([one, ssh])
    expect(inFabric(one)).toMatchObject({ from: 22 })
  })
})

describe('descriptions', () => {
  const update = (input: Record<string, unknown>) =>
    rig.ec2.send(
      new UpdateSecurityGroupRuleDescriptionsIngressCommand({ GroupId: groupId, ...input }),
    )

  test('are changed and taken away, by id or by content, and the fabric is not asked', async () => {
    const [one = '', two = ''] = await allow(tcp('10.0.0.0/8'), tcp('11.0.0.0/8'))
    rig.fabric.said = []
    await update({
      SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: one, Description: 'new' }],
    })
    await update({
      IpPermissions: [{ ...tcp('11.2.3.4/8'), IpRanges: [{ CidrIp: '11.2.3.4/8' }] }],
    })
    expect(await shown(one)).toMatchObject({ Description: 'new', CidrIpv4: '10.0.0.0/8' })
    expect(await shown(two)).not.toHaveProperty('Description')
    expect(rig.fabric.said).toEqual([])
  })

  test('of a rule that is not there, or of the other direction, are refused', async () => {
    const [one = ''] = await allow(tcp('10.0.0.0/8'))
    const byId = [{ SecurityGroupRuleId: one, Description: 'x' }]
    const wrong = rig.ec2.send(
      new UpdateSecurityGroupRuleDescriptionsEgressCommand({
        GroupId: groupId,
        SecurityGroupRuleDescriptions: byId,
      }),
    )
    expect((await errorOf(wrong)).code).toBe('InvalidSecurityGroupRuleId.NotFound')
    for (const [input, code] of [
      [{ IpPermissions: [tcp('12.0.0.0/8')] }, 'InvalidPermission.NotFound'],
      [
        { IpPermissions: [tcp('10.0.0.0/8')], SecurityGroupRuleDescriptions: byId },
        'InvalidParameterCombination',
      ],
      [{}, 'MissingParameter'],
      [
        { SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: one, Description: '"' }] },
        'InvalidParameterValue',
      ],
    ] as const) {
      expect((await errorOf(update(input))).code).toBe(code)
    }
    expect(await shown(one)).toMatchObject({ Description: 'port 80' })
  })
})

describe('rules have tags', () => {
  test('given when they are made, or later, shown wherever tags are, gone with the rule', async () => {
    const made = await rig.ec2.send(
      new AuthorizeSecurityGroupEgressCommand({
        GroupId: groupId,
        IpPermissions: [tcp('10.0.0.0/8'), tcp('11.0.0.0/8')],
        TagSpecifications: [
          { ResourceType: 'security-group-rule', Tags: [{ Key: 'team', Value: 'a' }] },
        ],
      }),
    )
    const ids = (made.SecurityGroupRules ?? []).map((rule) => rule.SecurityGroupRuleId ?? '')
    expect(made.SecurityGroupRules).toMatchObject([
      { Tags: [{ Key: 'team', Value: 'a' }] },
      { Tags: [{ Key: 'team', Value: 'a' }] },
    ])
    const [late = ''] = await allow(tcp('12.0.0.0/8'))
    await rig.ec2.send(
      new CreateTagsCommand({ Resources: [late], Tags: [{ Key: 'team', Value: 'b' }] }),
    )
    const tags = async () => {
      const { Tags = [] } = await rig.ec2.send(
        new DescribeTagsCommand({
          Filters: [{ Name: 'resource-type', Values: ['security-group-rule'] }],
        }),
      )
      return Tags.map((tag) => tag.ResourceId).sort()
    }
    expect(await tags()).toEqual([...ids, late].sort())
    await rig.ec2.send(new DeleteTagsCommand({ Resources: [ids[0] ?? ''] }))
    await rig.ec2.send(
      new RevokeSecurityGroupIngressCommand({ GroupId: groupId, SecurityGroupRuleIds: [late] }),
    )
    expect(await tags()).toEqual([ids[1]])
    const wrong = rig.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpPermissions: [tcp('13.0.0.0/8')],
        TagSpecifications: [{ ResourceType: 'security-group', Tags: [{ Key: 'a', Value: 'b' }] }],
      }),
    )
    expect((await errorOf(wrong)).code).toBe('InvalidParameterValue')
  })

  test('and are listed by them, by group and by id, in pages that miss none', async () => {
    const ids = await allow(...Array.from({ length: 13 }, (_, n) => tcp('10.0.0.0/8', n)))
    await rig.ec2.send(
      new CreateTagsCommand({ Resources: ids.slice(0, 12), Tags: [{ Key: 'k', Value: 'v' }] }),
    )
    const list = (Filters: { Name: string; Values: string[] }[], more = {}) =>
      rig.ec2.send(new DescribeSecurityGroupRulesCommand({ Filters, ...more }))
    const tagged = [{ Name: 'tag:k', Values: ['v*'] }]
    const found: (string | undefined)[] = []
    let NextToken: string | undefined
    do {
      const page = await list(tagged, { MaxResults: 5, NextToken })
      expect(page.SecurityGroupRules?.length).toBeLessThanOrEqual(5)
      found.push(...(page.SecurityGroupRules ?? []).map((rule) => rule.SecurityGroupRuleId))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    expect(found.sort()).toEqual(ids.slice(0, 12).sort())
    const byId = await list([{ Name: 'security-group-rule-id', Values: [ids[12] ?? ''] }])
    expect(byId.SecurityGroupRules).toMatchObject([{ FromPort: 12, GroupId: groupId }])
    const ofGroup = await list([{ Name: 'group-id', Values: [groupId] }, ...tagged])
    expect(ofGroup.SecurityGroupRules).toHaveLength(12)
    expect((await errorOf(list([{ Name: 'cidr', Values: ['x'] }]))).code).toBe(
      'InvalidParameterValue',
    )
  })
})
