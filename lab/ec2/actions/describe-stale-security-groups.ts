// DescribeStaleSecurityGroups: groups whose rules name a group of a VPC that is peered no more. The
// lab has no peering, and a group that a rule names cannot be deleted: there are none.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_255 } from '../listing.ts'

const LISTING: Listing<ec2.StaleSecurityGroup> = {
  key: (group) => group.GroupId ?? '',
  pages: PAGES_OF_255,
  filters: {},
}

export const describeStaleSecurityGroups: ReadAction<
  ec2.DescribeStaleSecurityGroupsRequest,
  ec2.DescribeStaleSecurityGroupsResult
> = {
  name: 'DescribeStaleSecurityGroups',
  honours: ['VpcId', ...PAGES],
  read(world, input) {
    findVpc(world, input.VpcId ?? '')
    const { rows, ...next } = list([], input, LISTING)
    return { StaleSecurityGroupSet: rows, ...next }
  },
}
