// A route table's life: made with its VPC (the main one) or by hand, its routes, which subnets have
// it, and its end. What a subnet has of its own choice stands in the subnet; all others have the
// main one, which stands in the VPC. Pure.

import { knownCidr } from './addresses.ts'
import { type Cidr, contains, overlaps } from './cidr.ts'
import { newId, type Random } from './ids.ts'
import { noSuch } from './look-up.ts'
import { QUOTA } from './quota.ts'
import { badValue, Refusal } from './refusal.ts'
import type { Route, RouteTable, RouteTarget } from './way-out.ts'
import { drop, put, type Subnet, type Vpc, type World } from './world.ts'

/** What a packet may be for that no route changes (VPC user guide, "Route tables"). */
const RESERVED = { ipv4: '169.254.168.0/22', ipv6: 'fd00:ec2::/32' } as const

/** What has a route table: a VPC as its main one, or a subnet. */
export type Association = {
  readonly associationId: string
  readonly routeTableId: string
  readonly subnet?: Subnet
  readonly vpc?: Vpc
}

/** A new table: the VPC's blocks are local, and nothing else is known. */
export const newTable = (vpcId: string, random: Random): RouteTable => ({
  routeTableId: newId('rtb', random),
  vpcId,
  routes: [],
})

/** The world with that table added or replaced. */
export const withTable = (world: World, table: RouteTable): World => ({
  ...world,
  routeTables: put(world.routeTables, table.routeTableId, table),
})

/** The blocks of a VPC, each with its IP version. */
export const blocksOf = ({ ipv4Cidr, ipv6Cidr }: Vpc): Pick<Route, 'family' | 'cidr'>[] => [
  { family: 'ipv4', cidr: ipv4Cidr },
  ...(ipv6Cidr === undefined ? [] : [{ family: 'ipv6', cidr: ipv6Cidr } as const]),
]

/** The blocks of a table's VPC that are local in it: those that no route replaces. */
export function localRoutes(world: World, table: RouteTable): Pick<Route, 'family' | 'cidr'>[] {
  return blocksOf(vpcOf(world, table)).filter(
    ({ cidr }) => !table.routes.some((route) => route.cidr === cidr),
  )
}

/** Whether a route leads to something that is there and can take packets. */
export function isActive(world: World, table: RouteTable, { target }: Route): boolean {
  switch (target.kind) {
    case 'internet-gateway':
      return world.internetGateways.get(target.gatewayId)?.vpcId === table.vpcId
    case 'egress-only':
      return world.egressOnlyGateways.has(target.gatewayId)
    case 'nat-gateway':
      return world.natGateways.get(target.natGatewayId)?.eniId !== undefined
    case 'eni':
      return world.enis.get(target.eniId)?.attachment !== undefined
  }
}

/** Everything that has a table of its own or as its main one. */
export function associations(world: World): Association[] {
  return [
    ...[...world.vpcs.values()].map((vpc) => ({
      associationId: vpc.mainRouteTableAssociationId,
      routeTableId: vpc.mainRouteTableId,
      vpc,
    })),
    ...[...world.subnets.values()].flatMap((subnet) =>
      subnet.routeTable === undefined ? [] : [{ ...subnet.routeTable, subnet }],
    ),
  ]
}

/** The table that decides for a subnet. */
export const tableOf = (world: World, { vpcId, routeTable }: Subnet): string | undefined =>
  routeTable?.routeTableId ?? world.vpcs.get(vpcId)?.mainRouteTableId

/** The association of that id, or InvalidAssociationID.NotFound. */
export function findAssociation(world: World, associationId: string): Association {
  const found = associations(world).find((each) => each.associationId === associationId)
  if (found === undefined) throw noSuch('routeAssociation', associationId)
  return found
}

/** Gives a VPC another main table, or a subnet another one, under a new association id. */
export function associate(
  world: World,
  { subnet, vpc }: Pick<Association, 'subnet' | 'vpc'>,
  { routeTableId, vpcId }: RouteTable,
  random: Random,
): { world: World; associationId: string } {
  const associationId = newId('rtbassoc', random)
  const other = subnet?.vpcId ?? vpc?.vpcId
  if (other !== vpcId) {
    const what = subnet === undefined ? `network ${other}` : `subnet ${subnet.subnetId}`
    throw new Refusal(
      'InvalidParameterValue',
      `route table ${routeTableId} and ${what} belong to different networks`,
    )
  }
  if (subnet !== undefined) {
    const moved = { ...subnet, routeTable: { associationId, routeTableId } }
    const subnets = put(world.subnets, subnet.subnetId, moved)
    return { world: { ...world, subnets }, associationId }
  }
  if (vpc === undefined) throw new Error('an association is a subnet’s or a VPC’s')
  const changed = {
    ...vpc,
    mainRouteTableId: routeTableId,
    mainRouteTableAssociationId: associationId,
  }
  return { world: { ...world, vpcs: put(world.vpcs, vpcId, changed) }, associationId }
}

/** Gives a subnet its VPC's main table again. */
export function disassociate(world: World, { associationId, subnet }: Association): World {
  if (subnet === undefined) {
    throw new Refusal(
      'InvalidParameterValue',
      `cannot disassociate the main route table association ${associationId}`,
    )
  }
  const { routeTable: _gone, ...rest } = subnet
  return { ...world, subnets: put(world.subnets, subnet.subnetId, rest) }
}

