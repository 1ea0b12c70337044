// DeleteRouteTable: refused for a VPC's main one, and while a subnet has it.

import type { DeleteRouteTableRequest } from '@aws-sdk/client-ec2'
import { findRouteTable } from '../../model/look-up.ts'
import { dropTable } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'

export const deleteRouteTable: ChangeAction<DeleteRouteTableRequest, object> = {
  name: 'DeleteRouteTable',
  honours: ['RouteTableId'],
  change: (world, input) => ({
    world: dropTable(world, findRouteTable(world, input.RouteTableId ?? '')),
    output: {},
  }),
}
