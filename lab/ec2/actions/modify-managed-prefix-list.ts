// ModifyManagedPrefixList: other entries, another name or another size. Entries make a new version;
// it is in force in every rule that names the list when the call is answered, although EC2's answer
// still says modify-in-progress and the version before.

import type {
  ModifyManagedPrefixListRequest,
  ModifyManagedPrefixListResult,
} from '@aws-sdk/client-ec2'
import { findPrefixList } from '../../model/look-up.ts'
import {
  checkName,
  checkVersion,
  resized,
  withEntries,
  withPrefixList,
} from '../../model/prefix-list.ts'
import { Refusal } from '../../model/refusal.ts'
import type { PrefixList, World } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { prefixListShape } from '../shapes/prefix-list.ts'

type Input = ModifyManagedPrefixListRequest

export const modifyManagedPrefixList: ChangeAction<Input, ModifyManagedPrefixListResult> = {
  name: 'ModifyManagedPrefixList',
  honours: [
    'PrefixListId',
    'CurrentVersion',
    'PrefixListName',
    'AddEntries.Cidr',
    'AddEntries.Description',
    'RemoveEntries.Cidr',
    'MaxEntries',
  ],
  change(world, input) {
    const list = findPrefixList(world, input.PrefixListId ?? '')
    const next = changed(world, list, input)
    const { stateMessage: _old, ...rest } = list
    const shown: PrefixList = { ...rest, name: next.name, state: 'modify-in-progress' }
    return {
      world: withPrefixList(world, next),
      output: { PrefixList: prefixListShape(world, shown) },
    }
  },
}

function changed(world: World, list: PrefixList, input: Input): PrefixList {
  const { AddEntries: added = [], RemoveEntries: removed = [], MaxEntries, CurrentVersion } = input
  const entries = added.length + removed.length > 0
  if (entries && MaxEntries !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'You cannot modify the entries and the maximum number of entries for the prefix list in ' +
        'the same request.',
    )
  }
  if (entries && CurrentVersion === undefined) {
    throw new Refusal('MissingParameter', 'The request must contain the parameter CurrentVersion')
  }
  if (!entries && MaxEntries === undefined && input.PrefixListName === undefined) {
    throw new Refusal('MissingParameter', 'The request must contain something to modify.')
  }
  if (CurrentVersion !== undefined) checkVersion(list, CurrentVersion)
  const { stateMessage: _old, ...rest } = list
  const name = input.PrefixListName === undefined ? list.name : checkName(input.PrefixListName)
  const named: PrefixList = { ...rest, name, state: 'modify-complete' }
  if (MaxEntries !== undefined) return resized(world, named, MaxEntries)
  return entries ? withEntries(named, added, removed) : named
}
