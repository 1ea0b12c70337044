// DeleteService: its tasks stop, and it is INACTIVE once they do. As in ECS it must be scaled to zero
// before, or `force` be given.

import type { DeleteServiceRequest, DeleteServiceResponse } from '@aws-sdk/client-ecs'
import type { Service } from '../state/service.ts'
import { desiredOf } from '../state/service.ts'
import type { Api } from './api.ts'
import { activeCluster, findService } from './api.ts'
import { invalid } from './aws-error.ts'
import { serviceView } from './service-view.ts'
import { serviceNotFound } from './update-service.ts'

export function deleteService(
  api: Api,
  { cluster: named, service: text = '', force = false }: DeleteServiceRequest,
): DeleteServiceResponse {
  const service = findService(api, { text, cluster: activeCluster(api, named) })
  if (service === undefined || service.status === 'INACTIVE') throw serviceNotFound()
  if (!force && service.strategy === 'REPLICA' && desiredOf(service) > 0) {
    const rule = 'The service cannot be stopped while it is scaled above 0'
    throw invalid('service', rule, 'Set desiredCount to 0 with update-service, or give force')
  }
  const after: Service = { ...service, status: 'DRAINING', isSteady: false }
  if (service.status === 'ACTIVE') {
    api.services.put(after)
    api.orders.serviceChanged()
  }
  return { service: serviceView(api, after, { withTags: true }) }
}
