// DeleteNetworkInterface: refused while anything is attached, also while it is detaching.

import type { DeleteNetworkInterfaceRequest } from '@aws-sdk/client-ec2'
import { findEni } from '../../model/look-up.ts'
import { refuseManaged } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import { withoutEni } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const deleteNetworkInterface: ChangeAction<DeleteNetworkInterfaceRequest, object> = {
  name: 'DeleteNetworkInterface',
  honours: ['NetworkInterfaceId'],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    refuseManaged(eni)
    if (eni.attachment !== undefined) {
      throw new Refusal(
        'InvalidParameterValue',
        `Network interface '${eni.eniId}' is currently in use.`,
      )
    }
    return { world: withoutEni(world, eni.eniId), output: {} }
  },
}
