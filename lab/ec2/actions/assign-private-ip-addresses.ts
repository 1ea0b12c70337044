// AssignPrivateIpAddresses: secondary IPv4 addresses or prefixes, chosen or to choose. They are in
// force on the plugged link when the call is answered; EC2 itself promises no more than "later".
// Not idempotent, as on EC2: a count that is repeated gives as many again.

import type {
  AssignPrivateIpAddressesRequest,
  AssignPrivateIpAddressesResult,
} from '@aws-sdk/client-ec2'
import { assign, checkPlaces } from '../../model/assignment.ts'
import { findEni } from '../../model/look-up.ts'
import { instanceOf, refuseManaged } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import type { ChangeAction } from '../action.ts'
import { countOf, onlyOne } from '../address-wish.ts'

export const assignPrivateIpAddresses: ChangeAction<
  AssignPrivateIpAddressesRequest,
  AssignPrivateIpAddressesResult
> = {
  name: 'AssignPrivateIpAddresses',
  honours: [
    'NetworkInterfaceId',
    'PrivateIpAddresses',
    'SecondaryPrivateIpAddressCount',
    'AllowReassignment',
    'Ipv4Prefixes',
    'Ipv4PrefixCount',
  ],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const { PrivateIpAddresses, SecondaryPrivateIpAddressCount, Ipv4Prefixes, Ipv4PrefixCount } =
      input
    const ways = {
      PrivateIpAddresses,
      SecondaryPrivateIpAddressCount,
      Ipv4Prefixes,
      Ipv4PrefixCount,
    }
    if (onlyOne(ways) === undefined) {
      throw new Refusal('MissingParameter', `Give one of ${Object.keys(ways).join(', ')}.`)
    }
    refuseManaged(eni)
    const done = assign(world, eni, 4, {
      asked: PrivateIpAddresses,
      count: countOf('secondaryPrivateIpAddressCount', SecondaryPrivateIpAddressCount, 1, 49),
      prefixesAsked: Ipv4Prefixes,
      prefixCount: countOf('ipv4PrefixCount', Ipv4PrefixCount, 1, 49),
      mayReassign: input.AllowReassignment,
    })
    const instance = instanceOf(world, eni)
    if (instance !== undefined) checkPlaces(done.eni, instance)
    const { addresses, prefixes } = done
    return {
      world: done.world,
      output: {
        NetworkInterfaceId: eni.eniId,
        ...(addresses.length === 0
          ? {}
          : { AssignedPrivateIpAddresses: addresses.map((ip) => ({ PrivateIpAddress: ip })) }),
        ...(prefixes.length === 0
          ? {}
          : { AssignedIpv4Prefixes: prefixes.map((Ipv4Prefix) => ({ Ipv4Prefix })) }),
      },
    }
  },
}
