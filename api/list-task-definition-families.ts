// ListTaskDefinitionFamilies: the names of families, by what they begin with.

import type {
  ListTaskDefinitionFamiliesRequest,
  ListTaskDefinitionFamiliesResponse,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { oneOf } from './choices.ts'
import { page } from './paging.ts'

/** A family is ACTIVE while it has an active revision. */
export function listTaskDefinitionFamilies(
  api: Api,
  input: ListTaskDefinitionFamiliesRequest,
): ListTaskDefinitionFamiliesResponse {
  const of = ['ACTIVE', 'INACTIVE', 'ALL'] as const
  const status = oneOf('status', input.status, { of, otherwise: 'ALL' })
  const all = api.catalog.definitions()
  const active = new Set(all.filter((d) => d.active).map(({ family }) => family))
  const found = [...new Set(all.map(({ family }) => family))]
    .filter((family) => family.startsWith(input.familyPrefix ?? ''))
    .filter((family) => status === 'ALL' || active.has(family) === (status === 'ACTIVE'))
    .toSorted()
  const { items, ...more } = page(found, (family) => family, input)
  return { families: items, ...more }
}
