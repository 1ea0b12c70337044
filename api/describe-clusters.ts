// DescribeClusters: the clusters named, or `default`; deleted ones can still be read.

import type { DescribeClustersRequest, DescribeClustersResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { clusterArn, resourceOf } from './arn.ts'
import { checkCount, includesTags } from './choices.ts'
import { clusterView, DEFAULT_CLUSTER } from './cluster-view.ts'

const INCLUDES = ['TAGS', 'SETTINGS', 'STATISTICS', 'ATTACHMENTS', 'CONFIGURATIONS']

export function describeClusters(
  api: Api,
  { clusters: texts = [], include }: DescribeClustersRequest,
): DescribeClustersResponse {
  const withTags = includesTags(include, INCLUDES)
  const wanted = texts.length === 0 ? [DEFAULT_CLUSTER] : texts
  checkCount('clusters', wanted)
  const { host } = api.orders
  const found = wanted.map((text) => {
    const name = resourceOf(host, 'cluster', text)
    return { text, cluster: name === undefined ? undefined : api.catalog.cluster(name) }
  })
  return {
    clusters: found.flatMap(({ cluster }) =>
      cluster === undefined ? [] : [clusterView(api, cluster, { withTags })],
    ),
    failures: found
      .filter(({ cluster }) => cluster === undefined)
      .map(({ text }) => ({
        arn: text.startsWith('arn:') ? text : clusterArn(host, text),
        reason: 'MISSING',
      })),
  }
}
