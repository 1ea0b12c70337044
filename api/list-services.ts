// ListServices: the ARNs of a cluster's services, by name; as on ECS without those that are INACTIVE.

import type { ListServicesRequest, ListServicesResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster } from './api.ts'
import { oneOf } from './choices.ts'
import { page } from './paging.ts'
import { refuseOthers } from './unsupported.ts'

const TAKEN = ['cluster', 'launchType', 'maxResults', 'nextToken', 'schedulingStrategy']
/** ECS gives ten at once where nothing else is asked for. */
const PAGE_DEFAULT = 10

export function listServices(api: Api, input: ListServicesRequest): ListServicesResponse {
  refuseOthers(input, { taken: TAKEN })
  const cluster = activeCluster(api, input.cluster)
  const types = ['EC2', 'FARGATE', 'EXTERNAL', 'MANAGED_INSTANCES'] as const
  const launchType = oneOf('launchType', input.launchType, { of: types, otherwise: 'EC2' })
  const strategies = ['REPLICA', 'DAEMON', 'ANY'] as const
  const strategy = oneOf('schedulingStrategy', input.schedulingStrategy, {
    of: strategies,
    otherwise: 'ANY',
  })
  const found = api.services
    .all()
    .filter(() => launchType === 'EC2')
    .filter((service) => service.cluster === cluster && service.status !== 'INACTIVE')
    .filter((service) => strategy === 'ANY' || service.strategy === strategy)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const question = { maxResults: PAGE_DEFAULT, ...input }
  const { items, ...more } = page(found, ({ name }) => name, question)
  return { serviceArns: items.map(({ arn }) => arn), ...more }
}
