// DeleteEgressOnlyInternetGateway: routes to it stay, and lead nowhere.

import type {
  DeleteEgressOnlyInternetGatewayRequest,
  DeleteEgressOnlyInternetGatewayResult,
} from '@aws-sdk/client-ec2'
import { dropEgressOnly } from '../../model/internet-gateway.ts'
import { findEgressOnlyGateway } from '../../model/look-up.ts'
import type { ChangeAction } from '../action.ts'

export const deleteEgressOnlyInternetGateway: ChangeAction<
  DeleteEgressOnlyInternetGatewayRequest,
  DeleteEgressOnlyInternetGatewayResult
> = {
  name: 'DeleteEgressOnlyInternetGateway',
  honours: ['EgressOnlyInternetGatewayId'],
  change(world, input) {
    const gateway = findEgressOnlyGateway(world, input.EgressOnlyInternetGatewayId ?? '')
    return { world: dropEgressOnly(world, gateway), output: { ReturnCode: true } }
  },
}
