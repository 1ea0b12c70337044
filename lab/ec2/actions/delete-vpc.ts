// DeleteVpc: refused while subnets, gateways, or groups, ACLs and route tables of one's own are left.
// The default ones go with it.

import type { DeleteVpcRequest } from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { defaultAclOf, withoutAcl } from '../../model/network-acl.ts'
import { Refusal } from '../../model/refusal.ts'
import { withoutTable } from '../../model/route-table.ts'
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
    const tables = [...world.routeTables.values()].filter((table) => table.vpcId === vpcId)
    const gateways = [...world.internetGateways.values(), ...world.egressOnlyGateways.values()]
    if (
      subnets.length > 0 ||
      [groups, acls, tables].some(({ length }) => length > 1) ||
      gateways.some((gateway) => gateway.vpcId === vpcId)
    ) {
      throw new Refusal(
        'DependencyViolation',
        `The vpc '${vpcId}' has dependencies and cannot be deleted.`,
      )
    }
    const ungrouped = withoutGroup(world, defaultGroupOf(world, vpcId))
    const unrouted = withoutTable(ungrouped, mainRouteTableId)
    const rest = withoutAcl(unrouted, defaultAclOf(world, vpcId).aclId)
    const tags = drop(rest.tags, vpcId)
    return { world: { ...rest, tags, vpcs: drop(rest.vpcs, vpcId) }, output: {} }
  },
}
