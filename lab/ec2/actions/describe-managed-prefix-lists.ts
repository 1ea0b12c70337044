// DescribeManagedPrefixLists: the account's own; the lab has none of AWS's.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_100 } from '../listing.ts'
import { prefixListShape } from '../shapes/prefix-list.ts'

const LISTING: Listing<ec2.ManagedPrefixList> = {
  key: (each) => each.PrefixListId ?? '',
  tags: (each) => each.Tags,
  pages: PAGES_OF_100,
  filters: {
    'owner-id': (each) => each.OwnerId,
    'prefix-list-id': (each) => each.PrefixListId,
    'prefix-list-name': (each) => each.PrefixListName,
  },
}

export const describeManagedPrefixLists: ReadAction<
  ec2.DescribeManagedPrefixListsRequest,
  ec2.DescribeManagedPrefixListsResult
> = {
  name: 'DescribeManagedPrefixLists',
  honours: ['PrefixListIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { PrefixListIds: ids } = input
    const { prefixLists } = world
    const found =
      ids === undefined ? [...prefixLists.values()] : findEach('prefixList', prefixLists, ids)
    const shapes = found.map((each) => prefixListShape(world, each))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { PrefixLists: rows, ...next }
  },
}
