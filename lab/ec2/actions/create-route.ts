// CreateRoute: in force for every subnet that has the table when the call is answered.

import type { CreateRouteRequest, CreateRouteResult } from '@aws-sdk/client-ec2'
import { findRouteTable } from '../../model/look-up.ts'
import { addRoute } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'
import { DESTINATIONS, readDestination, readTarget, TARGETS } from '../route-request.ts'

export const createRoute: ChangeAction<CreateRouteRequest, CreateRouteResult> = {
  name: 'CreateRoute',
  honours: ['RouteTableId', ...DESTINATIONS, ...TARGETS],
  change(world, input) {
    const table = findRouteTable(world, input.RouteTableId ?? '')
    const block = readDestination(input)
    const target = readTarget(world, table, input, block.family)
    if (target === undefined) throw new Error('CreateRoute honours no LocalTarget')
    return { world: addRoute(world, table, { ...block, target }), output: { Return: true } }
  },
}
