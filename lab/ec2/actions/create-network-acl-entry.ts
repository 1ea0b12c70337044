// CreateNetworkAclEntry: in force at the borders of its subnets when the call is answered.

import type { CreateNetworkAclEntryRequest } from '@aws-sdk/client-ec2'
import { readEntry } from '../../model/acl-entry.ts'
import { findNetworkAcl } from '../../model/look-up.ts'
import { addEntry } from '../../model/network-acl.ts'
import { type ChangeAction, NETWORK_ACL_ENTRY } from '../action.ts'

export const createNetworkAclEntry: ChangeAction<CreateNetworkAclEntryRequest, object> = {
  name: 'CreateNetworkAclEntry',
  honours: NETWORK_ACL_ENTRY,
  change(world, input) {
    const acl = findNetworkAcl(world, input.NetworkAclId ?? '')
    return { world: addEntry(world, acl, readEntry(input)), output: {} }
  },
}
