// DescribeRouteTables.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list } from '../listing.ts'
import { routeTableShape } from '../shapes/route-table.ts'

const LISTING: Listing<ec2.RouteTable> = {
  key: (table) => table.RouteTableId ?? '',
  tags: (table) => table.Tags,
  pages: { min: 5, max: 100 },
  filters: {
    'association.gateway-id': (table) => table.Associations?.map((each) => each.GatewayId),
    'association.main': (table) => table.Associations?.map((each) => each.Main),
    'association.route-table-association-id': (table) =>
      table.Associations?.map((each) => each.RouteTableAssociationId),
    'association.route-table-id': (table) => table.Associations?.map((each) => each.RouteTableId),
    'association.subnet-id': (table) => table.Associations?.map((each) => each.SubnetId),
    'owner-id': (table) => table.OwnerId,
    'route-table-id': (table) => table.RouteTableId,
    'route.destination-cidr-block': (table) =>
      table.Routes?.map((route) => route.DestinationCidrBlock),
    'route.destination-ipv6-cidr-block': (table) =>
      table.Routes?.map((route) => route.DestinationIpv6CidrBlock),
    'route.destination-prefix-list-id': (table) =>
      table.Routes?.map((route) => route.DestinationPrefixListId),
    'route.egress-only-internet-gateway-id': (table) =>
      table.Routes?.map((route) => route.EgressOnlyInternetGatewayId),
    'route.gateway-id': (table) => table.Routes?.map((route) => route.GatewayId),
    'route.instance-id': (table) => table.Routes?.map((route) => route.InstanceId),
    'route.nat-gateway-id': (table) => table.Routes?.map((route) => route.NatGatewayId),
    'route.origin': (table) => table.Routes?.map((route) => route.Origin),
    'route.state': (table) => table.Routes?.map((route) => route.State),
    'route.transit-gateway-id': (table) => table.Routes?.map((route) => route.TransitGatewayId),
    'route.vpc-peering-connection-id': (table) =>
      table.Routes?.map((route) => route.VpcPeeringConnectionId),
    'vpc-id': (table) => table.VpcId,
  },
}

export const describeRouteTables: ReadAction<
  ec2.DescribeRouteTablesRequest,
  ec2.DescribeRouteTablesResult
> = {
  name: 'DescribeRouteTables',
  honours: ['RouteTableIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { RouteTableIds: ids } = input
    const tables =
      ids === undefined
        ? [...world.routeTables.values()]
        : findEach('routeTable', world.routeTables, ids)
    const shapes = tables.map((table) => routeTableShape(world, table))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { RouteTables: rows, ...next }
  },
}
