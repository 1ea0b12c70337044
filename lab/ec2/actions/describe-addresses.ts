// DescribeAddresses: the account's Elastic IPs, all at once. Addresses that came with an interface
// are not among them.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findAllocation } from '../../model/look-up.ts'
import { isElastic } from '../../model/public-address.ts'
import { FILTERS, type ReadAction } from '../action.ts'
import { findPublic } from '../address-request.ts'
import { type Listing, list } from '../listing.ts'
import { addressShape } from '../shapes/public-address.ts'

const LISTING: Listing<ec2.Address> = {
  key: (address) => address.PublicIp ?? '',
  tags: (address) => address.Tags,
  filters: {
    'allocation-id': (address) => address.AllocationId,
    'association-id': (address) => address.AssociationId,
    domain: (address) => address.Domain,
    'instance-id': (address) => address.InstanceId,
    'network-border-group': (address) => address.NetworkBorderGroup,
    'network-interface-id': (address) => address.NetworkInterfaceId,
    'network-interface-owner-id': (address) => address.NetworkInterfaceOwnerId,
    'private-ip-address': (address) => address.PrivateIpAddress,
    'public-ip': (address) => address.PublicIp,
  },
}

export const describeAddresses: ReadAction<
  ec2.DescribeAddressesRequest,
  ec2.DescribeAddressesResult
> = {
  name: 'DescribeAddresses',
  honours: ['AllocationIds', 'PublicIps', ...FILTERS],
  read(world, input) {
    const { AllocationIds: ids, PublicIps: publicIps } = input
    const named =
      ids === undefined && publicIps === undefined
        ? [...world.publicAddresses.values()].filter(isElastic)
        : [
            ...(ids ?? []).map((id) => findAllocation(world, id)),
            ...(publicIps ?? []).map((publicIp) => findPublic(world, publicIp)),
          ]
    const unique = [...new Map(named.map((address) => [address.publicIp, address])).values()]
    const { rows } = list(
      unique.map((address) => addressShape(world, address)),
      { Filters: input.Filters },
      LISTING,
    )
    return { Addresses: rows }
  },
}
