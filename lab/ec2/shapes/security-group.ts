// A security group and its rules as EC2 writes them: the group shows its rules merged by protocol
// and ports, a rule shows itself alone, with -1 where "all" is meant.

import type * as ec2 from '@aws-sdk/client-ec2'
import {
  ACCOUNT_ID,
  REGION,
  type SecurityGroup,
  type SecurityGroupRule,
  type World,
} from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole group, as DescribeSecurityGroups gives it. */
export function securityGroupShape(world: World, group: SecurityGroup): ec2.SecurityGroup {
  return {
    GroupId: group.groupId,
    GroupName: group.name,
    Description: group.description,
    OwnerId: ACCOUNT_ID,
    VpcId: group.vpcId,
    SecurityGroupArn: securityGroupArn(group.groupId),
    IpPermissions: permissionList(group, 'ingress'),
    IpPermissionsEgress: permissionList(group, 'egress'),
    Tags: tagList(world, group.groupId),
  }
}

/** The ARN of a group. */
export const securityGroupArn = (groupId: string): string =>
  `arn:aws:ec2:${REGION}:${ACCOUNT_ID}:security-group/${groupId}`

/** One rule, as DescribeSecurityGroupRules and Authorize give it. */
export function ruleShape(
  world: World,
  group: SecurityGroup,
  rule: SecurityGroupRule,
): ec2.SecurityGroupRule {
  return {
    ...peerMembers(rule),
    SecurityGroupRuleId: rule.ruleId,
    GroupId: group.groupId,
    GroupOwnerId: ACCOUNT_ID,
    IsEgress: rule.direction === 'egress',
    IpProtocol: rule.protocol,
    FromPort: rule.from ?? -1,
    ToPort: rule.to ?? -1,
    ...descriptionOf(rule),
    SecurityGroupRuleArn: `arn:aws:ec2:${REGION}:${ACCOUNT_ID}:security-group-rule/${rule.ruleId}`,
    Tags: tagList(world, rule.ruleId),
  }
}

function peerMembers({ peer }: SecurityGroupRule): ec2.SecurityGroupRule {
  switch (peer.kind) {
    case 'ipv4':
      return { CidrIpv4: peer.cidr }
    case 'ipv6':
      return { CidrIpv6: peer.cidr }
    case 'prefix-list':
      return { PrefixListId: peer.prefixListId }
    case 'group':
      return { ReferencedGroupInfo: { GroupId: peer.groupId, UserId: ACCOUNT_ID } }
  }
}

function permissionList(
  group: SecurityGroup,
  direction: SecurityGroupRule['direction'],
): ec2.IpPermission[] {
  const merged = new Map<string, SecurityGroupRule[]>()
  for (const rule of group.rules) {
    if (rule.direction !== direction) continue
    const key = [rule.protocol, rule.from, rule.to].join(' ')
    merged.set(key, [...(merged.get(key) ?? []), rule])
  }
  return [...merged.values()].map(permissionShape)
}

function permissionShape(rules: readonly SecurityGroupRule[]): ec2.IpPermission {
  const permission = {
    IpRanges: [] as ec2.IpRange[],
    Ipv6Ranges: [] as ec2.Ipv6Range[],
    PrefixListIds: [] as ec2.PrefixListId[],
    UserIdGroupPairs: [] as ec2.UserIdGroupPair[],
  }
  for (const rule of rules) {
    const { peer } = rule
    const described = descriptionOf(rule)
    if (peer.kind === 'ipv4') permission.IpRanges.push({ CidrIp: peer.cidr, ...described })
    if (peer.kind === 'ipv6') permission.Ipv6Ranges.push({ CidrIpv6: peer.cidr, ...described })
    if (peer.kind === 'prefix-list') {
      permission.PrefixListIds.push({ PrefixListId: peer.prefixListId, ...described })
    }
    if (peer.kind === 'group') {
      permission.UserIdGroupPairs.push({ GroupId: peer.groupId, UserId: ACCOUNT_ID, ...described })
    }
  }
  const [first] = rules
  return {
    IpProtocol: first?.protocol,
    ...(first?.from === undefined ? {} : { FromPort: first.from }),
    ...(first?.to === undefined ? {} : { ToPort: first.to }),
    ...permission,
  }
}

const descriptionOf = ({ description }: SecurityGroupRule): { Description?: string } =>
  description === undefined ? {} : { Description: description }
