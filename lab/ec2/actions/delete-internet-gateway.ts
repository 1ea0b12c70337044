// DeleteInternetGateway: refused while it is attached.

import type { DeleteInternetGatewayRequest } from '@aws-sdk/client-ec2'
import { dropGateway } from '../../model/internet-gateway.ts'
import { findInternetGateway } from '../../model/look-up.ts'
import type { ChangeAction } from '../action.ts'

export const deleteInternetGateway: ChangeAction<DeleteInternetGatewayRequest, object> = {
  name: 'DeleteInternetGateway',
  honours: ['InternetGatewayId'],
  change: (world, input) => ({
    world: dropGateway(world, findInternetGateway(world, input.InternetGatewayId ?? '')),
    output: {},
  }),
}
