// DeleteManagedPrefixList: refused while a rule names it.

import type {
  DeleteManagedPrefixListRequest,
  DeleteManagedPrefixListResult,
} from '@aws-sdk/client-ec2'
import { findPrefixList } from '../../model/look-up.ts'
import { dropPrefixList } from '../../model/prefix-list.ts'
import type { ChangeAction } from '../action.ts'
import { prefixListShape } from '../shapes/prefix-list.ts'

export const deleteManagedPrefixList: ChangeAction<
  DeleteManagedPrefixListRequest,
  DeleteManagedPrefixListResult
> = {
  name: 'DeleteManagedPrefixList',
  honours: ['PrefixListId'],
  change(world, input) {
    const list = findPrefixList(world, input.PrefixListId ?? '')
    const shown = prefixListShape(world, { ...list, state: 'delete-in-progress' })
    return { world: dropPrefixList(world, list), output: { PrefixList: shown } }
  },
}
