// DescribeTaskDefinition: one revision, whole; INACTIVE ones can still be read.

import type {
  DescribeTaskDefinitionRequest,
  DescribeTaskDefinitionResponse,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { arnOf, findDefinition } from './api.ts'
import { includesTags } from './choices.ts'
import { definitionView } from './definition.ts'
import { tagList } from './tags.ts'

export function describeTaskDefinition(
  api: Api,
  { taskDefinition = '', include }: DescribeTaskDefinitionRequest,
): DescribeTaskDefinitionResponse {
  const withTags = includesTags(include)
  const definition = findDefinition(api, taskDefinition, 'taskDefinition')
  return {
    taskDefinition: definitionView(api, definition),
    ...(withTags ? { tags: tagList(api.catalog, arnOf(api, definition)) } : {}),
  }
}
