// GetManagedPrefixListEntries: of the newest version, or of one that is still kept.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findPrefixList } from '../../model/look-up.ts'
import { entriesOf } from '../../model/prefix-list.ts'
import { PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_100 } from '../listing.ts'

const LISTING: Listing<ec2.PrefixListEntry> = {
  key: (entry) => entry.Cidr ?? '',
  pages: PAGES_OF_100,
  filters: {},
}

export const getManagedPrefixListEntries: ReadAction<
  ec2.GetManagedPrefixListEntriesRequest,
  ec2.GetManagedPrefixListEntriesResult
> = {
  name: 'GetManagedPrefixListEntries',
  honours: ['PrefixListId', 'TargetVersion', ...PAGES],
  read(world, input) {
    const entries = entriesOf(findPrefixList(world, input.PrefixListId ?? ''), input.TargetVersion)
    const shapes = entries.map(({ cidr, description }) => ({
      Cidr: cidr,
      ...(description === undefined ? {} : { Description: description }),
    }))
    const { rows, ...next } = list(shapes, input, LISTING)
    return { Entries: rows, ...next }
  },
}
