// DeregisterTaskDefinition: the revision can be read, and no longer run. Its tasks go on.

import type {
  DeregisterTaskDefinitionRequest,
  DeregisterTaskDefinitionResponse,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { findDefinition } from './api.ts'
import { readDefinition } from './arn.ts'
import { clientError, shown } from './aws-error.ts'
import { definitionView } from './definition.ts'

export function deregisterTaskDefinition(
  api: Api,
  { taskDefinition = '' }: DeregisterTaskDefinitionRequest,
): DeregisterTaskDefinitionResponse {
  const named = readDefinition(api.orders.host, taskDefinition)
  if (named !== undefined && named.revision === undefined) {
    const rule = `${shown(taskDefinition)} names no revision`
    throw clientError('taskDefinition', rule, `Write family:revision, e.g. ${named.family}:1`)
  }
  const { family, revision, active } = findDefinition(api, taskDefinition, 'taskDefinition')
  if (active) api.catalog.deregister(family, revision)
  return {
    taskDefinition: definitionView(api, findDefinition(api, taskDefinition, 'taskDefinition')),
  }
}
