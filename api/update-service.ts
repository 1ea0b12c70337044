// UpdateService: another count, another revision, or the same revision anew. What changes the tasks
// themselves is a new deployment, which takes the old one's place as the percentages allow.

import type { UpdateServiceRequest, UpdateServiceResponse } from '@aws-sdk/client-ecs'
import type { Deployment, Service } from '../state/service.ts'
import { deploy } from '../state/service.ts'
import type { Api } from './api.ts'
import { activeCluster, findDefinition, findService } from './api.ts'
import { AwsError } from './aws-error.ts'
import { canonical } from './canonical.ts'
import { oneOf } from './choices.ts'
import { runnable } from './launch.ts'
import type { Wanted } from './service-deployment.ts'
import { planDeployment, wantedOf } from './service-deployment.ts'
import { changed, checkCommon, SERVICE_INSTEAD } from './service-request.ts'
import { serviceView } from './service-view.ts'
import { refuseOthers } from './unsupported.ts'

const TAKEN = [
  'availabilityZoneRebalancing',
  'cluster',
  'deploymentConfiguration',
  'deploymentController',
  'desiredCount',
  'enableECSManagedTags',
  'forceNewDeployment',
  'healthCheckGracePeriodSeconds',
  'networkConfiguration',
  'propagateTags',
  'service',
  'taskDefinition',
]

/** Throws AwsError, or the Failure of a subnet. */
export async function updateService(
  api: Api,
  input: UpdateServiceRequest,
): Promise<UpdateServiceResponse> {
  refuseOthers(input, { taken: TAKEN, instead: SERVICE_INSTEAD })
  checkCommon(input)
  const { subnetIds } = plan(api, input)
  if (api.orders.draining() === undefined) await api.orders.prepare(subnetIds)
  // Since then the service may have changed: nothing awaits from here to the commit.
  const { service } = plan(api, input)
  api.services.put(service)
  api.orders.serviceChanged()
  return { service: serviceView(api, service, { withTags: true }) }
}

/** The service as it is to be. Changes nothing. */
function plan(
  api: Api,
  input: UpdateServiceRequest,
): { service: Service; subnetIds: readonly string[] } {
  const before = activeService(api, input)
  const { breaker: _, ...rest } = before
  const limited: Service = { ...rest, ...changed(before, input) }
  const [primary, ...others] = before.deployments
  const was = wantedOf(primary)
  const wanted = wantedIn(api, input, was)
  const owner = { ...before, tags: api.catalog.tags(before.arn) }
  const { family, revision } = wanted.definition
  const definition = findDefinition(api, `${family}:${revision}`, 'taskDefinition')
  const isNew =
    input.forceNewDeployment === true ||
    canonical(wanted.definition) !== canonical(was.definition) ||
    canonical(wanted.networkConfiguration) !== canonical(was.networkConfiguration)
  if (isNew) {
    const { subnetIds, ...deployment } = planDeployment(api, owner, { definition, wanted })
    return { service: deploy(limited, deployment), subnetIds }
  }
  if (canonical(wanted) === canonical(was)) return { service: limited, subnetIds: [] }
  // Tags alone: as in ECS, tasks that are started from here on have them.
  const { id } = primary
  const { spec, tags, asked, subnetIds } = planDeployment(api, owner, { definition, wanted, id })
  const first: Deployment = { ...primary, spec, tags, asked, updatedAt: Date.now() }
  return { service: { ...limited, deployments: [first, ...others] }, subnetIds }
}

function wantedIn(api: Api, input: UpdateServiceRequest, was: Wanted): Wanted {
  const { taskDefinition, networkConfiguration = was.networkConfiguration } = input
  const { enableECSManagedTags = was.enableECSManagedTags } = input
  const propagateTags = oneOf('propagateTags', input.propagateTags, {
    of: ['SERVICE', 'TASK_DEFINITION', 'NONE'] as const,
    otherwise: was.propagateTags,
  })
  const named = taskDefinition ? runnable(api, taskDefinition) : was.definition
  const { family, revision } = named
  const definition = { family, revision }
  return { definition, networkConfiguration, propagateTags, enableECSManagedTags }
}

function activeService(
  api: Api,
  { cluster: named, service: text = '' }: UpdateServiceRequest,
): Service {
  const service = findService(api, { text, cluster: activeCluster(api, named) })
  if (service === undefined) throw serviceNotFound()
  if (service.status === 'ACTIVE') return service
  throw new AwsError('ServiceNotActiveException', 'Service was not ACTIVE', {
    field: 'service',
    hint: `It is ${service.status}: make it anew with create-service`,
  })
}

/** ECS's answer to a name that no service has. */
export const serviceNotFound = (): AwsError =>
  new AwsError('ServiceNotFoundException', 'Service not found', {
    field: 'service',
    hint: 'list-services shows what there is in the cluster',
  })
