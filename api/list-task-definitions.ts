// ListTaskDefinitions: the ARNs of all revisions, by family and revision.

import type { ListTaskDefinitionsRequest, ListTaskDefinitionsResponse } from '@aws-sdk/client-ecs'
import type { Definition } from '../state/catalog.ts'
import type { Api } from './api.ts'
import { arnOf } from './api.ts'
import { oneOf } from './choices.ts'
import { page } from './paging.ts'

/** Despite its name, ECS's `familyPrefix` is the whole name of a family here. */
export function listTaskDefinitions(
  api: Api,
  input: ListTaskDefinitionsRequest,
): ListTaskDefinitionsResponse {
  const of = ['ACTIVE', 'INACTIVE', 'DELETE_IN_PROGRESS'] as const
  const status = oneOf('status', input.status, { of, otherwise: 'ACTIVE' })
  const sort = oneOf('sort', input.sort, { of: ['ASC', 'DESC'], otherwise: 'ASC' })
  const { familyPrefix } = input
  const found = api.catalog
    .definitions()
    .filter((d) => status === (d.active ? 'ACTIVE' : 'INACTIVE'))
    .filter(({ family }) => !familyPrefix || family === familyPrefix)
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const descending = sort === 'DESC'
  const { items, ...more } = page(descending ? found.toReversed() : found, keyOf, input, {
    descending,
  })
  return { taskDefinitionArns: items.map((d) => arnOf(api, d)), ...more }
}

/** Revisions in the order of numbers; the space sorts before every character of a family. */
const keyOf = ({ family, revision }: Definition): string =>
  `${family} ${String(revision).padStart(10, '0')}`
