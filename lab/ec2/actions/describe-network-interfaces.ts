// DescribeNetworkInterfaces. With every id of the list known, or the call fails and names the first
// one that is not.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { networkInterfaceShape } from '../shapes/network-interface.ts'

const LISTING: Listing<ec2.NetworkInterface> = {
  key: (eni) => eni.NetworkInterfaceId ?? '',
  tags: (eni) => eni.TagSet,
  pages: PAGES_OF_1000,
  filters: {
    'addresses.association.owner-id': (eni) =>
      eni.PrivateIpAddresses?.map((each) => each.Association?.IpOwnerId),
    'addresses.association.public-ip': (eni) =>
      eni.PrivateIpAddresses?.map((each) => each.Association?.PublicIp),
    'addresses.primary': (eni) => eni.PrivateIpAddresses?.map((each) => each.Primary),
    'addresses.private-ip-address': (eni) =>
      eni.PrivateIpAddresses?.map((each) => each.PrivateIpAddress),
    'association.allocation-id': (eni) => eni.Association?.AllocationId,
    'association.association-id': (eni) => eni.Association?.AssociationId,
    'association.ip-owner-id': (eni) => eni.Association?.IpOwnerId,
    'association.public-dns-name': (eni) => eni.Association?.PublicDnsName,
    'association.public-ip': (eni) => eni.Association?.PublicIp,
    'attachment.attach-time': (eni) => eni.Attachment?.AttachTime?.toISOString(),
    'attachment.attachment-id': (eni) => eni.Attachment?.AttachmentId,
    'attachment.delete-on-termination': (eni) => eni.Attachment?.DeleteOnTermination,
    'attachment.device-index': (eni) => eni.Attachment?.DeviceIndex,
    'attachment.instance-id': (eni) => eni.Attachment?.InstanceId,
    'attachment.instance-owner-id': (eni) => eni.Attachment?.InstanceOwnerId,
    'attachment.status': (eni) => eni.Attachment?.Status,
    'availability-zone': (eni) => eni.AvailabilityZone,
    'availability-zone-id': (eni) => eni.AvailabilityZoneId,
    description: (eni) => eni.Description,
    'group-id': (eni) => eni.Groups?.map((group) => group.GroupId),
    'group-name': (eni) => eni.Groups?.map((group) => group.GroupName),
    'interface-type': (eni) => eni.InterfaceType,
    'ipv6-addresses.ipv6-address': (eni) => eni.Ipv6Addresses?.map((each) => each.Ipv6Address),
    'mac-address': (eni) => eni.MacAddress,
    'network-interface-id': (eni) => eni.NetworkInterfaceId,
    'operator.managed': (eni) => eni.Operator?.Managed,
    'operator.principal': (eni) => eni.Operator?.Principal,
    'owner-id': (eni) => eni.OwnerId,
    'private-dns-name': (eni) => eni.PrivateDnsName,
    'private-ip-address': (eni) => eni.PrivateIpAddress,
    'requester-id': (eni) => eni.RequesterId,
    'requester-managed': (eni) => eni.RequesterManaged,
    'source-dest-check': (eni) => eni.SourceDestCheck,
    status: (eni) => eni.Status,
    'subnet-id': (eni) => eni.SubnetId,
    'vpc-id': (eni) => eni.VpcId,
  },
}

export const describeNetworkInterfaces: ReadAction<
  ec2.DescribeNetworkInterfacesRequest,
  ec2.DescribeNetworkInterfacesResult
> = {
  name: 'DescribeNetworkInterfaces',
  // Nothing here is managed by an operator: with or without those, the answer is the same.
  honours: ['NetworkInterfaceIds', 'IncludeManagedResources', ...FILTERS, ...PAGES],
  read(world, input) {
    const { NetworkInterfaceIds: ids } = input
    const enis = ids === undefined ? [...world.enis.values()] : findEach('eni', world.enis, ids)
    const shapes = enis.map((eni) => networkInterfaceShape(world, eni))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { NetworkInterfaces: rows, ...next }
  },
}
