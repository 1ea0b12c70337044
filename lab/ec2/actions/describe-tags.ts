// DescribeTags: every tag of every resource as a row.

import type * as ec2 from '@aws-sdk/client-ec2'
import { resourceTypeOf } from '../../model/tag-rules.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'

const LISTING: Listing<ec2.TagDescription> = {
  key: (tag) => `${tag.ResourceId} ${tag.Key}`,
  tags: (tag) => [tag],
  pages: PAGES_OF_1000,
  filters: {
    key: (tag) => tag.Key,
    'resource-id': (tag) => tag.ResourceId,
    'resource-type': (tag) => tag.ResourceType,
    value: (tag) => tag.Value,
  },
}

export const describeTags: ReadAction<ec2.DescribeTagsRequest, ec2.DescribeTagsResult> = {
  name: 'DescribeTags',
  honours: [...FILTERS, ...PAGES],
  read(world, input) {
    const all = [...world.tags].flatMap(([ResourceId, tags]) =>
      [...tags].map(([Key, Value]) => ({
        Key,
        Value,
        ResourceId,
        ResourceType: resourceTypeOf(world, ResourceId),
      })),
    )
    const { rows, ...next } = list(all, input, LISTING)
    return { Tags: rows, ...next }
  },
}
