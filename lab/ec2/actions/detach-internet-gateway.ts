// DetachInternetGateway: refused while an interface of the VPC has a public address. Routes to it stay,
// and lead nowhere.

import type { DetachInternetGatewayRequest } from '@aws-sdk/client-ec2'
import { detachGateway } from '../../model/internet-gateway.ts'
import { findInternetGateway, findVpc } from '../../model/look-up.ts'
import type { ChangeAction } from '../action.ts'

export const detachInternetGateway: ChangeAction<DetachInternetGatewayRequest, object> = {
  name: 'DetachInternetGateway',
  honours: ['InternetGatewayId', 'VpcId'],
  change(world, input) {
    const gateway = findInternetGateway(world, input.InternetGatewayId ?? '')
    const vpc = findVpc(world, input.VpcId ?? '')
    return { world: detachGateway(world, gateway, vpc), output: {} }
  },
}
