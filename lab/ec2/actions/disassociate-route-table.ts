// DisassociateRouteTable: the subnet has its VPC's main table again.

import type { DisassociateRouteTableRequest } from '@aws-sdk/client-ec2'
import { disassociate, findAssociation } from '../../model/route-table.ts'
import type { ChangeAction } from '../action.ts'

export const disassociateRouteTable: ChangeAction<DisassociateRouteTableRequest, object> = {
  name: 'DisassociateRouteTable',
  honours: ['AssociationId'],
  change: (world, input) => ({
    world: disassociate(world, findAssociation(world, input.AssociationId ?? '')),
    output: {},
  }),
}
