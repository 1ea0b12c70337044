// Goal: security groups as EC2 has them: rules canonical, refused rather than widened, in force in
// the fabric when the call is answered and taken back when the fabric fails.

import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateVpcCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  type IpPermission,
  ModifyNetworkInterfaceAttributeCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
let groupId: string
beforeEach(async () => {
  rig = await makeRig()
  groupId = await rig.makeGroup('web')
})
afterEach(() => rig.end())

const allow = (...IpPermissions: IpPermission[]) =>
  rig.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions }))
const tcp80 = (CidrIp: string): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: 80,
  ToPort: 80,
  IpRanges: [{ CidrIp }],
})
const inFabric = () =>
  rig.fabric.groups.get(groupId)?.rules.filter((r) => r.direction === 'ingress')

describe('a new group', () => {
  test('lets everything out and nothing in, in both families', () => {
    expect(rig.fabric.groups.get(groupId)?.rules).toMatchObject([
      { direction: 'egress', protocol: 'all', peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } },
      { direction: 'egress', protocol: 'all', peer: { kind: 'ipv6', cidr: '::/0' } },
    ])
    expect(rig.fabric.groups.get(rig.defaultGroup)?.rules).toMatchObject([
      { direction: 'ingress', protocol: 'all', peer: { kind: 'group', groupId: rig.defaultGroup } },
      {},
      {},
    ])
  })

  test('has a name that EC2 allows, once a VPC', async () => {
    for (const [name, code] of [
      ['web', 'InvalidGroup.Duplicate'],
      ['default', 'InvalidGroup.Reserved'],
      ['sg-mine', 'InvalidParameterValue'],
      ['no\ttabs', 'InvalidParameterValue'],
      ['a'.repeat(256), 'InvalidParameterValue'],
    ] as const) {
      expect((await errorOf(rig.makeGroup(name))).code, name).toBe(code)
    }
    const missing = await rig.query('Action=CreateSecurityGroup&GroupName=&GroupDescription=x')
    expect(missing.text).toContain('<Code>MissingParameter</Code>')
  })
})

