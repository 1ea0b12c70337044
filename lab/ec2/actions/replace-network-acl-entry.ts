// ReplaceNetworkAclEntry: the entry of that number says something else from one packet to the next.

import type { ReplaceNetworkAclEntryRequest } from '@aws-sdk/client-ec2'
import { readEntry } from '../../model/acl-entry.ts'
import { findNetworkAcl } from '../../model/look-up.ts'
import { replaceEntry } from '../../model/network-acl.ts'
import { type ChangeAction, NETWORK_ACL_ENTRY } from '../action.ts'

export const replaceNetworkAclEntry: ChangeAction<ReplaceNetworkAclEntryRequest, object> = {
  name: 'ReplaceNetworkAclEntry',
  honours: NETWORK_ACL_ENTRY,
  change(world, input) {
    const acl = findNetworkAcl(world, input.NetworkAclId ?? '')
    return { world: replaceEntry(world, acl, readEntry(input)), output: {} }
  },
}
