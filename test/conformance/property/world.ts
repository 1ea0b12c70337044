// A world of groups, rules, lists and ACLs as the property test makes it up: plain data, which is
// rendered into calls (text.ts reads it) and judged by the model, each by its own code.

import type { EniName, Given, SubnetName } from '../row.ts'

/** Who a rule means. */
export type Peer =
  | { readonly kind: 'block'; readonly cidr: string }
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'list'; readonly list: 'list4' | 'list6' }

/** What a rule or an entry is about. `from` and `to`: ports, or ICMP's type and code, -1 is any. */
export type Match = {
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6' | '-1' | number
  readonly from?: number
  readonly to?: number
}
export type ModelRule = Match & { readonly peer: Peer }
export type ModelEntry = Match & {
  readonly number: number
  readonly action: 'allow' | 'deny'
  readonly cidr: string
}
type Ways<T> = { readonly in: readonly T[]; readonly out: readonly T[] }

/** All that judges. A subnet without an ACL of its own has the default one, which allows all. */
export type ModelWorld = {
  readonly groups: { readonly [name: string]: Ways<ModelRule> }
  readonly wear: { readonly [eni in EniName]: readonly string[] }
  readonly acls: { readonly [subnet in SubnetName]?: Ways<ModelEntry> }
  readonly lists: { readonly list4: readonly string[]; readonly list6: readonly string[] }
}

/** The world in the words of a row, for the calls and for people. */
export function toGiven({ groups, wear, acls, lists }: ModelWorld): Given {
  const ways = <T>({ in: into, out }: Ways<T>, text: (each: T) => string) => ({
    in: into.map(text),
    out: out.map(text),
  })
  const each = <T>(
    all: { readonly [name: string]: Ways<T> | undefined },
    text: (of: T) => string,
  ) =>
    Object.fromEntries(
      Object.entries(all).flatMap(([name, of]) => (of ? [[name, ways(of, text)]] : [])),
    )
  return {
    groups: each(groups, ruleText),
    wear: wear as NonNullable<Given['wear']>,
    acls: each(acls, entryText),
    lists,
  }
}

function ruleText({ peer, ...match }: ModelRule): string {
  const who =
    peer.kind === 'block'
      ? peer.cidr
      : peer.kind === 'group'
        ? `sg:${peer.group}`
        : `pl:${peer.list}`
  return `${matchText(match)} ${who}`
}

const entryText = ({ number, action, cidr, ...match }: ModelEntry): string =>
  `${number} ${action} ${matchText(match)} ${cidr}`

function matchText({ protocol, from, to }: Match): string {
  if (from === undefined || to === undefined) return String(protocol)
  const any = (value: number): string => (value === -1 ? '*' : String(value))
  const joint = protocol === 'tcp' || protocol === 'udp' ? '-' : '/'
  return `${protocol} ${any(from)}${joint}${any(to)}`
}
