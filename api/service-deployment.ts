// A deployment: the revision of a service that its tasks are begun with. It is planned as RunTask plans
// one task, when the service is made or changed, and kept whole: to replace a task nothing is read anew.

import { randomBytes } from 'node:crypto'
import type { NetworkConfiguration } from '@aws-sdk/client-ecs'
import type { Definition } from '../state/catalog.ts'
import type { Deployment } from '../state/service.ts'
import type { Json } from '../state/spec.ts'
import type { Api } from './api.ts'
import { taskArn } from './arn.ts'
import { invalid, shown } from './aws-error.ts'
import { planLaunch, subnetsOf } from './launch.ts'

/** What the request says of it, in ECS's words; kept with it for DescribeServices and updates. */
export type Wanted = {
  readonly definition: { readonly family: string; readonly revision: number }
  readonly networkConfiguration: NetworkConfiguration
  readonly propagateTags: 'SERVICE' | 'TASK_DEFINITION' | 'NONE'
  readonly enableECSManagedTags: boolean
}

export const wantedOf = ({ asked }: Deployment): Wanted => asked as unknown as Wanted

/** ECS's group and startedBy of a service's task, which nobody else may give. */
const GROUP = 'service:'
const STARTED_BY = 'ecs-svc/'

/** Whom it is for. `tags` are the service's own. */
export type Owner = {
  readonly cluster: string
  readonly name: string
  readonly tags: Readonly<Record<string, string>>
}

/** A deployment of this, new or (with `id`) one that there is. Throws as planLaunch does. */
export function planDeployment(
  api: Api,
  owner: Owner,
  { definition, wanted, id = newId() }: { definition: Definition; wanted: Wanted; id?: string },
): Deployment & { readonly subnetIds: readonly string[] } {
  const { cluster, name } = owner
  const { networkConfiguration, propagateTags, enableECSManagedTags } = wanted
  const given = propagateTags === 'SERVICE' ? owner.tags : {}
  const { spec, tags } = planLaunch(
    api,
    {
      ...{ cluster, networkConfiguration, enableECSManagedTags },
      ...{ group: `${GROUP}${name}`, startedBy: id, taskDefinition: undefined },
      tags: Object.entries(given).map(([key, value]) => ({ key, value })),
      ...(propagateTags === 'TASK_DEFINITION' ? { propagateTags } : {}),
    },
    definition,
  )
  const now = Date.now()
  return {
    id,
    spec,
    tags: enableECSManagedTags ? { ...tags, 'aws:ecs:serviceName': name } : tags,
    arnPrefix: taskArn(api.orders.host, cluster, ''),
    asked: wanted as unknown as Json,
    createdAt: now,
    updatedAt: now,
    rollout: 'IN_PROGRESS',
    rolloutReason: `ECS deployment ${id} in progress.`,
    tasks: {},
    failedTasks: 0,
    subnetIds: subnetsOf(spec),
  }
}

/** As ECS's look: nineteen digits. */
function newId(): string {
  const number = randomBytes(8).readBigUInt64BE() % 10n ** 18n
  return `${STARTED_BY}9${String(number).padStart(18, '0')}`
}

/** Throws where RunTask or StartTask asks for what only services' tasks are given. */
export function refuseServiceNames(input: {
  group?: string | undefined
  startedBy?: string | undefined
}) {
  if (input.group?.startsWith(GROUP) === true) {
    const rule = `${shown(input.group)}: Invalid namespace for group: ${GROUP} is for services' tasks`
    throw invalid('group', rule, 'Use another name, or CreateService')
  }
  if (input.startedBy?.startsWith(STARTED_BY) === true) {
    const rule = `${shown(input.startedBy)}: ${STARTED_BY} is for services' tasks`
    throw invalid('startedBy', rule, 'Use another name, or CreateService')
  }
}
