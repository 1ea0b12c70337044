// A managed prefix list as EC2 writes it.

import type { ManagedPrefixList } from '@aws-sdk/client-ec2'
import { ACCOUNT_ID, type PrefixList, REGION, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole list but for its entries, as DescribeManagedPrefixLists gives it. */
export function prefixListShape(world: World, list: PrefixList): ManagedPrefixList {
  const { prefixListId, stateMessage } = list
  return {
    PrefixListId: prefixListId,
    AddressFamily: FAMILY[list.family],
    State: list.state,
    ...(stateMessage === undefined ? {} : { StateMessage: stateMessage }),
    PrefixListArn: `arn:aws:ec2:${REGION}:${ACCOUNT_ID}:prefix-list/${prefixListId}`,
    PrefixListName: list.name,
    MaxEntries: list.maxEntries,
    Version: list.version,
    Tags: tagList(world, prefixListId),
    OwnerId: ACCOUNT_ID,
  }
}

/** The families by EC2's names. */
export const FAMILY = { ipv4: 'IPv4', ipv6: 'IPv6' } as const
