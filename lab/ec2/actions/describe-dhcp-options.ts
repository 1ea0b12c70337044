// DescribeDhcpOptions: the sets that VPCs have or may get.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { dhcpOptionsShape } from '../shapes/dhcp-options.ts'

const LISTING: Listing<ec2.DhcpOptions> = {
  key: (options) => options.DhcpOptionsId ?? '',
  tags: (options) => options.Tags,
  pages: PAGES_OF_1000,
  filters: {
    'dhcp-options-id': (options) => options.DhcpOptionsId,
    key: (options) => options.DhcpConfigurations?.map((each) => each.Key),
    'owner-id': (options) => options.OwnerId,
    value: (options) =>
      options.DhcpConfigurations?.flatMap((each) => each.Values ?? []).map((each) => each.Value),
  },
}

export const describeDhcpOptions: ReadAction<
  ec2.DescribeDhcpOptionsRequest,
  ec2.DescribeDhcpOptionsResult
> = {
  name: 'DescribeDhcpOptions',
  honours: ['DhcpOptionsIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { DhcpOptionsIds: ids } = input
    const all = world.dhcpOptions
    const found = ids === undefined ? [...all.values()] : findEach('dhcpOptions', all, ids)
    const shapes = found.map((options) => dhcpOptionsShape(world, options))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { DhcpOptions: rows, ...next }
  },
}
