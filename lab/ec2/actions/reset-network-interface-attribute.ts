// ResetNetworkInterfaceAttribute: the source/destination check, on again; in force when answered.

import type { ResetNetworkInterfaceAttributeRequest } from '@aws-sdk/client-ec2'
import { findEni } from '../../model/look-up.ts'
import { refuseManaged } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import { withEni } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const resetNetworkInterfaceAttribute: ChangeAction<
  ResetNetworkInterfaceAttributeRequest,
  object
> = {
  name: 'ResetNetworkInterfaceAttribute',
  honours: ['NetworkInterfaceId', 'SourceDestCheck'],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    // EC2 takes any text: that the parameter is there is what says which attribute is meant.
    if (input.SourceDestCheck === undefined) {
      throw new Refusal(
        'MissingParameter',
        'The request must contain the parameter SourceDestCheck: no other attribute can be reset.',
      )
    }
    refuseManaged(eni)
    return { world: withEni(world, { ...eni, sourceDestCheck: true }), output: {} }
  },
}
