// RestoreManagedPrefixListVersion: an earlier version's entries as a new version, in force in every
// rule that names the list when the call is answered.

import type {
  RestoreManagedPrefixListVersionRequest,
  RestoreManagedPrefixListVersionResult,
} from '@aws-sdk/client-ec2'
import { findPrefixList } from '../../model/look-up.ts'
import { checkVersion, entriesOf, withPrefixList, withVersion } from '../../model/prefix-list.ts'
import type { PrefixList } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { prefixListShape } from '../shapes/prefix-list.ts'

export const restoreManagedPrefixListVersion: ChangeAction<
  RestoreManagedPrefixListVersionRequest,
  RestoreManagedPrefixListVersionResult
> = {
  name: 'RestoreManagedPrefixListVersion',
  honours: ['PrefixListId', 'PreviousVersion', 'CurrentVersion'],
  change(world, input) {
    const { stateMessage: _old, ...list } = findPrefixList(world, input.PrefixListId ?? '')
    checkVersion(list, input.CurrentVersion ?? 0)
    const next = withVersion(list, entriesOf(list, input.PreviousVersion ?? 0))
    const shown: PrefixList = { ...list, state: 'restore-in-progress' }
    return {
      world: withPrefixList(world, { ...next, state: 'restore-complete' }),
      output: { PrefixList: prefixListShape(world, shown) },
    }
  },
}
