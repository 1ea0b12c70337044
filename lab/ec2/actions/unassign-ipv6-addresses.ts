// UnassignIpv6Addresses: nothing passes to or from what is taken away when the call is answered.

import type { UnassignIpv6AddressesRequest, UnassignIpv6AddressesResult } from '@aws-sdk/client-ec2'
import { unassign } from '../../model/assignment.ts'
import { findEni } from '../../model/look-up.ts'
import { refuseManaged } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import { withEni } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { onlyOne } from '../address-wish.ts'

export const unassignIpv6Addresses: ChangeAction<
  UnassignIpv6AddressesRequest,
  UnassignIpv6AddressesResult
> = {
  name: 'UnassignIpv6Addresses',
  honours: ['NetworkInterfaceId', 'Ipv6Addresses', 'Ipv6Prefixes'],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const { Ipv6Addresses = [], Ipv6Prefixes = [] } = input
    if (onlyOne({ Ipv6Addresses, Ipv6Prefixes }) === undefined) {
      throw new Refusal('MissingParameter', 'Give one of Ipv6Addresses, Ipv6Prefixes.')
    }
    refuseManaged(eni)
    const left = unassign(eni, 6, Ipv6Addresses, Ipv6Prefixes)
    return {
      world: withEni(world, left.eni),
      output: {
        NetworkInterfaceId: eni.eniId,
        UnassignedIpv6Addresses: left.addresses,
        UnassignedIpv6Prefixes: left.prefixes,
      },
    }
  },
}
