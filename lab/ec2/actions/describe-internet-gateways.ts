// DescribeInternetGateways.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { internetGatewayShape } from '../shapes/gateway.ts'

const LISTING: Listing<ec2.InternetGateway> = {
  key: (gateway) => gateway.InternetGatewayId ?? '',
  tags: (gateway) => gateway.Tags,
  pages: PAGES_OF_1000,
  filters: {
    'attachment.state': (gateway) => gateway.Attachments?.map((each) => each.State),
    'attachment.vpc-id': (gateway) => gateway.Attachments?.map((each) => each.VpcId),
    'internet-gateway-id': (gateway) => gateway.InternetGatewayId,
    'owner-id': (gateway) => gateway.OwnerId,
  },
}

export const describeInternetGateways: ReadAction<
  ec2.DescribeInternetGatewaysRequest,
  ec2.DescribeInternetGatewaysResult
> = {
  name: 'DescribeInternetGateways',
  honours: ['InternetGatewayIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { InternetGatewayIds: ids } = input
    const gateways =
      ids === undefined
        ? [...world.internetGateways.values()]
        : findEach('internetGateway', world.internetGateways, ids)
    const shapes = gateways.map((gateway) => internetGatewayShape(world, gateway))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { InternetGateways: rows, ...next }
  },
}