describe('authorizing', () => {
  test('makes one rule per peer, canonical, and answers with all of them', async () => {
    const other = await rig.makeGroup('client')
    const answer = await allow(
      {
        IpProtocol: '6',
        FromPort: 80,
        ToPort: 81,
        IpRanges: [{ CidrIp: '10.0.0.77/24', Description: 'office' }, { CidrIp: '10.9.0.0/16' }],
        Ipv6Ranges: [{ CidrIpv6: '2001:DB8:0:0::1/64' }],
        UserIdGroupPairs: [{ GroupId: other }],
      },
      { IpProtocol: 'ICMP', FromPort: 8, ToPort: -1, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
      { IpProtocol: '58', Ipv6Ranges: [{ CidrIpv6: '::/0' }] },
      { IpProtocol: '47', FromPort: 1, ToPort: 2, IpRanges: [{ CidrIp: '1.2.3.4/32' }] },
      { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: groupId }] },
    )
    expect(answer.SecurityGroupRules).toHaveLength(8)
    expect(answer.SecurityGroupRules?.[0]).toMatchObject({
      SecurityGroupRuleId: expect.stringMatching(/^sgr-[0-9a-f]{17}$/),
      IpProtocol: 'tcp',
      FromPort: 80,
      ToPort: 81,
      CidrIpv4: '10.0.0.0/24',
      Description: 'office',
      IsEgress: false,
    })
    expect(inFabric()).toMatchObject([
      { protocol: 6, from: 80, to: 81, peer: { cidr: '10.0.0.0/24' } },
      { protocol: 6, peer: { cidr: '10.9.0.0/16' } },
      { protocol: 6, peer: { kind: 'ipv6', cidr: '2001:db8::/64' } },
      { protocol: 6, peer: { kind: 'group', groupId: other } },
      { protocol: 1, from: 8, to: -1 },
      { protocol: 58, from: -1, to: -1, peer: { cidr: '::/0' } },
      { protocol: 47, peer: { cidr: '1.2.3.4/32' } },
      { protocol: 'all', peer: { groupId } },
    ])
    expect(inFabric()?.[6]).not.toHaveProperty('from')
    const { SecurityGroups } = await rig.ec2.send(
      new DescribeSecurityGroupsCommand({ GroupIds: [groupId] }),
    )
    expect(SecurityGroups?.[0]?.IpPermissions).toHaveLength(5)
    expect(SecurityGroups?.[0]?.IpPermissions?.[0]?.IpRanges).toHaveLength(2)
  })

  test.each<[string, IpPermission, string]>([
    ['no peer', { IpProtocol: 'tcp', FromPort: 1, ToPort: 1 }, 'MissingParameter'],
    ['a bad CIDR', tcp80('10.0.0.0/33'), 'InvalidParameterValue'],
    ['a CIDR without length', tcp80('10.0.0.0'), 'InvalidParameterValue'],
    ['an octal CIDR', tcp80('010.0.0.0/8'), 'InvalidParameterValue'],
    ['an empty CIDR', tcp80(''), 'InvalidParameterValue'],
    ['an IPv6 range as IPv4', tcp80('::/0'), 'InvalidParameterValue'],
    ['an unknown protocol', { ...tcp80('0.0.0.0/0'), IpProtocol: 'tpc' }, 'InvalidParameterValue'],
    ['a protocol over 255', { ...tcp80('0.0.0.0/0'), IpProtocol: '256' }, 'InvalidParameterValue'],
    [
      'no ports',
      { IpProtocol: 'udp', IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
      'InvalidParameterValue',
    ],
    ['ports turned round', { ...tcp80('0.0.0.0/0'), FromPort: 81 }, 'InvalidParameterValue'],
    ['a port too high', { ...tcp80('0.0.0.0/0'), ToPort: 65536 }, 'InvalidParameterValue'],
    [
      'an ICMP code of any type',
      { IpProtocol: 'icmp', FromPort: -1, ToPort: 0, IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
      'InvalidParameterValue',
    ],
    [
      'an unknown group',
      { IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: 'sg-00000000000000000' }] },
      'InvalidGroup.NotFound',
    ],
    [
      'a prefix list that is none',
      { IpProtocol: '-1', PrefixListIds: [{ PrefixListId: 'pl-1' }] },
      'InvalidPrefixListId.Malformed',
    ],
    [
      'a description EC2 forbids',
      { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0', Description: '"quoted"' }] },
      'InvalidParameterValue',
    ],
  ])('%s is refused, and nothing is allowed', async (_what, permission, code) => {
    expect((await errorOf(allow(permission))).code).toBe(code)
    expect((await errorOf(allow(tcp80('10.0.0.0/8'), permission))).code).toBe(code)
    expect(inFabric()).toEqual([])
  })

  test('a rule that means the same is a duplicate, however it is written', async () => {
    await allow(tcp80('100.68.0.18/18'))
    const again = await errorOf(allow({ ...tcp80('100.68.0.0/18'), IpProtocol: '6' }))
    expect(again).toEqual({
      code: 'InvalidPermission.Duplicate',
      message:
        'the specified rule "peer: 100.68.0.0/18, TCP, from port: 80, to port: 80, ALLOW" ' +
        'already exists',
    })
    const twice = await errorOf(allow(tcp80('1.0.0.0/8'), tcp80('1.2.3.4/8')))
    expect(twice.message).toBe('The same permission must not appear multiple times')
  })

  test('sixty rules a direction and family, and no more', async () => {
    const many = Array.from({ length: 60 }, (_, n) => ({ CidrIp: `10.0.${n}.0/24` }))
    await allow({ IpProtocol: '-1', IpRanges: many })
    await allow({ IpProtocol: '-1', Ipv6Ranges: [{ CidrIpv6: '::/0' }] })
    const more = await errorOf(allow(tcp80('1.2.3.4/32')))
    expect(more.code).toBe('RulesPerSecurityGroupLimitExceeded')
    const group = await errorOf(
      allow({ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: groupId }] }),
    )
    expect(group.code, 'a group counts in both families').toBe('RulesPerSecurityGroupLimitExceeded')
  })

  test('a fabric that fails leaves the rule out of the model too', async () => {
    rig.fabric.failNext = 'putGroup'
    expect((await errorOf(allow(tcp80('0.0.0.0/0')))).code).toBe('InternalError')
    const { SecurityGroups } = await rig.ec2.send(
      new DescribeSecurityGroupsCommand({ GroupIds: [groupId] }),
    )
    expect(SecurityGroups?.[0]?.IpPermissions).toEqual([])
    await allow(tcp80('0.0.0.0/0'))
    expect(inFabric()).toHaveLength(1)
  })
})

