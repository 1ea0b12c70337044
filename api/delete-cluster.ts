// DeleteCluster: marks the name INACTIVE, once no task carries it any more.

import type { DeleteClusterRequest, DeleteClusterResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster } from './api.ts'
import { AwsError, invalid } from './aws-error.ts'
import { clusterView, DEFAULT_CLUSTER, servicesIn, taskCounts } from './cluster-view.ts'

export function deleteCluster(api: Api, input: DeleteClusterRequest): DeleteClusterResponse {
  const name = activeCluster(api, input.cluster)
  if (name === DEFAULT_CLUSTER) throw invalid('cluster', '"default" always exists on this host')
  const serviceCount = servicesIn(api, name).length
  if (serviceCount > 0) {
    const rule = `The Cluster cannot be deleted while Services are active: ${serviceCount} left`
    throw new AwsError('ClusterContainsServicesException', rule, {
      field: 'cluster',
      hint: 'Delete them, and wait until they are INACTIVE',
    })
  }
  const { notStoppedCount } = taskCounts(api, name)
  if (notStoppedCount > 0) {
    const rule = `The Cluster cannot be deleted while Tasks are active: ${notStoppedCount} left`
    throw new AwsError('ClusterContainsTasksException', rule, {
      field: 'cluster',
      hint: 'Stop them, and wait until they are STOPPED',
    })
  }
  api.catalog.dropCluster(name)
  const cluster = api.catalog.cluster(name)
  if (cluster === undefined) throw new Error(`cluster ${name} is gone from the catalog`)
  return { cluster: clusterView(api, cluster, { withTags: true }) }
}
