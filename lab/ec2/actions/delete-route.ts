// DeleteRoute.

import type { DeleteRouteRequest } from '@aws-sdk/client-ec2'
import { findRouteTable } from '../../model/look-up.ts'
import { removeRoute } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'
import { DESTINATIONS, readDestination } from '../route-request.ts'

export const deleteRoute: ChangeAction<DeleteRouteRequest, object> = {
  name: 'DeleteRoute',
  honours: ['RouteTableId', ...DESTINATIONS],
  change(world, input) {
    const table = findRouteTable(world, input.RouteTableId ?? '')
    return { world: removeRoute(world, table, readDestination(input).cidr), output: {} }
  },
}
