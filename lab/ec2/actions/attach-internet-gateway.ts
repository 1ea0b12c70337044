// AttachInternetGateway: one for each VPC; routes to it are in force when the call is answered.

import type { AttachInternetGatewayRequest } from '@aws-sdk/client-ec2'
import { attachGateway } from '../../model/internet-gateway.ts'
import { findInternetGateway, findVpc } from '../../model/look-up.ts'
import type { ChangeAction } from '../action.ts'

export const attachInternetGateway: ChangeAction<AttachInternetGatewayRequest, object> = {
  name: 'AttachInternetGateway',
  honours: ['InternetGatewayId', 'VpcId'],
  change(world, input) {
    const gateway = findInternetGateway(world, input.InternetGatewayId ?? '')
    const vpc = findVpc(world, input.VpcId ?? '')
    return { world: attachGateway(world, gateway, vpc), output: {} }
  },
}
