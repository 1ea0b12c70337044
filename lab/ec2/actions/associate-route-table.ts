// AssociateRouteTable: a subnet gets a table of its own choice. A gateway's own table (ingress
// routing) is not in the lab.

import type { AssociateRouteTableRequest, AssociateRouteTableResult } from '@aws-sdk/client-ec2'
import { findRouteTable, findSubnet } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { associate } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'

export const associateRouteTable: ChangeAction<
  AssociateRouteTableRequest,
  AssociateRouteTableResult
> = {
  name: 'AssociateRouteTable',
  honours: ['RouteTableId', 'SubnetId'],
  change(world, input, call) {
    const table = findRouteTable(world, input.RouteTableId ?? '')
    if (input.SubnetId === undefined) {
      throw new Refusal('MissingParameter', 'The request must contain the parameter subnetId')
    }
    const subnet = findSubnet(world, input.SubnetId)
    const { routeTable } = subnet
    if (routeTable?.routeTableId === table.routeTableId) {
      return { world, output: associated(routeTable.associationId) }
    }
    if (routeTable !== undefined) {
      throw new Refusal(
        'Resource.AlreadyAssociated',
        `the specified association for route table ${table.routeTableId} conflicts with an ` +
          'existing association',
      )
    }
    const { world: next, associationId } = associate(world, { subnet }, table, call.random)
    return { world: next, output: associated(associationId) }
  },
}

const associated = (AssociationId: string): AssociateRouteTableResult => ({
  AssociationId,
  AssociationState: { State: 'associated' },
})
