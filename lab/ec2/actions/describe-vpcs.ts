// DescribeVpcs.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type FilterOf, type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { vpcShape } from '../shapes/vpc.ts'

const isDefault: FilterOf<ec2.Vpc> = (vpc) => vpc.IsDefault

const LISTING: Listing<ec2.Vpc> = {
  key: (vpc) => vpc.VpcId ?? '',
  tags: (vpc) => vpc.Tags,
  pages: PAGES_OF_1000,
  filters: {
    cidr: (vpc) => vpc.CidrBlock,
    'cidr-block-association.association-id': (vpc) =>
      vpc.CidrBlockAssociationSet?.map((each) => each.AssociationId),
    'cidr-block-association.cidr-block': (vpc) =>
      vpc.CidrBlockAssociationSet?.map((each) => each.CidrBlock),
    'cidr-block-association.state': (vpc) =>
      vpc.CidrBlockAssociationSet?.map((each) => each.CidrBlockState?.State),
    'dhcp-options-id': (vpc) => vpc.DhcpOptionsId,
    'ipv6-cidr-block-association.association-id': (vpc) =>
      vpc.Ipv6CidrBlockAssociationSet?.map((each) => each.AssociationId),
    'ipv6-cidr-block-association.ipv6-cidr-block': (vpc) =>
      vpc.Ipv6CidrBlockAssociationSet?.map((each) => each.Ipv6CidrBlock),
    'ipv6-cidr-block-association.ipv6-pool': (vpc) =>
      vpc.Ipv6CidrBlockAssociationSet?.map((each) => each.Ipv6Pool),
    'ipv6-cidr-block-association.state': (vpc) =>
      vpc.Ipv6CidrBlockAssociationSet?.map((each) => each.Ipv6CidrBlockState?.State),
    'is-default': isDefault,
    isDefault,
    'owner-id': (vpc) => vpc.OwnerId,
    state: (vpc) => vpc.State,
    'vpc-id': (vpc) => vpc.VpcId,
  },
}

export const describeVpcs: ReadAction<ec2.DescribeVpcsRequest, ec2.DescribeVpcsResult> = {
  name: 'DescribeVpcs',
  honours: ['VpcIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { VpcIds: ids } = input
    const vpcs = ids === undefined ? [...world.vpcs.values()] : findEach('vpc', world.vpcs, ids)
    const shapes = vpcs.map((vpc) => vpcShape(world, vpc))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { Vpcs: rows, ...next }
  },
}
