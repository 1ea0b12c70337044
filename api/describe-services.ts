// DescribeServices: services as they are now, their last hundred events among it. One that was deleted
// is shown as INACTIVE until it is forgotten.

import type { DescribeServicesRequest, DescribeServicesResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster, findService } from './api.ts'
import { serviceArn } from './arn.ts'
import { invalid } from './aws-error.ts'
import { includesTags } from './choices.ts'
import { serviceView } from './service-view.ts'

/** ECS's limit. */
const COUNT_MAX = 10

export function describeServices(
  api: Api,
  { cluster: named, services: texts = [], include }: DescribeServicesRequest,
): DescribeServicesResponse {
  const cluster = activeCluster(api, named)
  const withTags = includesTags(include)
  if (texts.length < 1 || texts.length > COUNT_MAX) {
    throw invalid('services', `${texts.length} given; 1 to ${COUNT_MAX} are allowed`)
  }
  const found = texts.map((text) => ({ text, service: findService(api, { text, cluster }) }))
  return {
    services: found.flatMap(({ service }) =>
      service === undefined ? [] : [serviceView(api, service, { withTags })],
    ),
    failures: found
      .filter(({ service }) => service === undefined)
      .map(({ text }) => ({
        arn: text.startsWith('arn:') ? text : serviceArn(api.orders.host, cluster, text),
        reason: 'MISSING',
      })),
  }
}
