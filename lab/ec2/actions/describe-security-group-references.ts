// DescribeSecurityGroupReferences: the peered VPCs whose groups name these. The lab has no peering,
// so there are none.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import type { ReadAction } from '../action.ts'

export const describeSecurityGroupReferences: ReadAction<
  ec2.DescribeSecurityGroupReferencesRequest,
  ec2.DescribeSecurityGroupReferencesResult
> = {
  name: 'DescribeSecurityGroupReferences',
  honours: ['GroupId'],
  read(world, input) {
    findEach('group', world.groups, input.GroupId ?? [])
    return { SecurityGroupReferenceSet: [] }
  },
}
