// What the fabric is told of a rule that names a prefix list: one rule per entry of the list's
// newest version, all under the one rule's id. A list without entries allows nothing. Pure.

import { entriesOf } from './prefix-list.ts'
import type { PlainPeer, PrefixList, SecurityGroup, SecurityGroupRule, World } from './world.ts'

/** A rule whose peer is a block or a group. */
export type PlainRule = Omit<SecurityGroupRule, 'peer'> & { readonly peer: PlainPeer }

/** A group with such rules alone. */
export type PlainGroup = Omit<SecurityGroup, 'rules'> & { readonly rules: readonly PlainRule[] }

/** The groups of a world in plain rules. A group without prefix lists is the very same object. */
export function plainGroups({ groups, prefixLists }: World): ReadonlyMap<string, PlainGroup> {
  return new Map([...groups].map(([groupId, group]) => [groupId, plain(group, prefixLists)]))
}

function plain(group: SecurityGroup, lists: ReadonlyMap<string, PrefixList>): PlainGroup {
  return isPlain(group) ? group : { ...group, rules: group.rules.flatMap((r) => each(r, lists)) }
}

const isPlain = (group: SecurityGroup): group is PlainGroup =>
  group.rules.every(({ peer }) => peer.kind !== 'prefix-list')

function each(
  { peer, ...rule }: SecurityGroupRule,
  lists: ReadonlyMap<string, PrefixList>,
): PlainRule[] {
  if (peer.kind !== 'prefix-list') return [{ ...rule, peer }]
  const list = lists.get(peer.prefixListId)
  if (list === undefined) throw new Error(`the model has no prefix list ${peer.prefixListId}`)
  return entriesOf(list).map(({ cidr }) => ({ ...rule, peer: { kind: list.family, cidr } }))
}
