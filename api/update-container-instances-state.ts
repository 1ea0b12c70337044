// UpdateContainerInstancesState: DRAINING, and this host takes no more tasks; ACTIVE, and it does
// again. What runs goes on: no other host would take it over, a service's tasks no more than others.
// `enid drain` and POST /drain stop them as well.

import type {
  UpdateContainerInstancesStateRequest,
  UpdateContainerInstancesStateResponse,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster } from './api.ts'
import { invalid, shown } from './aws-error.ts'
import { hostStatus, thisHostAmong } from './describe-container-instances.ts'

/** Why the host is drained: the action takes no reason. */
const WHY = 'UpdateContainerInstancesState'

export function updateContainerInstancesState(
  api: Api,
  { cluster: named, containerInstances: texts = [], status }: UpdateContainerInstancesStateRequest,
): UpdateContainerInstancesStateResponse {
  const cluster = activeCluster(api, named)
  if (status !== 'ACTIVE' && status !== 'DRAINING') {
    throw invalid('status', `${shown(status)}: one of ACTIVE, DRAINING`)
  }
  const asked = () => thisHostAmong(api, texts, { cluster, withTags: false })
  // Asking for what is so already changes nothing: not a reason that somebody gave, nor a stop.
  const isMeant = asked().containerInstances.length > 0 && hostStatus(api) !== status
  if (isMeant && status === 'DRAINING') api.orders.drain({ why: WHY, stopTasks: false })
  if (isMeant && status === 'ACTIVE') api.orders.undrain()
  return asked()
}
