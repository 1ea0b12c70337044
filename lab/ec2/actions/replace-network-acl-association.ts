// ReplaceNetworkAclAssociation: a subnet gets another ACL, under a new association id.

import type {
  ReplaceNetworkAclAssociationRequest,
  ReplaceNetworkAclAssociationResult,
} from '@aws-sdk/client-ec2'
import { findNetworkAcl } from '../../model/look-up.ts'
import { associate, findAssociated } from '../../model/network-acl.ts'
import type { ChangeAction } from '../action.ts'

export const replaceNetworkAclAssociation: ChangeAction<
  ReplaceNetworkAclAssociationRequest,
  ReplaceNetworkAclAssociationResult
> = {
  name: 'ReplaceNetworkAclAssociation',
  honours: ['AssociationId', 'NetworkAclId'],
  change(world, input, call) {
    const subnet = findAssociated(world, input.AssociationId ?? '')
    const acl = findNetworkAcl(world, input.NetworkAclId ?? '')
    const { world: next, associationId } = associate(world, subnet, acl, call.random)
    return { world: next, output: { NewAssociationId: associationId } }
  },
}
