// Which route table a packet asks, as nftables rules before the kernel decides. Pure.
//
//   for a block of the VPC?  ──yes──▶ the kernel's own table: a route to each plugged address
//          │ no
//          ▼ mark = the number of the sender's subnet's route table ──▶ that table (route-tables.ts)
//
// So what goes from ENI to ENI pays one comparison. Only where a table diverts a part of the VPC, or
// an ENI sends on what others sent (its source check off), more is asked.
//
// The second has a trap. Such a packet crosses the fabric twice, with the same addresses and ports,
// and conntrack would take it for one flow: what the appliance let in would open the gates of the
// receiver. So each of its two hops is in a conntrack zone of its own, named by the end that is not
// the appliance.

import { parseCidr } from './address.ts'
import { linkSet } from './border.ts'
import { goByNumber } from './chain-numbers.ts'
import type { Subnet } from './fabric.ts'
import {
  accept,
  addChain,
  addLook,
  addRule,
  anyOf,
  type Command,
  ct,
  fib,
  flushChain,
  goTo,
  inSet,
  match,
  meta,
  payload,
  prefix,
  type Statement,
  set,
} from './nft.ts'
import { LINK } from './outside.ts'
import { versionOf } from './route-messages.ts'

const CHAIN = 'routing'
const FROM_APPLIANCE = 'hop_from_appliance'
const TO_APPLIANCE = 'hop_to_appliance'
/** After fragments are put together (-400), before conntrack (-200). */
const BEFORE_CONNTRACK = -300
/** Zones: 1 is the way out, then one for each subnet, then one for each two appliances. */
const ZONE = { outside: 1, subnets: 2, pairs: 1000 } as const

/** What the chain depends on. */
export type Routing = {
  /** The VPC's own blocks. */
  readonly local: readonly string[]
  /** Subnets whose route table leads a part of the VPC elsewhere. */
  readonly diverting: readonly Subnet[]
  /** Links of ENIs that send on what others sent. */
  readonly appliances: readonly Numbered[]
  /** All subnets, with their blocks and the links of their NAT gateways; only appliances need them. */
  readonly subnets: readonly (Numbered & {
    readonly blocks: readonly string[]
    readonly translators: readonly string[]
  })[]
}

/** A link or a subnet, and a number from 0 on that it keeps: zones are made of them. */
export type Numbered = { readonly id: string; readonly number: number }

/** The chains, before anything is known: every packet asks its subnet's table. */
export function routingChains(): Command[] {
  return [
    addChain('inet', FROM_APPLIANCE),
    addChain('inet', TO_APPLIANCE),
    addLook(CHAIN, 'prerouting', BEFORE_CONNTRACK),
    ...chain(NOTHING),
  ]
}

/** Writes the chains anew; one transaction. */
export function putRouting(routing: Routing): Command[] {
  return [CHAIN, FROM_APPLIANCE, TO_APPLIANCE]
    .map((name) => flushChain('inet', name))
    .concat(chain(routing), hops(routing))
}

const NOTHING: Routing = { local: [], diverting: [], appliances: [], subnets: [] }
const iif = meta('iifname')
const rule = (name: string, ...statements: Statement[]): Command =>
  addRule('inet', name, statements)
/** Says whose number a rule's zone is made of, for a lab that takes over: flows are in these zones. */
const numbered = (
  name: string,
  kind: 'subnet' | 'appliance',
  { id, number }: Numbered,
  ...statements: Statement[]
): Command => addRule('inet', name, statements, `${kind} ${number} ${id}`)
const goesOutBy = (links: Parameters<typeof match>[1]): Statement =>
  match(fib('oifname', 'daddr'), links)

function chain({ local, diverting, appliances }: Routing): Command[] {
  const links = anyOf(...appliances.map(({ id }) => id))
  const ask = goByNumber(iif, 'subnet_of', 'route_of')
  if (diverting.length === 0 && appliances.length === 0) {
    return [...local.map((cidr) => rule(CHAIN, isFor(cidr), accept)), rule(CHAIN, ...ask)]
  }
  const within = diverting.flatMap((subnet) =>
    [subnet.ipv4Cidr, subnet.ipv6Cidr].flatMap((cidr) =>
      cidr === undefined
        ? []
        : [[match(iif, inSet(linkSet(subnet.subnetId))), isFor(cidr), set(meta('mark'), 0)]],
    ),
  )
  return [
    rule(CHAIN, ...ask),
    ...within.map((statements) => rule(CHAIN, ...statements)), // No route leads within a subnet.
    ...(appliances.length === 0
      ? []
      : [
          rule(CHAIN, match(iif, links), goTo(FROM_APPLIANCE)),
          rule(CHAIN, goesOutBy(links), goTo(TO_APPLIANCE)),
        ]),
  ]
}

function hops({ appliances, subnets }: Routing): Command[] {
  if (appliances.length === 0) return []
  const zone = (number: number): Statement[] => [set(ct('zone'), number), accept]
  const pairs = appliances.flatMap((one) =>
    appliances
      .filter((other) => other !== one)
      .map((other) => ({ one, other, number: ZONE.pairs + pairOf(one.number, other.number) })),
  )
  return [
    ...pairs.map(({ one, other, number }) =>
      numbered(
        FROM_APPLIANCE,
        'appliance',
        one,
        ...[match(iif, one.id), goesOutBy(other.id), ...zone(number)],
      ),
    ),
    ...[LINK.internet, LINK.egressOnly].flatMap((link) => [
      rule(FROM_APPLIANCE, goesOutBy(link), ...zone(ZONE.outside)),
      rule(TO_APPLIANCE, match(iif, link), ...zone(ZONE.outside)),
    ]),
    // What a NAT gateway is given, for the VPC or not, is answered by the gateway's link.
    ...subnets.flatMap(({ translators, number }) =>
      translators.map((link) =>
        rule(FROM_APPLIANCE, goesOutBy(link), ...zone(ZONE.subnets + number)),
      ),
    ),
    // Who is sent to by no other appliance and by no gateway has the address, and is in its subnet.
    ...subnets.flatMap((subnet) => {
      const own = zone(ZONE.subnets + subnet.number)
      const isFrom = match(iif, inSet(linkSet(subnet.id)))
      return [
        ...subnet.blocks.map((block) => rule(FROM_APPLIANCE, isFor(block), ...own)),
        numbered(TO_APPLIANCE, 'subnet', subnet, isFrom, ...own),
      ]
    }),
  ]
}

/** Whose numbers the zones are made of, by the comments of these chains' rules. */
export const HOP_CHAINS = [FROM_APPLIANCE, TO_APPLIANCE] as const
export function numberIn(comment: string): (Numbered & { readonly kind: string }) | undefined {
  const [, kind, number, id] = /^(subnet|appliance) (\d+) (\S+)$/.exec(comment) ?? []
  return kind === undefined || id === undefined ? undefined : { kind, id, number: Number(number) }
}

/** One number for two, whichever comes first. */
function pairOf(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a]
  return (high * (high - 1)) / 2 + low
}

function isFor(cidr: string): Statement {
  const version = versionOf(cidr)
  const { address, length } = parseCidr(cidr, version)
  return match(payload(version === 'ipv4' ? 'ip' : 'ip6', 'daddr'), prefix(address, length))
}
