// DeleteVpc: refused while subnets, groups or ACLs of one's own are left. The default ones go with it.

import type { DeleteVpcRequest } from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { defaultAclOf, withoutAcl } from '../../model/network-acl.ts'
import { Refusal } from '../../model/refusal.ts'
import { defaultGroupOf, withoutGroup } from '../../model/security-group.ts'
import { drop } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const deleteVpc: ChangeAction<DeleteVpcRequest, object> = {
  name: 'DeleteVpc',
  honours: ['VpcId'],
  change(world, input) {
    const { vpcId, mainRouteTableId } = findVpc(world, input.VpcId ?? '')
    const subnets = [...world.subnets.values()].filter((subnet) => subnet.vpcId === vpcId)
    const groups = [...world.groups.values()].filter((group) => group.vpcId === vpcId)
    const acls = [...world.networkAcls.values()].filter((acl) => acl.vpcId === vpcId)
    if (subnets.length > 0 || groups.length > 1 || acls.length > 1) {
      throw new Refusal(
        'DependencyViolation',
        `The vpc '${vpcId}' has dependencies and cannot be deleted.`,
      )
    }
    const ungrouped = withoutGroup(world, defaultGroupOf(world, vpcId))
    const rest = withoutAcl(ungrouped, defaultAclOf(world, vpcId).aclId)
    const tags = drop(drop(rest.tags, vpcId), mainRouteTableId)
    return { world: { ...rest, tags, vpcs: drop(rest.vpcs, vpcId) }, output: {} }
  },
}
