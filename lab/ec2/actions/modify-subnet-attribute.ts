// ModifySubnetAttribute: whether new ENIs get an IPv6 address without asking, and whether what is
// launched gets a public address (an ENI that is only created does not, as on EC2).

import type { ModifySubnetAttributeRequest } from '@aws-sdk/client-ec2'
import { findSubnet } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const modifySubnetAttribute: ChangeAction<ModifySubnetAttributeRequest, object> = {
  name: 'ModifySubnetAttribute',
  honours: ['SubnetId', 'AssignIpv6AddressOnCreation.Value', 'MapPublicIpOnLaunch.Value'],
  change(world, input) {
    const subnet = findSubnet(world, input.SubnetId ?? '')
    const assign = input.AssignIpv6AddressOnCreation?.Value
    const map = input.MapPublicIpOnLaunch?.Value
    if (assign !== undefined && map !== undefined) {
      throw new Refusal(
        'InvalidParameterCombination',
        'Only one attribute can be modified in a call.',
      )
    }
    if (map !== undefined) {
      const mapped = { ...subnet, mapPublicIpOnLaunch: map }
      return {
        world: { ...world, subnets: put(world.subnets, subnet.subnetId, mapped) },
        output: {},
      }
    }
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
