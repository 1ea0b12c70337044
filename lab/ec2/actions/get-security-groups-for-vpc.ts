// GetSecurityGroupsForVpc: the groups that an ENI of the VPC may wear: its own, as none is shared or
// associated from elsewhere.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { ACCOUNT_ID } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { tagList } from '../shapes/tags.ts'

const LISTING: Listing<ec2.SecurityGroupForVpc> = {
  key: (group) => group.GroupId ?? '',
  tags: (group) => group.Tags,
  pages: PAGES_OF_1000,
  filters: {
    description: (group) => group.Description,
    'group-id': (group) => group.GroupId,
    'group-name': (group) => group.GroupName,
    'owner-id': (group) => group.OwnerId,
    'primary-vpc-id': (group) => group.PrimaryVpcId,
  },
}

export const getSecurityGroupsForVpc: ReadAction<
  ec2.GetSecurityGroupsForVpcRequest,
  ec2.GetSecurityGroupsForVpcResult
> = {
  name: 'GetSecurityGroupsForVpc',
  honours: ['VpcId', ...FILTERS, ...PAGES],
  read(world, input) {
    const { vpcId } = findVpc(world, input.VpcId ?? '')
    const shapes = [...world.groups.values()]
      .filter((group) => group.vpcId === vpcId)
      .map((group) => ({
        GroupId: group.groupId,
        GroupName: group.name,
        Description: group.description,
        OwnerId: ACCOUNT_ID,
        PrimaryVpcId: vpcId,
        Tags: tagList(world, group.groupId),
      }))
    const { rows, ...next } = list(shapes, input, LISTING)
    return { SecurityGroupForVpcs: rows, ...next }
  },
}
