// CreateManagedPrefixList: answered as create-in-progress, complete at once.

import type {
  CreateManagedPrefixListRequest,
  CreateManagedPrefixListResult,
} from '@aws-sdk/client-ec2'
import { newId } from '../../model/ids.ts'
import { checkMaxEntries, checkName, withEntries, withPrefixList } from '../../model/prefix-list.ts'
import { QUOTA } from '../../model/quota.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { PrefixList, World } from '../../model/world.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { once } from '../once.ts'
import { FAMILY, prefixListShape } from '../shapes/prefix-list.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateManagedPrefixListRequest

export const createManagedPrefixList: ChangeAction<Input, CreateManagedPrefixListResult> = {
  name: 'CreateManagedPrefixList',
  honours: [
    'PrefixListName',
    'Entries.Cidr',
    'Entries.Description',
    'MaxEntries',
    'AddressFamily',
    'ClientToken',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const { world: next, made } = once('CreateManagedPrefixList', world, input, call, {
      make: () => create(world, input, call),
      again: (was) =>
        'prefixListId' in was ? (world.prefixLists.get(was.prefixListId) ?? was) : undefined,
    })
    return {
      world: next,
      output: { PrefixList: prefixListShape(next, made) },
      settle: (so) => settled(so, made.prefixListId),
    }
  },
}

function create(world: World, input: Input, call: Call): { world: World; made: PrefixList } {
  if (world.prefixLists.size >= QUOTA.prefixListsPerRegion) {
    throw new Refusal(
      'PrefixListLimitExceeded',
      `The maximum number of prefix lists (${QUOTA.prefixListsPerRegion}) has been reached.`,
    )
  }
  const empty: PrefixList = {
    prefixListId: newId('pl', call.random),
    name: checkName(input.PrefixListName ?? ''),
    family: readFamily(input.AddressFamily ?? ''),
    maxEntries: checkMaxEntries(input.MaxEntries ?? 0),
    state: 'create-in-progress',
    version: 0,
    versions: new Map([[0, []]]),
  }
  const { versions, ...list } = withEntries(empty, input.Entries ?? [], [])
  const made = { ...list, versions: new Map([...versions].filter(([version]) => version > 0)) }
  const tags = specifiedTags(input.TagSpecifications, 'prefix-list')
  return { world: withTags(withPrefixList(world, made), made.prefixListId, tags), made }
}

/** The world when that list is made; unchanged where it has gone on or away. */
function settled(world: World, prefixListId: string): World {
  const list = world.prefixLists.get(prefixListId)
  if (list?.state !== 'create-in-progress') return world
  return withPrefixList(world, { ...list, state: 'create-complete' })
}

function readFamily(text: string): PrefixList['family'] {
  if (text === FAMILY.ipv4) return 'ipv4'
  if (text === FAMILY.ipv6) return 'ipv6'
  throw badValue('AddressFamily', text, `Valid values are ${FAMILY.ipv4} and ${FAMILY.ipv6}.`)
}
