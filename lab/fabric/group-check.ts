// What the fabric asks of a group beyond what its rules say of themselves (security-group.ts): that
// the groups it refers to exist, and that nothing refers to it when it goes. Pure.

import type { Group, Port } from './fabric.ts'

/** Throws, naming the rule, when a rule refers to a group that the fabric does not know. */
export function checkReferences(group: Group, known: ReadonlyMap<string, Group>): void {
  for (const { ruleId, peer } of group.rules) {
    if (peer.kind !== 'group' || peer.groupId === group.groupId || known.has(peer.groupId)) continue
    throw new Error(
      `rule ${ruleId} of ${group.groupId}: group ${peer.groupId} is not known; put it first`,
    )
  }
}

/** Throws, naming who, when a port wears the group or another group's rule refers to it. */
export function checkUnused(
  groupId: string,
  known: ReadonlyMap<string, Group>,
  ports: Iterable<Port>,
): void {
  for (const { eniId, groupIds } of ports) {
    if (groupIds.includes(groupId)) throw new Error(`group ${groupId} is worn by ${eniId}`)
  }
  for (const other of known.values()) {
    const rule = other.rules.find(({ peer }) => peer.kind === 'group' && peer.groupId === groupId)
    if (rule === undefined || other.groupId === groupId) continue
    throw new Error(`group ${groupId} is referred to by rule ${rule.ruleId} of ${other.groupId}`)
  }
}
