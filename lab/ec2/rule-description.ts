// UpdateSecurityGroupRuleDescriptionsIngress and -Egress: they differ in a direction. A rule is
// named by id, or written as a permission; a description that is left out is taken away.

import { noSuch } from '../model/look-up.ts'
import { type Described, readDescription, samePermission } from '../model/permission.ts'
import { Refusal } from '../model/refusal.ts'
import { replaceRules } from '../model/security-group.ts'
import type { Permission, SecurityGroup, World } from '../model/world.ts'
import type { Change } from '../region.ts'
import { groupNamed } from './group-lookup.ts'
import { noPermissions, notThere, type RuleInput, written } from './rule-change.ts'

/** The parameters that name rules by id. */
export const RULE_DESCRIPTIONS = [
  'SecurityGroupRuleDescriptions.SecurityGroupRuleId',
  'SecurityGroupRuleDescriptions.Description',
] as const

type Input = RuleInput & { readonly SecurityGroupRuleDescriptions?: readonly ById[] | undefined }
type ById = {
  readonly SecurityGroupRuleId?: string | undefined
  readonly Description?: string | undefined
}

/** Gives rules of one direction the descriptions that are written; all of them or none. */
export function describeAnew(
  world: World,
  direction: Permission['direction'],
  input: Input,
): Change<{ Return: boolean }> {
  const group = groupNamed(world, input)
  const { SecurityGroupRuleDescriptions: byId = [] } = input
  const asked = written(world, group, direction, input)
  if (byId.length > 0 && asked.length > 0) {
    throw new Refusal(
      'InvalidParameterCombination',
      'Name rules in SecurityGroupRuleDescriptions or write them as IpPermissions, not both.',
    )
  }
  if (byId.length === 0 && asked.length === 0) throw noPermissions()
  const changes = new Map([
    ...byId.map((each) => named(group, direction, each)),
    ...asked.map((each) => found(group, each)),
  ])
  return { world: replaceRules(world, group, changes), output: { Return: true } }
}

function named(
  group: SecurityGroup,
  direction: Permission['direction'],
  { SecurityGroupRuleId: ruleId = '', Description }: ById,
): [string, Described] {
  const rule = group.rules.find((each) => each.ruleId === ruleId && each.direction === direction)
  if (rule === undefined) throw noSuch('rule', ruleId)
  const { ruleId: _id, description: _was, ...permission } = rule
  return [ruleId, { permission, ...readDescription(Description) }]
}

function found(group: SecurityGroup, asked: Described): [string, Described] {
  const rule = group.rules.find((each) => samePermission(each, asked.permission))
  if (rule === undefined) throw notThere()
  return [rule.ruleId, asked]
}