describe('revoking', () => {
  test('takes rules by id or by content, from the fabric too', async () => {
    const { SecurityGroupRules } = await allow(tcp80('10.0.0.0/8'), tcp80('11.0.0.0/8'))
    const ruleId = SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? ''
    const answer = await rig.ec2.send(
      new RevokeSecurityGroupIngressCommand({ GroupId: groupId, SecurityGroupRuleIds: [ruleId] }),
    )
    expect(answer.RevokedSecurityGroupRules).toMatchObject([{ CidrIpv4: '10.0.0.0/8' }])
    await rig.ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpPermissions: [{ ...tcp80('11.9.9.9/8'), IpProtocol: 'TCP' }],
      }),
    )
    expect(inFabric()).toEqual([])
    const gone = await errorOf(
      rig.ec2.send(
        new RevokeSecurityGroupIngressCommand({ GroupId: groupId, SecurityGroupRuleIds: [ruleId] }),
      ),
    )
    expect(gone.code).toBe('InvalidSecurityGroupRuleId.NotFound')
  })

  test('what is not there is listed in a default VPC and refused in another', async () => {
    const answer = await rig.ec2.send(
      new RevokeSecurityGroupEgressCommand({
        GroupId: groupId,
        IpPermissions: [tcp80('10.0.0.0/8')],
      }),
    )
    expect(answer.UnknownIpPermissions).toHaveLength(1)
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.1.0.0/16' }))
    const other = await rig.makeGroup('other', Vpc?.VpcId)
    const refused = await errorOf(
      rig.ec2.send(
        new RevokeSecurityGroupEgressCommand({
          GroupId: other,
          IpPermissions: [tcp80('10.0.0.0/8')],
        }),
      ),
    )
    expect(refused.code).toBe('InvalidPermission.NotFound')
  })

  test('egress rules have their own ids, and ids of one direction are unknown in the other', async () => {
    const { SecurityGroupRules } = await rig.ec2.send(
      new AuthorizeSecurityGroupEgressCommand({
        GroupId: groupId,
        IpPermissions: [tcp80('10.0.0.0/8')],
      }),
    )
    const ruleId = SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? ''
    const wrong = new RevokeSecurityGroupIngressCommand({
      GroupId: groupId,
      SecurityGroupRuleIds: [ruleId],
    })
    expect((await errorOf(rig.ec2.send(wrong))).code).toBe('InvalidSecurityGroupRuleId.NotFound')
    const rules = await rig.ec2.send(
      new DescribeSecurityGroupRulesCommand({ Filters: [{ Name: 'group-id', Values: [groupId] }] }),
    )
    expect(rules.SecurityGroupRules?.filter((rule) => rule.IsEgress)).toHaveLength(3)
  })
})

test('an ENI wears five groups at most, when it is made and later', async () => {
  const ids = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => rig.makeGroup(name)))
  const wear = (NetworkInterfaceId: string, Groups: string[]): Promise<unknown> =>
    rig.ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups }))
  const { NetworkInterfaceId } = await rig.createEni({ Groups: ids.slice(0, 5) })
  expect(await errorOf(rig.createEni({ Groups: ids }))).toMatchObject({
    code: 'InvalidParameterValue',
    message: expect.stringContaining('exceeded limit 5'),
  })
  expect((await errorOf(wear(NetworkInterfaceId, ids))).code).toBe(
    'SecurityGroupsPerInterfaceLimitExceeded',
  )
  await wear(NetworkInterfaceId, [...ids.slice(1), ids[5] ?? ''])
})

describe('deleting a group', () => {
  const remove = (GroupId: string): Promise<unknown> =>
    rig.ec2.send(new DeleteSecurityGroupCommand({ GroupId }))

  test('is refused while it is worn, named by another group, or the default', async () => {
    const client = await rig.makeGroup('client')
    await allow({ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: client }] })
    expect(await errorOf(remove(client))).toEqual({
      code: 'DependencyViolation',
      message: `resource ${client} has a dependent object`,
    })
    await rig.createEni({ Groups: [groupId] })
    expect((await errorOf(remove(groupId))).code).toBe('DependencyViolation')
    expect((await errorOf(remove(rig.defaultGroup))).code).toBe('CannotDelete')
  })

  test('takes it from the fabric', async () => {
    await allow({ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: groupId }] })
    await remove(groupId)
    expect(rig.fabric.groups.has(groupId)).toBe(false)
    expect((await errorOf(remove(groupId))).code).toBe('InvalidGroup.NotFound')
  })
})

test('whatever a caller writes as a peer, the fabric gets just that block or nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.ipV4Extended(), fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 20 })),
      fc.oneof(fc.integer({ min: -1, max: 140 }).map(String), fc.string({ maxLength: 4 })),
      async (address, length) => {
        rig.fabric.groups.set(groupId, { groupId, rules: [] })
        const written = `${address}/${length}`
        await allow(tcp80(written)).catch(() => undefined)
        for (const rule of inFabric() ?? []) {
          expect(written.endsWith(`/${Number(length)}`), written).toBe(true)
          expect(rule.peer).toMatchObject({ cidr: expect.stringMatching(`/${length}$`) })
        }
        await rig.lab.reset()
        groupId = await rig.makeGroup('web')
      },
    ),
    { numRuns: 100 },
  )
})
