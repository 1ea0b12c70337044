// CreateManagedPrefixList: answered as create-in-progress, complete at once. The same client token
// gives the same list while there is one.

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
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { FAMILY, prefixListShape } from '../shapes/prefix-list.ts'
import { specifiedTags } from '../tag-specification.ts'

export const createManagedPrefixList: ChangeAction<
  CreateManagedPrefixListRequest,
  CreateManagedPrefixListResult
> = {
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
    const { ClientToken: token, DryRun: _dryRun, ...request } = input
    const made = token === undefined ? undefined : { token, request: JSON.stringify(request) }
    const earlier = made === undefined ? undefined : madeFor(world, made)
    if (earlier !== undefined) {
      return { world, output: { PrefixList: prefixListShape(world, earlier) } }
    }
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
      ...(made === undefined ? {} : { made }),
    }
    const { versions, ...list } = withEntries(empty, input.Entries ?? [], [])
    const first = { ...list, versions: new Map([...versions].filter(([version]) => version > 0)) }
    const tags = specifiedTags(input.TagSpecifications, 'prefix-list')
    const next = withTags(withPrefixList(world, first), list.prefixListId, tags)
    return {
      world: next,
      output: { PrefixList: prefixListShape(next, first) },
      settle: (so) => withPrefixList(so, { ...first, state: 'create-complete' }),
    }
  },
}

function madeFor(world: World, made: PrefixList['made'] & object): PrefixList | undefined {
  for (const list of world.prefixLists.values()) {
    if (list.made?.token !== made.token) continue
    if (list.made.request === made.request) return list
    throw new Refusal(
      'IdempotentParameterMismatch',
      `The client token '${made.token}' has been used with other parameters.`,
    )
  }
  return undefined
}

function readFamily(text: string): PrefixList['family'] {
  if (text === FAMILY.ipv4) return 'ipv4'
  if (text === FAMILY.ipv6) return 'ipv6'
  throw badValue('AddressFamily', text, `Valid values are ${FAMILY.ipv4} and ${FAMILY.ipv6}.`)
}
