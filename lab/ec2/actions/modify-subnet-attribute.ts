// ModifySubnetAttribute: whether new ENIs get an IPv6 address without asking.

import type { ModifySubnetAttributeRequest } from '@aws-sdk/client-ec2'
import { findSubnet } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const modifySubnetAttribute: ChangeAction<ModifySubnetAttributeRequest, object> = {
  name: 'ModifySubnetAttribute',
  honours: ['SubnetId', 'AssignIpv6AddressOnCreation.Value'],
  change(world, input) {
    const subnet = findSubnet(world, input.SubnetId ?? '')
    const assign = input.AssignIpv6AddressOnCreation?.Value
    if (assign === undefined) {
      throw new Refusal(
        'MissingParameter',
        'The request must contain the parameter AssignIpv6AddressOnCreation.Value',
      )
    }
    if (assign && subnet.ipv6Cidr === undefined) {
      throw new Refusal(
        'InvalidParameterValue',
        `The subnet '${subnet.subnetId}' has no IPv6 CIDR block to assign addresses from.`,
      )
    }
    if (!assign && subnet.ipv4Cidr === undefined) {
      throw new Refusal(
        'InvalidParameterValue',
        `The subnet '${subnet.subnetId}' is IPv6-only: its network interfaces have no other address.`,
      )
    }
    const changed = { ...subnet, assignIpv6OnCreation: assign }
    return {
      world: { ...world, subnets: put(world.subnets, subnet.subnetId, changed) },
      output: {},
    }
  },
}
