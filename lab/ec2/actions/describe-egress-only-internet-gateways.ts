// DescribeEgressOnlyInternetGateways. EC2 filters them by tags alone.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_255 } from '../listing.ts'
import { egressOnlyShape } from '../shapes/gateway.ts'

const LISTING: Listing<ec2.EgressOnlyInternetGateway> = {
  key: (gateway) => gateway.EgressOnlyInternetGatewayId ?? '',
  tags: (gateway) => gateway.Tags,
  pages: PAGES_OF_255,
  filters: {},
}

export const describeEgressOnlyInternetGateways: ReadAction<
  ec2.DescribeEgressOnlyInternetGatewaysRequest,
  ec2.DescribeEgressOnlyInternetGatewaysResult
> = {
  name: 'DescribeEgressOnlyInternetGateways',
  honours: ['EgressOnlyInternetGatewayIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { EgressOnlyInternetGatewayIds: ids } = input
    const gateways =
      ids === undefined
        ? [...world.egressOnlyGateways.values()]
        : findEach('egressOnlyGateway', world.egressOnlyGateways, ids)
    const shapes = gateways.map((gateway) => egressOnlyShape(world, gateway))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { EgressOnlyInternetGateways: rows, ...next }
  },
}
