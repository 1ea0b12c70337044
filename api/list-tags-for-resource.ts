// ListTagsForResource: the tags of a task, a task definition, a cluster or this host.

import type { ListTagsForResourceRequest, ListTagsForResourceResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { checkTaggable } from './taggable.ts'
import { tagList } from './tags.ts'

export const listTagsForResource = (
  api: Api,
  { resourceArn = '' }: ListTagsForResourceRequest,
): ListTagsForResourceResponse => ({ tags: tagList(api.catalog, checkTaggable(api, resourceArn)) })
