// A security group's life: made with its default rules, rules added and taken away within the
// quota, dropped when nothing uses it. Pure; the actions call these and the fabric follows.

import { newId, type Random } from './ids.ts'
import { type Described, keyOf, nameOf, samePermission } from './permission.ts'
import { QUOTA } from './quota.ts'
import { Refusal } from './refusal.ts'
import {
  drop,
  type Permission,
  type SecurityGroup,
  type SecurityGroupRule,
  type Vpc,
  type World,
  withGroup,
} from './world.ts'

/** A new group of that VPC, with EC2's default rules: everything out, nothing in. */
export function newGroup(
  vpc: Vpc,
  name: string,
  description: string,
  random: Random,
): SecurityGroup {
  const out = (peer: Permission['peer']): SecurityGroupRule => ({
    ruleId: newId('sgr', random),
    direction: 'egress',
    protocol: '-1',
    peer,
  })
  const rules = [out({ kind: 'ipv4', cidr: '0.0.0.0/0' })]
  if (vpc.ipv6Cidr !== undefined) rules.push(out({ kind: 'ipv6', cidr: '::/0' }))
  return { groupId: newId('sg', random), vpcId: vpc.vpcId, name, description, rules }
}

/** A VPC's default group: also everything in from itself. */
export function newDefaultGroup(vpc: Vpc, random: Random): SecurityGroup {
  const group = newGroup(vpc, 'default', 'default VPC security group', random)
  const fromItself: SecurityGroupRule = {
    ruleId: newId('sgr', random),
    direction: 'ingress',
    protocol: '-1',
    peer: { kind: 'group', groupId: group.groupId },
  }
  return { ...group, rules: [fromItself, ...group.rules] }
}

/** The group named `default` of a VPC; every VPC has one. */
export function defaultGroupOf(world: World, vpcId: string): SecurityGroup {
  for (const group of world.groups.values()) {
    if (group.vpcId === vpcId && group.name === 'default') return group
  }
  throw new Error(`the model has a VPC without a default group: ${vpcId}`)
}

/** Adds rules: all of them, or none and the reason. */
export function addRules(
  world: World,
  group: SecurityGroup,
  described: readonly Described[],
  random: Random,
): { world: World; added: SecurityGroupRule[] } {
  const keys = new Set<string>()
  for (const { permission } of described) {
    if (keys.has(keyOf(permission))) {
      throw new Refusal(
        'InvalidParameterValue',
        'The same permission must not appear multiple times',
      )
    }
    keys.add(keyOf(permission))
    if (group.rules.some((rule) => samePermission(rule, permission))) throw duplicate(permission)
  }
  const added = described.map(({ permission, description }) => ({
    ruleId: newId('sgr', random),
    ...permission,
    ...(description === undefined ? {} : { description }),
  }))
  const rules = [...group.rules, ...added]
  checkQuota(world, rules)
  return { world: withGroup(world, { ...group, rules }), added }
}

/**
 * Writes rules anew under the ids they have: all of them, or none and the reason. A rule that is
 * written as it was only changes its description.
 */
export function replaceRules(
  world: World,
  group: SecurityGroup,
  changes: ReadonlyMap<string, Described>,
): World {
  const rules = group.rules.map((rule) => {
    const change = changes.get(rule.ruleId)
    if (change === undefined) return rule
    const { permission, description } = change
    const described = description === undefined ? {} : { description }
    return { ruleId: rule.ruleId, ...permission, ...described }
  })
  const keys = new Set<string>()
  for (const rule of rules) {
    if (keys.has(keyOf(rule))) throw duplicate(rule)
    keys.add(keyOf(rule))
  }
  checkQuota(world, rules)
  return withGroup(world, { ...group, rules })
}

/** Takes rules away, with their tags. */
export function removeRules(
  world: World,
  group: SecurityGroup,
  ruleIds: ReadonlySet<string>,
): World {
  const rules = group.rules.filter((rule) => !ruleIds.has(rule.ruleId))
  const tags = new Map(world.tags)
  for (const ruleId of ruleIds) tags.delete(ruleId)
  return withGroup({ ...world, tags }, { ...group, rules })
}

/** Drops a group that nothing wears and no other group names; DependencyViolation otherwise. */
export function dropGroup(world: World, group: SecurityGroup): World {
  if (group.name === 'default') {
    throw new Refusal(
      'CannotDelete',
      `the specified group: "${group.groupId}" name: "default" cannot be deleted by a user`,
    )
  }
  const worn = [...world.enis.values()].some((eni) => eni.groupIds.includes(group.groupId))
  const named = [...world.groups.values()].some(
    (other) =>
      other.groupId !== group.groupId &&
      other.rules.some((r) => r.peer.kind === 'group' && r.peer.groupId === group.groupId),
  )
  if (worn || named) {
    throw new Refusal('DependencyViolation', `resource ${group.groupId} has a dependent object`)
  }
  return withoutGroup(world, group)
}

/** The world without that group, its tags and its rules' tags; no questions asked. */
export function withoutGroup(world: World, group: SecurityGroup): World {
  const tags = new Map(world.tags)
  for (const id of [group.groupId, ...group.rules.map((rule) => rule.ruleId)]) tags.delete(id)
  return { ...world, tags, groups: drop(world.groups, group.groupId) }
}

function checkQuota({ prefixLists }: World, rules: readonly SecurityGroupRule[]): void {
  if (roomFor(rules, prefixLists)) return
  throw new Refusal(
    'RulesPerSecurityGroupLimitExceeded',
    'The maximum number of rules per security group has been reached.',
  )
}

/** Whether one group may have all those rules. */
export function roomFor(
  rules: readonly SecurityGroupRule[],
  prefixLists: World['prefixLists'],
): boolean {
  const weights = rules.map(({ direction, peer }) => {
    const list = peer.kind === 'prefix-list' ? prefixLists.get(peer.prefixListId) : undefined
    return { direction, kind: peer.kind, rules: list?.maxEntries ?? 1 }
  })
  return (['ingress', 'egress'] as const).every((direction) =>
    (['ipv4', 'ipv6'] as const).every((family) => {
      const other = family === 'ipv4' ? 'ipv6' : 'ipv4'
      const counted = weights.filter((w) => w.direction === direction && w.kind !== other)
      return counted.reduce((sum, w) => sum + w.rules, 0) <= QUOTA.rulesPerGroup
    }),
  )
}

function duplicate({ protocol, from, to, peer }: Permission): Refusal {
  const name = protocol === '-1' ? 'ALL' : protocol.toUpperCase()
  const ports = from === undefined ? '' : `, from port: ${from}, to port: ${to}`
  return new Refusal(
    'InvalidPermission.Duplicate',
    `the specified rule "peer: ${nameOf(peer)}, ${name}${ports}, ALLOW" already exists`,
  )
}
