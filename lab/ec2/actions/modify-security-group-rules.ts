// ModifySecurityGroupRules: rules written anew under the ids they have; all of them or none, and in
// force when the call is answered. A rule keeps its direction and the kind of its peer.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findGroup, noSuch } from '../../model/look-up.ts'
import { type Described, readPermission } from '../../model/permission.ts'
import { Refusal } from '../../model/refusal.ts'
import { replaceRules } from '../../model/security-group.ts'
import type { Peer, SecurityGroup, World } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const modifySecurityGroupRules: ChangeAction<
  ec2.ModifySecurityGroupRulesRequest,
  ec2.ModifySecurityGroupRulesResult
> = {
  name: 'ModifySecurityGroupRules',
  honours: [
    'GroupId',
    'SecurityGroupRules.SecurityGroupRuleId',
    'SecurityGroupRules.SecurityGroupRule.IpProtocol',
    'SecurityGroupRules.SecurityGroupRule.FromPort',
    'SecurityGroupRules.SecurityGroupRule.ToPort',
    'SecurityGroupRules.SecurityGroupRule.CidrIpv4',
    'SecurityGroupRules.SecurityGroupRule.CidrIpv6',
    'SecurityGroupRules.SecurityGroupRule.PrefixListId',
    'SecurityGroupRules.SecurityGroupRule.ReferencedGroupId',
    'SecurityGroupRules.SecurityGroupRule.Description',
  ],
  change(world, input) {
    const group = findGroup(world, input.GroupId ?? '')
    const { SecurityGroupRules: updates = [] } = input
    const changes = new Map<string, Described>()
    for (const { SecurityGroupRuleId: ruleId = '', SecurityGroupRule: written = {} } of updates) {
      if (changes.has(ruleId)) {
        throw new Refusal(
          'InvalidParameterValue',
          `The security group rule '${ruleId}' must not appear multiple times`,
        )
      }
      changes.set(ruleId, readRule(world, group, ruleId, written))
    }
    return { world: replaceRules(world, group, changes), output: { Return: true } }
  },
}

function readRule(
  world: World,
  group: SecurityGroup,
  ruleId: string,
  written: ec2.SecurityGroupRuleRequest,
): Described {
  const rule = group.rules.find((each) => each.ruleId === ruleId)
  if (rule === undefined) throw noSuch('rule', ruleId)
  const { CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId, Description, ...rest } = written
  const all = readPermission(world, group, rule.direction, {
    ...rest,
    IpRanges: CidrIpv4 === undefined ? [] : [{ CidrIp: CidrIpv4, Description }],
    Ipv6Ranges: CidrIpv6 === undefined ? [] : [{ CidrIpv6, Description }],
    PrefixListIds: PrefixListId === undefined ? [] : [{ PrefixListId, Description }],
    UserIdGroupPairs:
      ReferencedGroupId === undefined ? [] : [{ GroupId: ReferencedGroupId, Description }],
  })
  const [described] = all
  if (described === undefined || all.length > 1) {
    throw new Refusal(
      'InvalidParameterCombination',
      `Rule ${ruleId}: write exactly one of ${Object.values(MEMBER).join(', ')}.`,
    )
  }
  const [was, now] = [rule.peer.kind, described.permission.peer.kind]
  if (was === now) return described
  throw new Refusal(
    'InvalidParameterValue',
    `Rule ${ruleId} has a ${MEMBER[was]}: a rule keeps the type of its source or destination, so ` +
      `it cannot be given a ${MEMBER[now]}. Revoke it and authorize another.`,
  )
}

/** The member in which each kind of peer is written. */
const MEMBER: Readonly<Record<Peer['kind'], string>> = {
  ipv4: 'CidrIpv4',
  ipv6: 'CidrIpv6',
  'prefix-list': 'PrefixListId',
  group: 'ReferencedGroupId',
}
