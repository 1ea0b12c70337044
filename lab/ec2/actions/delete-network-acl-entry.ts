// DeleteNetworkAclEntry: by direction and number. EC2's own last entries stay.

import type { DeleteNetworkAclEntryRequest } from '@aws-sdk/client-ec2'
import { readPlace } from '../../model/acl-entry.ts'
import { findNetworkAcl } from '../../model/look-up.ts'
import { removeEntry } from '../../model/network-acl.ts'
import type { ChangeAction } from '../action.ts'

export const deleteNetworkAclEntry: ChangeAction<DeleteNetworkAclEntryRequest, object> = {
  name: 'DeleteNetworkAclEntry',
  honours: ['NetworkAclId', 'RuleNumber', 'Egress'],
  change(world, input) {
    const acl = findNetworkAcl(world, input.NetworkAclId ?? '')
    return { world: removeEntry(world, acl, readPlace(input)), output: {} }
  },
}
