// What the kernel has of the VPC's route tables: for each a table of its own, asked by the packets
// that bear its number as their mark (routing.ts), and what changes between two states of that. The
// first part is pure; `changePolicy` does it, in the fabric's thread.
//
//   10,000 + n   mark n ▶ the routes that lead a part of the VPC elsewhere    before main
//   main                  each plugged address
//   40,000 + n   mark n ▶ all the table's routes                             after main

import { linkLocal, parseCidr } from './address.ts'
import type { Route, RouteTable } from './fabric.ts'
import type { Message } from './netlink-message.ts'
import { transact } from './netlink-socket.ts'
import { EDGE, LINK } from './outside.ts'
import { changeRule, dropRoute, setRoute, versionOf } from './route-messages.ts'

/** A table with the number by which packets ask it: 1 or more. */
export type NumberedTable = { readonly table: RouteTable; readonly number: number }

/** A route of one kernel table: out of a link (by index, or by the name of one outside). */
export type Hop = {
  readonly table: number
  readonly cidr: string
  /** Absent: nobody is there. */
  readonly out?: string | number
  readonly gateway?: string
}
/** That a mark asks a table, for the IP version of its blocks. */
type Asking = { readonly preference: number; readonly mark: number; readonly table: number }

/** All of it, by keys that say what replaces what. */
export type Policy = {
  readonly hops: ReadonlyMap<string, Hop>
  readonly askings: ReadonlyMap<string, Asking>
}

/** What to do to get from one to the other, and back. */
export type PolicyChange = { readonly before: Policy; readonly after: Policy }

export const NO_POLICY: Policy = { hops: new Map(), askings: new Map() }

const BEFORE_MAIN = 10_000
const AFTER_MAIN = 40_000
const VERSIONS = ['ipv4', 'ipv6'] as const

/** A plugged port's link, by its ENI's id. */
export type LinkOf = (eniId: string) => { fabricIfindex: number; mac: string } | undefined

/** What the kernel must have for these tables. */
export function policyOf(tables: readonly NumberedTable[], linkOf: LinkOf): Policy {
  const hops = new Map<string, Hop>()
  const askings = new Map<string, Asking>()
  for (const { table, number } of tables) {
    const lead = (kernelTable: number, ways: readonly Omit<Hop, 'table'>[]): void => {
      if (ways.length === 0) return
      askings.set(`${kernelTable}`, { preference: kernelTable, mark: number, table: kernelTable })
      for (const way of ways) hops.set(`${kernelTable} ${way.cidr}`, { table: kernelTable, ...way })
    }
    const wayOf = (route: Route) => ({ cidr: route.cidr, ...nextOf(route, linkOf) })
    lead(BEFORE_MAIN + number, divertingRoutes(table).map(wayOf))
    lead(AFTER_MAIN + number, [...groundOf(table), ...table.routes.map(wayOf)])
  }
  return { hops, askings }
}

/** The routes of a table that lead a part of the VPC, or all, elsewhere than to who is there. */
export const divertingRoutes = ({ blocks, routes }: RouteTable): Route[] =>
  routes.filter(({ cidr }) => blocks.some((block) => lies(cidr, block)))

/**
 * What a table says beside its routes. Who is plugged in has a route of its own, asked before these:
 * nobody else is in the VPC's blocks. All the rest goes nowhere, where it is seen and dropped.
 */
function groundOf({ blocks, routes }: RouteTable): Omit<Hop, 'table'>[] {
  const everywhere = ['0.0.0.0/0', '::/0'].map((cidr) => ({ cidr, out: LINK.nowhere }))
  return [...blocks.map((cidr) => ({ cidr })), ...everywhere].filter(
    (ground) => !routes.some(({ cidr }) => cidr === ground.cidr),
  )
}

/** What asks for all of it, where nothing is yet. */
export const policyMessages = (
  links: Readonly<Record<string, number>>,
  policy: Policy,
): Message[] => setting(NO_POLICY, policy, links)

/** By which marks packets ask these kernel tables; others are none of ours. */
export const marksOf = (kernelTables: readonly number[]): number[] => [
  ...new Set(
    kernelTables
      .filter((table) => table > BEFORE_MAIN)
      .map((table) => table - (table > AFTER_MAIN ? AFTER_MAIN : BEFORE_MAIN)),
  ),
]

/** Makes it so; throws, having taken back what it did, when the kernel refuses a part. */
export function changePolicy(
  netlink: number,
  links: Readonly<Record<string, number>>,
  { before, after }: PolicyChange,
): void {
  try {
    transact(netlink, [...setting(before, after, links)])
    transact(netlink, dropping(before, after), GONE)
  } catch (error) {
    transact(netlink, [...setting(after, before, links)], ['EEXIST'])
    transact(netlink, dropping(after, before), GONE)
    throw error
  }
}

/** A route goes with its link, by the kernel's own hand. */
const GONE = ['ESRCH', 'ENOENT', 'ENODEV']

function setting(
  before: Policy,
  after: Policy,
  links: Readonly<Record<string, number>>,
): Message[] {
  const routes = [...after.hops].flatMap(([key, hop]) => {
    if (JSON.stringify(before.hops.get(key)) === JSON.stringify(hop)) return []
    const { out: link, ...route } = hop
    if (link === undefined) return [setRoute(route)]
    const out = typeof link === 'string' ? links[link] : link
    if (out === undefined) throw new Error(`there is no link ${link}`)
    return [setRoute({ ...route, out })]
  })
  const rules = [...after.askings].flatMap(([key, asking]) =>
    before.askings.has(key) ? [] : VERSIONS.map((version) => changeRule('add', version, asking)),
  )
  return [...routes, ...rules]
}

function dropping(before: Policy, after: Policy): Message[] {
  const rules = [...before.askings].flatMap(([key, asking]) =>
    after.askings.has(key) ? [] : VERSIONS.map((version) => changeRule('remove', version, asking)),
  )
  const routes = [...before.hops].flatMap(([key, { table, cidr }]) =>
    after.hops.has(key) ? [] : [dropRoute(table, cidr)],
  )
  return [...rules, ...routes]
}

function nextOf({ to }: Route, linkOf: LinkOf): Pick<Hop, 'out' | 'gateway'> {
  switch (to.kind) {
    case 'internet':
      return { out: LINK.internet, gateway: EDGE.linkLocal }
    case 'egress-only':
      return { out: LINK.egressOnly, gateway: EDGE.linkLocal }
    case 'port': {
      const link = linkOf(to.eniId)
      if (link === undefined) return { out: LINK.nowhere }
      return { out: link.fabricIfindex, gateway: linkLocal(link.mac) }
    }
    case 'nowhere':
      return { out: LINK.nowhere }
  }
}

function lies(cidr: string, block: string): boolean {
  const version = versionOf(block)
  if (versionOf(cidr) !== version) return false
  const [inner, outer] = [parseCidr(cidr, version), parseCidr(block, version)]
  if (inner.length < outer.length) return false
  return parseCidr(`${inner.address}/${outer.length}`, version).address === outer.address
}