/** Drops a table that is no VPC's main one and that no subnet has. */
export function dropTable(world: World, { routeTableId }: RouteTable): World {
  if (associations(world).some((each) => each.routeTableId === routeTableId)) {
    throw new Refusal(
      'DependencyViolation',
      `The routeTable '${routeTableId}' has dependencies and cannot be deleted.`,
    )
  }
  return withoutTable(world, routeTableId)
}

/** The world without that table and its tags; no questions asked. */
export const withoutTable = (world: World, routeTableId: string): World => ({
  ...world,
  routeTables: drop(world.routeTables, routeTableId),
  tags: drop(world.tags, routeTableId),
})

/** Adds a route to a block that the table has no route to yet. */
export function addRoute(world: World, table: RouteTable, route: Route): World {
  const local = localRoutes(world, table)
  if ([...local, ...table.routes].some(({ cidr }) => cidr === route.cidr)) {
    throw new Refusal('RouteAlreadyExists', `The route identified by ${route.cidr} already exists.`)
  }
  return withRoutes(world, table, [...table.routes, route], route)
}

/** Leads a block elsewhere that the table has a route to; without a target, it is local again. */
export function replaceRoute(
  world: World,
  table: RouteTable,
  block: Pick<Route, 'family' | 'cidr'>,
  target: RouteTarget | undefined,
): World {
  const isBlock = blocksOf(vpcOf(world, table)).some(({ cidr }) => cidr === block.cidr)
  if (!isBlock && !table.routes.some(({ cidr }) => cidr === block.cidr)) {
    throw new Refusal(
      'InvalidParameterValue',
      `There is no route defined for '${block.cidr}' in the route table. Use CreateRoute instead.`,
    )
  }
  const others = table.routes.filter(({ cidr }) => cidr !== block.cidr)
  if (target !== undefined) {
    const route = { ...block, target }
    return withRoutes(world, table, [...others, route], route)
  }
  if (isBlock) return withTable(world, { ...table, routes: others })
  throw badValue('localTarget', 'true', `Only a block of the VPC is local, not ${block.cidr}.`)
}

/** Takes the route to a block away; a local one stays. */
export function removeRoute(world: World, table: RouteTable, cidr: string): World {
  if (blocksOf(vpcOf(world, table)).some((block) => block.cidr === cidr)) {
    throw new Refusal(
      'InvalidParameterValue',
      `cannot remove local route ${cidr} in route table ${table.routeTableId}`,
    )
  }
  const others = table.routes.filter((route) => route.cidr !== cidr)
  if (others.length < table.routes.length) return withTable(world, { ...table, routes: others })
  throw new Refusal(
    'InvalidRoute.NotFound',
    `no route with destination-cidr-block ${cidr} in route table ${table.routeTableId}`,
  )
}

function withRoutes(
  world: World,
  table: RouteTable,
  routes: readonly Route[],
  changed: Route,
): World {
  checkDestination(world, table, changed)
  if (routes.filter(({ family }) => family === changed.family).length > QUOTA.routesPerTable) {
    throw new Refusal(
      'RouteLimitExceeded',
      `The maximum number of routes (${QUOTA.routesPerTable}) has been reached.`,
    )
  }
  return withTable(world, { ...table, routes })
}

/** A part of the VPC is led elsewhere by whole subnets, and to what hands packets on. */
function checkDestination(world: World, table: RouteTable, { family, cidr, target }: Route): void {
  const version = family === 'ipv4' ? 4 : 6
  const read = (text: string): Cidr => knownCidr(version, text)
  if (overlaps(read(RESERVED[family]), read(cidr)) && read(cidr).prefix > 0) {
    throw badValue('destinationCidrBlock', cidr, `${RESERVED[family]} is reserved.`)
  }
  const blocks = blocksOf(vpcOf(world, table)).filter((block) => block.family === family)
  if (!blocks.some((block) => contains(read(block.cidr), read(cidr)))) return
  if (target.kind !== 'eni' && target.kind !== 'nat-gateway') {
    throw new Refusal(
      'InvalidParameterValue',
      `The destination CIDR block ${cidr} is equal to or more specific than one of this VPC's ` +
        'CIDR blocks. This route can target only an interface or an instance.',
    )
  }
  const subnets = [...world.subnets.values()].filter((each) => each.vpcId === table.vpcId)
  const whole = [...blocks.map((block) => block.cidr), ...subnets.map((s) => cidrOf(s, family))]
  if (whole.includes(cidr)) return
  throw new Refusal(
    'InvalidParameterValue',
    `The destination CIDR block ${cidr} is more specific than one of this VPC's CIDR blocks and ` +
      'does not match the entire CIDR block of a subnet.',
  )
}

const cidrOf = ({ ipv4Cidr, ipv6Cidr }: Subnet, family: Route['family']): string | undefined =>
  family === 'ipv4' ? ipv4Cidr : ipv6Cidr

function vpcOf(world: World, { vpcId, routeTableId }: RouteTable): Vpc {
  const vpc = world.vpcs.get(vpcId)
  if (vpc === undefined) throw new Error(`the model has a table without a VPC: ${routeTableId}`)
  return vpc
}
