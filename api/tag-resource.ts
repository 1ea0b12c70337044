// TagResource: adds tags, or gives them new values. A task's ENI keeps those it was made with.

import type { TagResourceRequest, TagResourceResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { checkTaggable } from './taggable.ts'
import { checkTags, tagRecord } from './tags.ts'

export function tagResource(
  api: Api,
  { resourceArn = '', tags = [] }: TagResourceRequest,
): TagResourceResponse {
  const arn = checkTaggable(api, resourceArn)
  checkTags(tags, 'tags')
  const after = { ...api.catalog.tags(arn), ...tagRecord(tags) }
  const own = Object.entries(after).filter(([key]) => !key.startsWith('aws:'))
  checkTags(
    own.map(([key, value]) => ({ key, value })),
    'tags with those that are there',
  )
  api.journal.atOnce(() => api.catalog.tag(arn, tagRecord(tags)))
  return {}
}
