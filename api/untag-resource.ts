// UntagResource: removes tags by key; a key that is not there is success.

import type { UntagResourceRequest, UntagResourceResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { invalid } from './aws-error.ts'
import { checkTaggable } from './taggable.ts'

export function untagResource(
  api: Api,
  { resourceArn = '', tagKeys = [] }: UntagResourceRequest,
): UntagResourceResponse {
  const arn = checkTaggable(api, resourceArn)
  const reserved = tagKeys.findIndex((key) => key.startsWith('aws:'))
  if (reserved >= 0) throw invalid(`tagKeys[${reserved}]`, 'aws: tags are not yours to remove')
  api.journal.atOnce(() => api.catalog.untag(arn, tagKeys))
  return {}
}
