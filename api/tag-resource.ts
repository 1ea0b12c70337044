// TagResource: adds tags, or gives them new values. A task's ENI keeps those it was made with. A tag
// `enid:securityGroups` on a task is an order (extension-tags.ts): its ENI changes groups, live.

import type { TagResourceRequest, TagResourceResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { findTask } from './api.ts'
import { resourceOf } from './arn.ts'
import { invalid } from './aws-error.ts'
import { changeGroups } from './change-groups.ts'
import { splitTags } from './extension-tags.ts'
import { checkTaggable } from './taggable.ts'
import { checkTags, listOf, tagRecord } from './tags.ts'

export async function tagResource(
  api: Api,
  { resourceArn = '', tags = [] }: TagResourceRequest,
): Promise<TagResourceResponse> {
  const arn = checkTaggable(api, resourceArn)
  const { plain, extensions } = splitTags(tags, 'TagResource')
  const after = { ...api.catalog.tags(arn), ...tagRecord(plain) }
  const own = listOf(after).filter(({ key = '' }) => !key.startsWith('aws:'))
  checkTags(own, 'tags with those that are there')
  for (const [n, groups] of Object.entries(extensions.securityGroups ?? {})) {
    const isTask = resourceOf(api.orders.host, 'task', arn) !== undefined
    const task = isTask ? findTask(api, { text: arn, field: 'resourceArn' }) : undefined
    if (task === undefined) {
      throw invalid('tags', 'enid:securityGroups is for tasks alone', 'Name the ARN of a task')
    }
    await changeGroups(api, task.entry.id, { n: Number(n), groups, field: 'enid:securityGroups' })
  }
  api.journal.atOnce(() => api.catalog.tag(arn, tagRecord(plain)))
  return {}
}
