// What can carry tags: tasks, task definitions, services, clusters and this host, named by ARN.

import type { Api } from './api.ts'
import { findService, findTask } from './api.ts'
import { containerInstanceId, readDefinition, resourceOf } from './arn.ts'
import { invalid, shown } from './aws-error.ts'
import { instanceIdOf } from './describe-container-instances.ts'

const KINDS = ['task', 'task-definition', 'cluster', 'container-instance', 'service'] as const

/** The ARN itself, when something here bears it. Throws AwsError otherwise. */
export function checkTaggable(api: Api, arn: string): string {
  const kind = KINDS.find(
    (k) => arn.startsWith('arn:') && resourceOf(api.orders.host, k, arn) !== undefined,
  )
  if (kind === undefined) {
    const rule = `${shown(arn)} is not the ARN of anything here that takes tags`
    throw invalid('resourceArn', rule, `Tags are for: ${KINDS.join(', ')}`)
  }
  if (exists[kind](api, arn)) return arn
  throw invalid('resourceArn', `The specified ${kind} ${shown(arn)} was not found`)
}

const exists: Readonly<Record<(typeof KINDS)[number], (api: Api, arn: string) => boolean>> = {
  task: (api, arn) => {
    const task = findTask(api, { text: arn, field: 'resourceArn' })
    // Tags lie in the catalog under the long form alone.
    return task !== undefined && arn.includes(`/${task.asked.cluster}/`)
  },
  'task-definition': ({ orders, catalog }, arn) => {
    const { family = '', revision } = readDefinition(orders.host, arn) ?? {}
    return revision !== undefined && catalog.definition(family, revision) !== undefined
  },
  service: (api, arn) => {
    const [cluster = ''] = resourceOf(api.orders.host, 'service', arn)?.split('/') ?? []
    const service = findService(api, { text: arn, cluster })
    return service !== undefined && service.arn === arn && service.status !== 'INACTIVE'
  },
  cluster: ({ orders, catalog }, arn) =>
    catalog.cluster(resourceOf(orders.host, 'cluster', arn) ?? '')?.active === true,
  'container-instance': (api, arn) => {
    const cluster = resourceOf(api.orders.host, 'container-instance', arn)?.split('/')[0] ?? ''
    const isHere = instanceIdOf(api, arn) === containerInstanceId(api.orders.host)
    return isHere && api.catalog.cluster(cluster)?.active === true
  },
}
