// What each rule has counted, beside what it says: security group rules and ACL entries of the
// world, and the reasons for which the fabric itself drops. Pure.
//
// A tracked flow is agreed once, so a security group's rule counts the first packets of its flows;
// of an untracked one it counts every packet, as an ACL's entry always does.

import type { RuleCount } from '../fabric/kernel-rules.ts'
import type { World } from '../model/world.ts'

/** A rule and what it counted. */
export type CountedRule = {
  /** `sgr-…`, `acl-… egress 100` (`*`: where none matched), or why the fabric drops. */
  readonly rule: string
  /** The group or the ACL it belongs to. */
  readonly of?: string
  readonly direction?: 'ingress' | 'egress'
  readonly action: 'allow' | 'deny'
  /** Protocol, ports and peer in words. */
  readonly says?: string
  readonly packets: number
  readonly bytes: number
}

/** All rules that packets can meet, in the world's order; then what belongs to none of them. */
export function ruleTable(world: World, counts: readonly RuleCount[]): CountedRule[] {
  const sums = new Map<string, { packets: number; bytes: number }>()
  for (const { comment, packets, bytes } of counts) {
    const sum = sums.get(comment) ?? { packets: 0, bytes: 0 }
    sums.set(comment, { packets: sum.packets + packets, bytes: sum.bytes + bytes })
  }
  const taken = (rule: string): { rule: string; packets: number; bytes: number } | undefined => {
    const sum = sums.get(rule)
    sums.delete(rule)
    return sum === undefined ? undefined : { rule, ...sum }
  }
  const groups = [...world.groups.values()].flatMap(({ groupId, rules }) =>
    rules.flatMap((rule): CountedRule[] => {
      const counted = taken(rule.ruleId)
      if (counted === undefined) return [] // Of another VPC, or its list is empty: no packet meets it.
      const { direction, protocol, from, to, peer } = rule
      const who =
        peer.kind === 'group'
          ? peer.groupId
          : peer.kind === 'prefix-list'
            ? peer.prefixListId
            : peer.cidr
      const says = words(direction, protocol === '-1' ? 'all' : protocol, from, to, who)
      return [{ ...counted, of: groupId, direction, action: 'allow', says }]
    }),
  )
  const acls = [...world.networkAcls.values()].flatMap(({ aclId, entries }) => {
    const own = [...entries].sort((a, b) => a.ruleNumber - b.ruleNumber)
    return (['ingress', 'egress'] as const).flatMap((direction): CountedRule[] => {
      const rest = taken(`${aclId} ${direction} *`)
      return [
        ...own.flatMap((entry): CountedRule[] => {
          if (entry.direction !== direction) return []
          const counted = taken(`${aclId} ${direction} ${entry.ruleNumber}`)
          if (counted === undefined) return []
          const { action, protocol, from, to, peer } = entry
          const says = words(direction, String(protocol), from, to, peer.cidr)
          return [{ ...counted, of: aclId, direction, action, says }]
        }),
        ...(rest === undefined ? [] : [{ ...rest, of: aclId, direction, action: 'deny' } as const]),
      ]
    })
  })
  const others = [...sums].map(([rule, sum]): CountedRule => ({ rule, action: 'deny', ...sum }))
  return [...groups, ...acls, ...others]
}

function words(
  direction: 'ingress' | 'egress',
  protocol: string,
  from: number | undefined,
  to: number | undefined,
  who: string,
): string {
  const range = from === undefined ? '' : from === to ? ` ${from}` : ` ${from}-${to}`
  return `${protocol}${range} ${direction === 'ingress' ? 'from' : 'to'} ${who}`
}
