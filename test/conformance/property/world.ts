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

/** Where a route leads: a gateway, an ENI, or an ENI that is attached to nothing. */
export type Target = 'igw' | 'eigw' | 'nat' | 'idle' | EniName
export type ModelRoute = { readonly cidr: string; readonly target: Target }

/** All that judges, and all that leads. A subnet without an ACL of its own has the default one, which allows all. */
export type ModelWorld = {
  readonly groups: { readonly [name: string]: Ways<ModelRule> }
  readonly wear: { readonly [eni in EniName]: readonly string[] }
  readonly acls: { readonly [subnet in SubnetName]?: Ways<ModelEntry> }
  readonly lists: { readonly list4: readonly string[]; readonly list6: readonly string[] }
  /** Each subnet has a route table of its own; beside these the VPC's blocks are local. */
  readonly tables: { readonly [subnet in SubnetName]: readonly ModelRoute[] }
  /** ENIs with an Elastic IP, and those whose source/destination check is off. */
  readonly public: readonly EniName[]
  readonly unchecked: readonly EniName[]
  /** Addresses and prefixes beyond an ENI's first. */
  readonly more: { readonly [eni in EniName]?: readonly string[] }
}

/** The world in the words of a row, for the calls and for people. */
export function toGiven(world: ModelWorld): Given {
  const { groups, wear, acls, lists, tables, unchecked, more } = world
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
    routes: Object.fromEntries(
      Object.entries(tables).map(([subnet, routes]) => [
        subnet,
        routes.map(({ cidr, target }) => `${cidr} ${target}`),
      ]),
    ),
    public: world.public,
    unchecked,
    more,
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

/** Worlds with one thing less: a rule, an entry, a group on an ENI, an ACL, a route, an address. */
export function* lessOf(world: ModelWorld): Generator<ModelWorld> {
  for (const [name, group] of Object.entries(world.groups)) {
    for (const way of ['in', 'out'] as const) {
      for (const at of group[way].keys()) {
        const less = { ...group, [way]: group[way].toSpliced(at, 1) }
        yield { ...world, groups: { ...world.groups, [name]: less } }
      }
    }
  }
  for (const subnet of Object.keys(world.acls)) {
    yield { ...world, acls: { ...world.acls, [subnet]: undefined } }
  }
  for (const [subnet, acl] of Object.entries(world.acls)) {
    if (acl === undefined) continue
    for (const way of ['in', 'out'] as const) {
      for (const at of acl[way].keys()) {
        const less = { ...acl, [way]: acl[way].toSpliced(at, 1) }
        yield { ...world, acls: { ...world.acls, [subnet]: less } }
      }
    }
  }
  for (const [eni, groups] of Object.entries(world.wear)) {
    if (groups.length < 2) continue
    for (const at of groups.keys()) {
      yield { ...world, wear: { ...world.wear, [eni]: groups.toSpliced(at, 1) } }
    }
  }
  for (const list of ['list4', 'list6'] as const) {
    for (const at of world.lists[list].keys()) {
      const less = { ...world.lists, [list]: world.lists[list].toSpliced(at, 1) }
      yield { ...world, lists: less }
    }
  }
  for (const subnet of ['X', 'Y', 'Z'] as const) {
    const routes = world.tables[subnet]
    for (const at of routes.keys()) {
      yield { ...world, tables: { ...world.tables, [subnet]: routes.toSpliced(at, 1) } }
    }
  }
  for (const at of world.public.keys()) yield { ...world, public: world.public.toSpliced(at, 1) }
  for (const at of world.unchecked.keys()) {
    yield { ...world, unchecked: world.unchecked.toSpliced(at, 1) }
  }
  for (const eni of Object.keys(world.more)) {
    yield { ...world, more: { ...world.more, [eni]: [] } }
  }
}
