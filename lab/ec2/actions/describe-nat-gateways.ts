// DescribeNatGateways: also those that have ended, for an hour. Its list of filters is named `Filter`.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findNatGateway, noSuch } from '../../model/look-up.ts'
import { isTold } from '../../model/nat-gateway.ts'
import { PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { natGatewayShape } from '../shapes/gateway.ts'

const LISTING: Listing<ec2.NatGateway> = {
  key: (nat) => nat.NatGatewayId ?? '',
  tags: (nat) => nat.Tags,
  pages: PAGES_OF_1000,
  filters: {
    'nat-gateway-id': (nat) => nat.NatGatewayId,
    state: (nat) => nat.State,
    'subnet-id': (nat) => nat.SubnetId,
    'vpc-id': (nat) => nat.VpcId,
  },
}

export const describeNatGateways: ReadAction<
  ec2.DescribeNatGatewaysRequest,
  ec2.DescribeNatGatewaysResult
> = {
  name: 'DescribeNatGateways',
  honours: ['NatGatewayIds', 'Filter.Name', 'Filter.Values', ...PAGES],
  read(world, { Filter, ...input }, call) {
    const { NatGatewayIds: ids } = input
    const asked =
      ids === undefined
        ? [...world.natGateways.values()]
        : ids.map((id) => findNatGateway(world, id))
    const told = asked.filter((nat) => isTold(nat, call.now))
    const forgotten = ids === undefined ? undefined : asked.find((nat) => !told.includes(nat))
    if (forgotten !== undefined) throw noSuch('natGateway', forgotten.natGatewayId)
    const shapes = told.map((nat) => natGatewayShape(world, nat))
    const listed = { ...input, ...(Filter === undefined ? {} : { Filters: Filter }) }
    const { rows, ...next } = list(shapes, listed, LISTING, ids !== undefined)
    return { NatGateways: rows, ...next }
  },
}
