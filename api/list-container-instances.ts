// ListContainerInstances: this host, in every cluster.

import type {
  ListContainerInstancesRequest,
  ListContainerInstancesResponse,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster } from './api.ts'
import { containerInstanceArn } from './arn.ts'
import { oneOf } from './choices.ts'
import { hostStatus } from './describe-container-instances.ts'
import { page } from './paging.ts'
import { refuseOthers } from './unsupported.ts'

const STATUSES = ['ACTIVE', 'DRAINING', 'REGISTERING', 'DEREGISTERING', 'REGISTRATION_FAILED']

export function listContainerInstances(
  api: Api,
  input: ListContainerInstancesRequest,
): ListContainerInstancesResponse {
  refuseOthers(input, {
    taken: ['cluster', 'maxResults', 'nextToken', 'status'],
    instead: { filter: 'There is one container instance, this host; leave it out' },
  })
  const cluster = activeCluster(api, input.cluster)
  const own = hostStatus(api)
  const status = oneOf('status', input.status, { of: STATUSES, otherwise: own })
  const all = status === own ? [containerInstanceArn(api.orders.host, cluster)] : []
  const { items, ...more } = page(all, (arn) => arn, input)
  return { containerInstanceArns: items, ...more }
}
