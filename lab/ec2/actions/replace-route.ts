// ReplaceRoute: one route leads elsewhere; a block of the VPC may be led away, and be local again.

import type { ReplaceRouteRequest } from '@aws-sdk/client-ec2'
import { findRouteTable } from '../../model/look-up.ts'
import { replaceRoute as replace } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'
import { DESTINATIONS, readDestination, readTarget, TARGETS } from '../route-request.ts'

export const replaceRoute: ChangeAction<ReplaceRouteRequest, object> = {
  name: 'ReplaceRoute',
  honours: ['RouteTableId', ...DESTINATIONS, ...TARGETS, 'LocalTarget'],
  change(world, input) {
    const table = findRouteTable(world, input.RouteTableId ?? '')
    const block = readDestination(input)
    const target = readTarget(world, table, input, block.family)
    return { world: replace(world, table, block, target), output: {} }
  },
}
