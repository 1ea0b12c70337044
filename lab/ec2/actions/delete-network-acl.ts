// DeleteNetworkAcl: refused for a VPC's default one, and while a subnet has it.

import type { DeleteNetworkAclRequest } from '@aws-sdk/client-ec2'
import { findNetworkAcl } from '../../model/look-up.ts'
import { dropAcl } from '../../model/network-acl.ts'
import type { ChangeAction } from '../action.ts'

export const deleteNetworkAcl: ChangeAction<DeleteNetworkAclRequest, object> = {
  name: 'DeleteNetworkAcl',
  honours: ['NetworkAclId'],
  change(world, input) {
    const acl = findNetworkAcl(world, input.NetworkAclId ?? '')
    return { world: dropAcl(world, acl), output: {} }
  },
}
