// GetManagedPrefixListAssociations: the groups whose rules name the list.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findPrefixList } from '../../model/look-up.ts'
import { namedBy } from '../../model/prefix-list.ts'
import { ACCOUNT_ID } from '../../model/world.ts'
import { PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_255 } from '../listing.ts'

const LISTING: Listing<ec2.PrefixListAssociation> = {
  key: (each) => each.ResourceId ?? '',
  pages: PAGES_OF_255,
  filters: {},
}

export const getManagedPrefixListAssociations: ReadAction<
  ec2.GetManagedPrefixListAssociationsRequest,
  ec2.GetManagedPrefixListAssociationsResult
> = {
  name: 'GetManagedPrefixListAssociations',
  honours: ['PrefixListId', ...PAGES],
  read(world, input) {
    const { prefixListId } = findPrefixList(world, input.PrefixListId ?? '')
    const shapes = namedBy(world, prefixListId).map((ResourceId) => ({
      ResourceId,
      ResourceOwner: ACCOUNT_ID,
    }))
    const { rows, ...next } = list(shapes, input, LISTING)
    return { PrefixListAssociations: rows, ...next }
  },
}
