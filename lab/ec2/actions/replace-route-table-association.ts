// ReplaceRouteTableAssociation: a subnet gets another table, or a VPC another main one, under a new
// association id.

import type {
  ReplaceRouteTableAssociationRequest,
  ReplaceRouteTableAssociationResult,
} from '@aws-sdk/client-ec2'
import { findRouteTable } from '../../model/look-up.ts'
import { associate, findAssociation } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'

export const replaceRouteTableAssociation: ChangeAction<
  ReplaceRouteTableAssociationRequest,
  ReplaceRouteTableAssociationResult
> = {
  name: 'ReplaceRouteTableAssociation',
  honours: ['AssociationId', 'RouteTableId'],
  change(world, input, call) {
    const old = findAssociation(world, input.AssociationId ?? '')
    const table = findRouteTable(world, input.RouteTableId ?? '')
    const { world: next, associationId } = associate(world, old, table, call.random)
    const AssociationState = { State: 'associated' } as const
    return { world: next, output: { NewAssociationId: associationId, AssociationState } }
  },
}
