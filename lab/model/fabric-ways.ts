// What the fabric is told of the ways out of the home VPC: its route tables, NAT gateways and public
// addresses, as they follow from a world. Pure.

import type { FabricWays, NatGateway, PublicAddress, Route, RouteTable } from '../fabric/fabric.ts'
import { knownCidr } from './addresses.ts'
import { type Change, changes } from './changes.ts'
import type { FabricCall, FabricStep } from './fabric-plan.ts'
import { routerOf } from './network-interface.ts'
import { blocksOf, isActive } from './route-table.ts'
import type * as model from './way-out.ts'
import type { World } from './world.ts'

/** One call on the part of the fabric that leads out. */
export type WayCall =
  | { readonly verb: 'putRouteTable'; readonly table: RouteTable }
  | { readonly verb: 'dropRouteTable'; readonly routeTableId: string }
  | { readonly verb: 'putNatGateway'; readonly nat: NatGateway }
  | { readonly verb: 'dropNatGateway'; readonly natGatewayId: string }
  | { readonly verb: 'putPublicAddress'; readonly address: PublicAddress }
  | { readonly verb: 'dropPublicAddress'; readonly publicIp: string }

/** Performs one call. */
export function performWay(ways: FabricWays, call: WayCall): Promise<void> {
  switch (call.verb) {
    case 'putRouteTable':
      return ways.putRouteTable(call.table)
    case 'dropRouteTable':
      return ways.dropRouteTable(call.routeTableId)
    case 'putNatGateway':
      return ways.putNatGateway(call.nat)
    case 'dropNatGateway':
      return ways.dropNatGateway(call.natGatewayId)
    case 'putPublicAddress':
      return ways.putPublicAddress(call.address)
    case 'dropPublicAddress':
      return ways.dropPublicAddress(call.publicIp)
  }
}

/** The steps from one world to the next, in no order. */
export function waySteps(before: World, after: World): FabricStep[] {
  const same = <T>(record: T): T => record
  return [
    ...changes(fabricTables(before), fabricTables(after), same).map(tableStep),
    ...changes(fabricNats(before), fabricNats(after), same).flatMap(natSteps),
    ...changes(fabricAddresses(before), fabricAddresses(after), same).flatMap(addressSteps),
  ]
}

/** The home VPC's route tables by id. A route whose target is gone leads nowhere. */
function fabricTables(world: World): ReadonlyMap<string, RouteTable> {
  const vpc = world.vpcs.get(world.homeVpcId)
  const tables = [...world.routeTables.values()].filter((each) => each.vpcId === vpc?.vpcId)
  const blocks = vpc === undefined ? [] : blocksOf(vpc).map(({ cidr }) => cidr)
  return new Map(
    tables.map((table) => {
      const { routeTableId } = table
      const routes = table.routes.map((route) => ({
        cidr: route.cidr,
        to: isActive(world, table, route) ? hopOf(world, route) : ({ kind: 'nowhere' } as const),
      }))
      return [routeTableId, { routeTableId, blocks, routes }]
    }),
  )
}

/** The home VPC's NAT gateways that have an interface, by id. */
function fabricNats(world: World): ReadonlyMap<string, NatGateway> {
  const found = new Map<string, NatGateway>()
  for (const { natGatewayId, vpcId, subnetId, eniId = '' } of world.natGateways.values()) {
    const [eni, subnet] = [world.enis.get(eniId), world.subnets.get(subnetId)]
    if (vpcId !== world.homeVpcId || eni === undefined || subnet === undefined) continue
    const { ipv4: ipv4Gateway } = routerOf(subnet)
    if (ipv4Gateway === undefined || subnet.ipv4Cidr === undefined) continue
    found.set(natGatewayId, {
      natGatewayId,
      eniId,
      subnetId,
      mac: eni.mac,
      ipv4: eni.ipv4[0] ?? '',
      ipv4Gateway,
      prefixLength: knownCidr(4, subnet.ipv4Cidr).prefix,
    })
  }
  return found
}

/** The home VPC's public addresses that stand for a private one. */
function fabricAddresses(world: World): ReadonlyMap<string, PublicAddress> {
  const found = new Map<string, PublicAddress>()
  for (const { publicIp, association } of world.publicAddresses.values()) {
    const eni = world.enis.get(association?.eniId ?? '')
    if (association === undefined || eni?.vpcId !== world.homeVpcId) continue
    found.set(publicIp, { publicIp, privateIp: association.privateIp })
  }
  return found
}

function hopOf(world: World, { target }: model.Route): Route['to'] {
  switch (target.kind) {
    case 'internet-gateway':
      return { kind: 'internet' }
    case 'egress-only':
      return { kind: 'egress-only' }
    case 'nat-gateway':
      return { kind: 'port', eniId: world.natGateways.get(target.natGatewayId)?.eniId ?? '' }
    case 'eni':
      return { kind: 'port', eniId: target.eniId }
  }
}

function tableStep({ id, was, now }: Change<RouteTable>): FabricStep {
  const order = (table: RouteTable | undefined): FabricCall =>
    table === undefined
      ? { verb: 'dropRouteTable', routeTableId: id }
      : { verb: 'putRouteTable', table }
  return { call: order(now), undo: order(was) }
}

/** A NAT gateway that changes is another one: it has an interface, and that has one address. */
function natSteps({ id, was, now }: Change<NatGateway>): FabricStep[] {
  const drop: FabricCall = { verb: 'dropNatGateway', natGatewayId: id }
  return [
    ...(was === undefined
      ? []
      : [{ call: drop, undo: { verb: 'putNatGateway', nat: was } as const }]),
    ...(now === undefined
      ? []
      : [{ call: { verb: 'putNatGateway', nat: now } as const, undo: drop }]),
  ]
}

/** Dropped first where it moves: two may change places. */
function addressSteps({ id, was, now }: Change<PublicAddress>): FabricStep[] {
  const drop: FabricCall = { verb: 'dropPublicAddress', publicIp: id }
  const put = (address: PublicAddress): FabricCall => ({ verb: 'putPublicAddress', address })
  return [
    ...(was === undefined ? [] : [{ call: drop, undo: put(was) }]),
    ...(now === undefined ? [] : [{ call: put(now), undo: drop }]),
  ]
}
