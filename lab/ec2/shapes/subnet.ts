// A subnet as EC2 writes it.

import type * as ec2 from '@aws-sdk/client-ec2'
import { availableCount } from '../../model/addresses.ts'
import { ACCOUNT_ID, REGION, type Subnet, type World } from '../../model/world.ts'
import { zoneIdOf } from './network-interface.ts'
import { tagList } from './tags.ts'

/** The whole subnet, as DescribeSubnets and CreateSubnet give it. */
export function subnetShape(world: World, subnet: Subnet): ec2.Subnet {
  const { subnetId, ipv6Cidr, ipv6AssociationId } = subnet
  return {
    AvailabilityZone: subnet.zone,
    ...zoneIdOf(subnet.zone),
    AvailableIpAddressCount: availableCount(world, subnet),
    ...(subnet.ipv4Cidr === undefined ? {} : { CidrBlock: subnet.ipv4Cidr }),
    DefaultForAz: subnet.defaultForAz,
    MapPublicIpOnLaunch: subnet.mapPublicIpOnLaunch,
    MapCustomerOwnedIpOnLaunch: false,
    State: 'available',
    SubnetId: subnetId,
    VpcId: subnet.vpcId,
    OwnerId: ACCOUNT_ID,
    AssignIpv6AddressOnCreation: subnet.assignIpv6OnCreation,
    Ipv6CidrBlockAssociationSet:
      ipv6Cidr === undefined || ipv6AssociationId === undefined
        ? []
        : [ipv6AssociationShape(ipv6AssociationId, ipv6Cidr, 'associated')],
    Ipv6Native: subnet.ipv4Cidr === undefined,
    EnableDns64: false,
    PrivateDnsNameOptionsOnLaunch: {
      // Without IPv4 there is no other (EC2 user guide, "Instance hostname types").
      HostnameType: subnet.ipv4Cidr === undefined ? 'resource-name' : 'ip-name',
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    },
    SubnetArn: `arn:aws:ec2:${REGION}:${ACCOUNT_ID}:subnet/${subnetId}`,
    Tags: tagList(world, subnetId),
  }
}

/** A subnet's IPv6 block and how it is associated. */
export const ipv6AssociationShape = (
  AssociationId: string,
  Ipv6CidrBlock: string,
  State: 'associated' | 'disassociated',
): ec2.SubnetIpv6CidrBlockAssociation => ({
  AssociationId,
  Ipv6CidrBlock,
  Ipv6CidrBlockState: { State },
})
