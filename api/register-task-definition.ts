// RegisterTaskDefinition: the next revision of a family, after every rule was checked.

import type {
  RegisterTaskDefinitionRequest,
  RegisterTaskDefinitionResponse,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { arnOf } from './api.ts'
import { bodyJson, checkDefinition, definitionView } from './definition.ts'
import { tagList, tagRecord } from './tags.ts'

export function registerTaskDefinition(
  api: Api,
  input: RegisterTaskDefinitionRequest,
): RegisterTaskDefinitionResponse {
  const body = checkDefinition(input, api)
  const definition = api.journal.atOnce(() => {
    const registered = api.catalog.register(body.family ?? '', bodyJson(body))
    api.catalog.tag(arnOf(api, registered), tagRecord(input.tags ?? []))
    return registered
  })
  return {
    taskDefinition: definitionView(api, definition),
    tags: tagList(api.catalog, arnOf(api, definition)),
  }
}
