// DescribeSubnets. Some filters have a camelCase twin, as on EC2.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type FilterOf, type Listing, list, nothing, PAGES_OF_1000 } from '../listing.ts'
import { subnetShape } from '../shapes/subnet.ts'

const zone: FilterOf<ec2.Subnet> = (subnet) => subnet.AvailabilityZone
const zoneId: FilterOf<ec2.Subnet> = (subnet) => subnet.AvailabilityZoneId
const cidr: FilterOf<ec2.Subnet> = (subnet) => subnet.CidrBlock
const forAz: FilterOf<ec2.Subnet> = (subnet) => subnet.DefaultForAz
const associations: FilterOf<ec2.Subnet> = (subnet) =>
  subnet.Ipv6CidrBlockAssociationSet?.map((each) => each.AssociationId)

const LISTING: Listing<ec2.Subnet> = {
  key: (subnet) => subnet.SubnetId ?? '',
  tags: (subnet) => subnet.Tags,
  pages: PAGES_OF_1000,
  filters: {
    ...nothing('customer-owned-ipv4-pool', 'enable-lni-at-device-index', 'outpost-arn'),
    'availability-zone': zone,
    availabilityZone: zone,
    'availability-zone-id': zoneId,
    availabilityZoneId: zoneId,
    'available-ip-address-count': (subnet) => subnet.AvailableIpAddressCount,
    'cidr-block': cidr,
    cidr,
    cidrBlock: cidr,
    'default-for-az': forAz,
    defaultForAz: forAz,
    'enable-dns64': (subnet) => subnet.EnableDns64,
    'ipv6-cidr-block-association.association-id': associations,
    'ipv6-cidr-block-association.ipv6-cidr-block': (subnet) =>
      subnet.Ipv6CidrBlockAssociationSet?.map((each) => each.Ipv6CidrBlock),
    'ipv6-cidr-block-association.state': (subnet) =>
      subnet.Ipv6CidrBlockAssociationSet?.map((each) => each.Ipv6CidrBlockState?.State),
    'ipv6-native': (subnet) => subnet.Ipv6Native,
    'map-customer-owned-ip-on-launch': (subnet) => subnet.MapCustomerOwnedIpOnLaunch,
    'map-public-ip-on-launch': (subnet) => subnet.MapPublicIpOnLaunch,
    'owner-id': (subnet) => subnet.OwnerId,
    'private-dns-name-options-on-launch.enable-resource-name-dns-a-record': (subnet) =>
      subnet.PrivateDnsNameOptionsOnLaunch?.EnableResourceNameDnsARecord,
    'private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record': (subnet) =>
      subnet.PrivateDnsNameOptionsOnLaunch?.EnableResourceNameDnsAAAARecord,
    'private-dns-name-options-on-launch.hostname-type': (subnet) =>
      subnet.PrivateDnsNameOptionsOnLaunch?.HostnameType,
    state: (subnet) => subnet.State,
    'subnet-arn': (subnet) => subnet.SubnetArn,
    'subnet-id': (subnet) => subnet.SubnetId,
    'vpc-id': (subnet) => subnet.VpcId,
  },
}

export const describeSubnets: ReadAction<ec2.DescribeSubnetsRequest, ec2.DescribeSubnetsResult> = {
  name: 'DescribeSubnets',
  honours: ['SubnetIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { SubnetIds: ids } = input
    const subnets =
      ids === undefined ? [...world.subnets.values()] : findEach('subnet', world.subnets, ids)
    const shapes = subnets.map((subnet) => subnetShape(world, subnet))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { Subnets: rows, ...next }
  },
}
