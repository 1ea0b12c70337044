// UnassignPrivateIpAddresses: nothing passes to or from what is taken away when the call is
// answered, and flows of it are forgotten. The primary address stays.

import type { UnassignPrivateIpAddressesRequest } from '@aws-sdk/client-ec2'
import { unassign } from '../../model/assignment.ts'
import { findEni } from '../../model/look-up.ts'
import { refuseManaged } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import { withEni } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { onlyOne } from '../address-wish.ts'

export const unassignPrivateIpAddresses: ChangeAction<UnassignPrivateIpAddressesRequest, object> = {
  name: 'UnassignPrivateIpAddresses',
  honours: ['NetworkInterfaceId', 'PrivateIpAddresses', 'Ipv4Prefixes'],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const { PrivateIpAddresses = [], Ipv4Prefixes = [] } = input
    if (onlyOne({ PrivateIpAddresses, Ipv4Prefixes }) === undefined) {
      throw new Refusal('MissingParameter', 'Give one of PrivateIpAddresses, Ipv4Prefixes.')
    }
    refuseManaged(eni)
    const left = unassign(eni, 4, PrivateIpAddresses, Ipv4Prefixes)
    return { world: withEni(world, left.eni), output: {} }
  },
}
