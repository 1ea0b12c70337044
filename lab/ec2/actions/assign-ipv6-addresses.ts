// AssignIpv6Addresses: addresses or prefixes, chosen or to choose, in force on the plugged link when
// the call is answered. The answer writes prefixes as plain texts, unlike that of IPv4.

import type { AssignIpv6AddressesRequest, AssignIpv6AddressesResult } from '@aws-sdk/client-ec2'
import { assign, checkPlaces } from '../../model/assignment.ts'
import { findEni } from '../../model/look-up.ts'
import { instanceOf, refuseManaged } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import type { ChangeAction } from '../action.ts'
import { countOf, onlyOne } from '../address-wish.ts'

export const assignIpv6Addresses: ChangeAction<
  AssignIpv6AddressesRequest,
  AssignIpv6AddressesResult
> = {
  name: 'AssignIpv6Addresses',
  honours: [
    'NetworkInterfaceId',
    'Ipv6Addresses',
    'Ipv6AddressCount',
    'Ipv6Prefixes',
    'Ipv6PrefixCount',
  ],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const { Ipv6Addresses, Ipv6AddressCount, Ipv6Prefixes, Ipv6PrefixCount } = input
    const ways = { Ipv6Addresses, Ipv6AddressCount, Ipv6Prefixes, Ipv6PrefixCount }
    if (onlyOne(ways) === undefined) {
      throw new Refusal('MissingParameter', `Give one of ${Object.keys(ways).join(', ')}.`)
    }
    refuseManaged(eni)
    const done = assign(world, eni, 6, {
      asked: Ipv6Addresses,
      count: countOf('ipv6AddressCount', Ipv6AddressCount, 1, 50),
      prefixesAsked: Ipv6Prefixes,
      prefixCount: countOf('ipv6PrefixCount', Ipv6PrefixCount, 1, 50),
    })
    const instance = instanceOf(world, eni)
    if (instance !== undefined) checkPlaces(done.eni, instance)
    return {
      world: done.world,
      output: {
        NetworkInterfaceId: eni.eniId,
        AssignedIpv6Addresses: [...done.addresses],
        AssignedIpv6Prefixes: [...done.prefixes],
      },
    }
  },
}
