// DeleteNatGateway: its interface goes and its Elastic IP is free again; routes to it stay, and lead
// nowhere. Again for one that is deleted changes nothing.

import type { DeleteNatGatewayRequest, DeleteNatGatewayResult } from '@aws-sdk/client-ec2'
import { findNatGateway, noSuch } from '../../model/look-up.ts'
import { endNat, isTold, settleEnded } from '../../model/nat-gateway.ts'
import type { ChangeAction } from '../action.ts'

export const deleteNatGateway: ChangeAction<DeleteNatGatewayRequest, DeleteNatGatewayResult> = {
  name: 'DeleteNatGateway',
  honours: ['NatGatewayId'],
  change(world, input, call) {
    const nat = findNatGateway(world, input.NatGatewayId ?? '')
    const { natGatewayId } = nat
    if (!isTold(nat, call.now)) throw noSuch('natGateway', natGatewayId)
    return {
      world: endNat(world, nat),
      output: { NatGatewayId: natGatewayId },
      settle: (now) => settleEnded(now, natGatewayId, call.now),
    }
  },
}
