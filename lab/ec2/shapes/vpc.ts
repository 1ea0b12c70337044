// A VPC as EC2 writes it.

import type * as ec2 from '@aws-sdk/client-ec2'
import { ACCOUNT_ID, REGION, type Vpc, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole VPC, as DescribeVpcs and CreateVpc give it. */
export function vpcShape(world: World, vpc: Vpc): ec2.Vpc {
  const { ipv6Cidr, ipv6AssociationId } = vpc
  return {
    VpcId: vpc.vpcId,
    OwnerId: ACCOUNT_ID,
    CidrBlock: vpc.ipv4Cidr,
    CidrBlockAssociationSet: [
      {
        AssociationId: vpc.ipv4AssociationId,
        CidrBlock: vpc.ipv4Cidr,
        CidrBlockState: { State: 'associated' },
      },
    ],
    Ipv6CidrBlockAssociationSet:
      ipv6Cidr === undefined || ipv6AssociationId === undefined
        ? []
        : [
            {
              AssociationId: ipv6AssociationId,
              Ipv6CidrBlock: ipv6Cidr,
              Ipv6CidrBlockState: { State: 'associated' },
              NetworkBorderGroup: REGION,
              Ipv6Pool: 'Amazon',
            },
          ],
    DhcpOptionsId: vpc.dhcpOptionsId,
    InstanceTenancy: 'default',
    IsDefault: vpc.isDefault,
    State: 'available',
    Tags: tagList(world, vpc.vpcId),
  }
}
