// A cluster in the words of DescribeClusters: a name that tasks carry, with counts made anew.

import type { Cluster as ClusterAnswer, ClusterSetting } from '@aws-sdk/client-ecs'
import type { Cluster } from '../state/catalog.ts'
import type { Service } from '../state/service.ts'
import type { Api } from './api.ts'
import { livingTasks } from './api.ts'
import { clusterArn } from './arn.ts'
import { tagList } from './tags.ts'

/** The cluster that always exists. */
export const DEFAULT_CLUSTER = 'default'

/** How many tasks of a cluster run, and how many are on their way up. */
export function taskCounts(api: Api, cluster: string) {
  const own = livingTasks(api).filter(({ asked }) => asked.cluster === cluster)
  const wanted = own.filter(({ entry }) => entry.holder.desired === 'running')
  const runningTasksCount = wanted.filter(({ entry }) => entry.holder.ran).length
  return {
    runningTasksCount,
    pendingTasksCount: wanted.length - runningTasksCount,
    /** Those that still hold something, whatever is desired. */
    notStoppedCount: own.length,
  }
}

/** Its services that are ACTIVE or DRAINING. */
export const servicesIn = ({ services }: Api, cluster: string): Service[] =>
  services.all().filter((one) => one.cluster === cluster && one.status !== 'INACTIVE')

export function clusterView(
  api: Api,
  { name, active, body }: Cluster,
  { withTags }: { withTags: boolean },
): ClusterAnswer {
  const arn = clusterArn(api.orders.host, name)
  const { runningTasksCount, pendingTasksCount } = taskCounts(api, name)
  return {
    clusterArn: arn,
    clusterName: name,
    status: active ? 'ACTIVE' : 'INACTIVE',
    registeredContainerInstancesCount: active ? 1 : 0,
    runningTasksCount,
    pendingTasksCount,
    activeServicesCount: servicesIn(api, name).length,
    statistics: [],
    tags: withTags ? tagList(api.catalog, arn) : [],
    settings: (body as { settings?: ClusterSetting[] } | null)?.settings ?? [],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
  }
}
