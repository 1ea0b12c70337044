// ListClusters: the ARNs of the active clusters, by name.

import type { ListClustersRequest, ListClustersResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { clusterArn } from './arn.ts'
import { page } from './paging.ts'

export function listClusters(api: Api, input: ListClustersRequest): ListClustersResponse {
  const names = api.catalog
    .clusters()
    .filter(({ active }) => active)
    .map(({ name }) => name)
    .toSorted()
  const { items, ...more } = page(names, (name) => name, input)
  return { clusterArns: items.map((name) => clusterArn(api.orders.host, name)), ...more }
}
