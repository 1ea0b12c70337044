// A route table as EC2 writes it: what has it by its own choice or as its main one (the subnets that
// have the main one without choosing are not listed), and its routes, the local ones first.

import type * as ec2 from '@aws-sdk/client-ec2'
import { instanceOf } from '../../model/network-interface.ts'
import { associations, isActive, localRoutes } from '../../model/route-table.ts'
import type { Route, RouteTable } from '../../model/way-out.ts'
import { ACCOUNT_ID, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole table, as DescribeRouteTables and CreateRouteTable give it. */
export function routeTableShape(world: World, table: RouteTable): ec2.RouteTable {
  const { routeTableId, vpcId } = table
  return {
    Associations: associations(world)
      .filter((each) => each.routeTableId === routeTableId)
      .map(({ associationId, subnet }) => ({
        Main: subnet === undefined,
        RouteTableAssociationId: associationId,
        RouteTableId: routeTableId,
        ...(subnet === undefined ? {} : { SubnetId: subnet.subnetId }),
        AssociationState: { State: 'associated' },
      })),
    PropagatingVgws: [],
    RouteTableId: routeTableId,
    Routes: [
      ...localRoutes(world, table).map((block) => ({
        ...destination(block),
        GatewayId: 'local',
        Origin: 'CreateRouteTable' as const,
        State: 'active' as const,
      })),
      ...table.routes.map((route) => ({
        ...destination(route),
        ...targetShape(world, route),
        Origin: 'CreateRoute' as const,
        State: isActive(world, table, route) ? ('active' as const) : ('blackhole' as const),
      })),
    ],
    Tags: tagList(world, routeTableId),
    VpcId: vpcId,
    OwnerId: ACCOUNT_ID,
  }
}

const destination = ({ family, cidr }: Pick<Route, 'family' | 'cidr'>): ec2.Route =>
  family === 'ipv4' ? { DestinationCidrBlock: cidr } : { DestinationIpv6CidrBlock: cidr }

function targetShape(world: World, { target }: Route): ec2.Route {
  switch (target.kind) {
    case 'internet-gateway':
      return { GatewayId: target.gatewayId }
    case 'egress-only':
      return { EgressOnlyInternetGatewayId: target.gatewayId }
    case 'nat-gateway':
      return { NatGatewayId: target.natGatewayId }
    case 'eni': {
      const eni = world.enis.get(target.eniId)
      const instance = eni === undefined ? undefined : instanceOf(world, eni)
      return {
        ...(instance === undefined
          ? {}
          : { InstanceId: instance.instanceId, InstanceOwnerId: ACCOUNT_ID }),
        NetworkInterfaceId: target.eniId,
      }
    }
  }
}
