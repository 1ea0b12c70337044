// CreateCluster: a name that tasks carry. Creating it again gives the one there is.

import type { CreateClusterRequest, CreateClusterResponse } from '@aws-sdk/client-ecs'
import type { Json } from '../state/spec.ts'
import type { Api } from './api.ts'
import { clusterArn } from './arn.ts'
import { invalid, shown } from './aws-error.ts'
import { clusterView, DEFAULT_CLUSTER } from './cluster-view.ts'
import { checkTags, tagRecord } from './tags.ts'
import { refuseOthers } from './unsupported.ts'

const INSTEAD: Readonly<Record<string, string>> = {
  capacityProviders: 'This host is the only capacity; leave it out',
  defaultCapacityProviderStrategy: 'This host is the only capacity; leave it out',
  configuration: 'Leave it out',
  serviceConnectDefaults: 'Leave it out; tasks reach each other by their addresses',
}

export function createCluster(api: Api, input: CreateClusterRequest): CreateClusterResponse {
  refuseOthers(input, { taken: ['clusterName', 'tags', 'settings'], instead: INSTEAD })
  const { clusterName: name = DEFAULT_CLUSTER, settings = [], tags = [] } = input
  if (!/^[A-Za-z0-9_-]{1,255}$/.test(name)) {
    const rule = 'a cluster name is 1 to 255 letters, digits, hyphens and underscores'
    throw invalid('clusterName', `${shown(name)}: ${rule}`)
  }
  for (const [index, setting] of settings.entries()) {
    if (setting.name === 'containerInsights' && setting.value === 'disabled') continue
    const is = `${shown(setting.name)} = ${shown(setting.value)}`
    const hint = 'Only containerInsights = disabled is taken; GET /metrics has numbers'
    throw invalid(`settings[${index}]`, `${is} is not supported by this version of enid`, hint)
  }
  checkTags(tags, 'tags')
  const cluster = api.journal.atOnce(() => {
    api.catalog.tag(clusterArn(api.orders.host, name), tagRecord(tags))
    const known = api.catalog.cluster(name)
    return known?.active ? known : api.catalog.putCluster(name, { settings } as unknown as Json)
  })
  return { cluster: clusterView(api, cluster, { withTags: true }) }
}
