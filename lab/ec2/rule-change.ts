// Authorize and Revoke, for both directions: the four actions differ in a name and a direction. A
// rule is in force on every port that wears the group when the call is answered.

import type * as ec2 from '@aws-sdk/client-ec2'
import { noSuch } from '../model/look-up.ts'
import {
  type Described,
  readPermission,
  samePermission,
  type WrittenPermission,
} from '../model/permission.ts'
import { Refusal } from '../model/refusal.ts'
import { addRules, removeRules } from '../model/security-group.ts'
import { withTags } from '../model/tag-rules.ts'
import type { Permission, SecurityGroup, SecurityGroupRule, World } from '../model/world.ts'
import type { Change } from '../region.ts'
import type { Call } from './action.ts'
import { groupNamed } from './group-lookup.ts'
import { ruleShape } from './shapes/security-group.ts'
import { specifiedTags } from './tag-specification.ts'

type Direction = Permission['direction']

/** Members that Authorize and Revoke share, as EC2 names them. */
export type RuleInput = WrittenPermission & {
  readonly GroupId?: string | undefined
  readonly GroupName?: string | undefined
  readonly IpPermissions?: readonly WrittenPermission[] | undefined
  /** Ingress only: one IPv4 range written flat. */
  readonly CidrIp?: string | undefined
}

/** The parameters in which rules are written. Peered VPCs are not honoured. */
export const PERMISSIONS = [
  'IpPermissions.IpProtocol',
  'IpPermissions.FromPort',
  'IpPermissions.ToPort',
  'IpPermissions.IpRanges.CidrIp',
  'IpPermissions.IpRanges.Description',
  'IpPermissions.Ipv6Ranges.CidrIpv6',
  'IpPermissions.Ipv6Ranges.Description',
  'IpPermissions.PrefixListIds.PrefixListId',
  'IpPermissions.PrefixListIds.Description',
  'IpPermissions.UserIdGroupPairs.GroupId',
  'IpPermissions.UserIdGroupPairs.GroupName',
  'IpPermissions.UserIdGroupPairs.UserId',
  'IpPermissions.UserIdGroupPairs.Description',
] as const

/** The flat form of one ingress rule with an IPv4 range. */
export const FLAT_RULE = ['IpProtocol', 'FromPort', 'ToPort', 'CidrIp'] as const

type AuthorizeInput = RuleInput & {
  readonly TagSpecifications?: Parameters<typeof specifiedTags>[0]
}

/** Adds the rules that are written; all of them or none. */
export function authorize(
  world: World,
  direction: Direction,
  input: AuthorizeInput,
  call: Call,
): Change<ec2.AuthorizeSecurityGroupIngressResult> {
  const group = groupNamed(world, input)
  const rules = written(world, group, direction, input)
  if (rules.length === 0) throw noPermissions()
  const { world: ruled, added } = addRules(world, group, rules, call.random)
  const tags = specifiedTags(input.TagSpecifications, 'security-group-rule')
  const next = added.reduce((so, { ruleId }) => withTags(so, ruleId, tags), ruled)
  const SecurityGroupRules = added.map((rule) => ruleShape(next, group, rule))
  return { world: next, output: { Return: true, SecurityGroupRules } }
}

type RevokeInput = RuleInput & { readonly SecurityGroupRuleIds?: readonly string[] | undefined }

/** Takes away the rules that are written or named by id. */
export function revoke(
  world: World,
  direction: Direction,
  input: RevokeInput,
): Change<ec2.RevokeSecurityGroupIngressResult> {
  const group = groupNamed(world, input)
  const { SecurityGroupRuleIds: ruleIds = [] } = input
  const asked = written(world, group, direction, input)
  if (ruleIds.length > 0 && asked.length > 0) {
    throw new Refusal(
      'InvalidParameterCombination',
      'Name rules by SecurityGroupRuleId or write them as IpPermissions, not both.',
    )
  }
  if (ruleIds.length === 0 && asked.length === 0) throw noPermissions()
  const { found, missing } = matching(world, group, direction, ruleIds, asked)
  return {
    world: removeRules(world, group, new Set(found.map((rule) => rule.ruleId))),
    output: {
      Return: true,
      UnknownIpPermissions: missing.map(permissionShape),
      RevokedSecurityGroupRules: found.map((rule) => {
        const {
          Tags: _tags,
          GroupOwnerId: _owner,
          SecurityGroupRuleArn: _arn,
          ...shape
        } = ruleShape(world, group, rule)
        const { ReferencedGroupInfo: peer, ...rest } = shape
        return { ...rest, ...(peer === undefined ? {} : { ReferencedGroupId: peer.GroupId }) }
      }),
    },
  }
}

function matching(
  world: World,
  group: SecurityGroup,
  direction: Direction,
  ruleIds: readonly string[],
  asked: readonly Described[],
): { found: SecurityGroupRule[]; missing: Permission[] } {
  const rules = group.rules.filter((rule) => rule.direction === direction)
  const byId = ruleIds.map((ruleId) => {
    const rule = rules.find((each) => each.ruleId === ruleId)
    if (rule === undefined) throw noSuch('rule', ruleId)
    return rule
  })
  const found = new Set(byId)
  const missing: Permission[] = []
  for (const { permission } of asked) {
    const rule = rules.find((each) => samePermission(each, permission))
    if (rule === undefined) missing.push(permission)
    else found.add(rule)
  }
  // In a default VPC EC2 lists what it did not find; elsewhere it refuses the call.
  if (missing.length > 0 && world.vpcs.get(group.vpcId)?.isDefault !== true) {
    throw notThere()
  }
  return { found: [...found], missing }
}

/** The rules that a call writes, in either form, made canonical. */
export function written(
  world: World,
  group: SecurityGroup,
  direction: Direction,
  input: RuleInput,
): Described[] {
  const { IpPermissions: permissions = [], CidrIp, IpProtocol, FromPort, ToPort } = input
  const flat = { IpProtocol, FromPort, ToPort, IpRanges: [{ CidrIp }] }
  const isFlat = [CidrIp, IpProtocol, FromPort, ToPort].some((each) => each !== undefined)
  if (isFlat && permissions.length > 0) {
    throw new Refusal(
      'InvalidParameterCombination',
      'Write rules as IpPermissions or in the flat form (IpProtocol, CidrIp …), not both.',
    )
  }
  return (isFlat ? [flat] : permissions).flatMap((each) =>
    readPermission(world, group, direction, each),
  )
}

function permissionShape({ protocol, from, to, peer }: Permission): ec2.IpPermission {
  return {
    IpProtocol: protocol,
    ...(from === undefined ? {} : { FromPort: from }),
    ...(to === undefined ? {} : { ToPort: to }),
    IpRanges: peer.kind === 'ipv4' ? [{ CidrIp: peer.cidr }] : [],
    Ipv6Ranges: peer.kind === 'ipv6' ? [{ CidrIpv6: peer.cidr }] : [],
    UserIdGroupPairs: peer.kind === 'group' ? [{ GroupId: peer.groupId }] : [],
    PrefixListIds: peer.kind === 'prefix-list' ? [{ PrefixListId: peer.prefixListId }] : [],
  }
}

/** The refusal of a rule that the group does not have. */
export const notThere = (): Refusal =>
  new Refusal(
    'InvalidPermission.NotFound',
    'The specified rule does not exist in this security group.',
  )

/** The refusal of a call that speaks of no rule. */
export const noPermissions = (): Refusal =>
  new Refusal('MissingParameter', 'The request must contain the parameter ipPermissions')
