// DeleteSecurityGroup: refused while an ENI wears it or another group's rule names it.

import type { DeleteSecurityGroupRequest, DeleteSecurityGroupResult } from '@aws-sdk/client-ec2'
import { dropGroup } from '../../model/security-group.ts'
import type { ChangeAction } from '../action.ts'
import { groupNamed } from '../group-lookup.ts'

export const deleteSecurityGroup: ChangeAction<
  DeleteSecurityGroupRequest,
  DeleteSecurityGroupResult
> = {
  name: 'DeleteSecurityGroup',
  honours: ['GroupId', 'GroupName'],
  change(world, input) {
    const group = groupNamed(world, input)
    return { world: dropGroup(world, group), output: { Return: true, GroupId: group.groupId } }
  },
}
