// CreateService: so many tasks of one definition, kept on this host from here on. The row of the service
// is written here; the agent does the rest.

import type { CreateServiceRequest, CreateServiceResponse } from '@aws-sdk/client-ecs'
import type { Service } from '../state/service.ts'
import { serviceKey } from '../state/service.ts'
import type { Api } from './api.ts'
import { activeCluster } from './api.ts'
import { serviceArn } from './arn.ts'
import { AwsError, invalid, shown } from './aws-error.ts'
import { canonical } from './canonical.ts'
import { oneOf } from './choices.ts'
import { runnable } from './launch.ts'
import { planDeployment } from './service-deployment.ts'
import { checkCommon, createLimits, SERVICE_INSTEAD } from './service-request.ts'
import { serviceView } from './service-view.ts'
import { checkTags, tagRecord } from './tags.ts'
import { refuseOthers } from './unsupported.ts'

const TAKEN = [
  'availabilityZoneRebalancing',
  'clientToken',
  'cluster',
  'deploymentConfiguration',
  'deploymentController',
  'desiredCount',
  'enableECSManagedTags',
  'healthCheckGracePeriodSeconds',
  'launchType',
  'networkConfiguration',
  'propagateTags',
  'schedulingStrategy',
  'serviceName',
  'tags',
  'taskDefinition',
]

/** Throws AwsError, or the Failure of a subnet. */
export async function createService(
  api: Api,
  input: CreateServiceRequest,
): Promise<CreateServiceResponse> {
  const before = replay(api, input)
  if (before !== undefined) return before
  const { subnetIds } = plan(api, input)
  if (api.orders.draining() === undefined) await api.orders.prepare(subnetIds)
  // While EC2 answered, a twin of this request may have come.
  return replay(api, input) ?? begin(api, input)
}

/** The service that this request has made already. Throws where another one has the name or the token. */
function replay(api: Api, input: CreateServiceRequest): CreateServiceResponse | undefined {
  const { clientToken, ...request } = input
  if (clientToken !== undefined && !/^[\x21-\x7e]{1,36}$/.test(clientToken)) {
    throw invalid('clientToken', `${shown(clientToken)}: 1 to 36 printable ASCII characters`)
  }
  const cluster = activeCluster(api, input.cluster)
  const name = nameOf(input)
  const living = api.services.all().filter(({ status }) => status !== 'INACTIVE')
  const same = living.find((service) => service.cluster === cluster && service.name === name)
  if (same?.status === 'DRAINING') {
    const hint = 'Wait until describe-services says INACTIVE, or take another name'
    throw invalid('serviceName', 'Unable to Start a service that is still Draining', hint)
  }
  if (same !== undefined && same.request !== canonical(request)) {
    const hint = `${shown(name)} is there and differs: use UpdateService, or another name`
    throw invalid('serviceName', 'Creation of service was not idempotent', hint)
  }
  const other = living.find((one) => clientToken !== undefined && one.clientToken === clientToken)
  if (other !== undefined && other !== same) {
    const rule = `${shown(clientToken)} has made the service ${shown(other.name)}`
    throw invalid('clientToken', rule, 'Send the same request, or another token')
  }
  return same && { service: serviceView(api, same, { withTags: true }) }
}

function nameOf({ serviceName: name = '' }: CreateServiceRequest): string {
  if (/^[A-Za-z0-9_-]{1,255}$/.test(name)) return name
  const rule = 'a service name is 1 to 255 letters, digits, hyphens and underscores'
  throw invalid('serviceName', `${shown(name)}: ${rule}`)
}

/** Everything that the request says, checked. Changes nothing. */
function plan(api: Api, input: CreateServiceRequest) {
  refuseOthers(input, { taken: TAKEN, instead: SERVICE_INSTEAD })
  checkCommon(input)
  const { launchType = 'EC2', tags = [], networkConfiguration, taskDefinition } = input
  if (launchType !== 'EC2') {
    const rule = `${shown(launchType)}: tasks run on this EC2 instance`
    throw invalid('launchType', rule, 'Write EC2, or leave it out')
  }
  if (taskDefinition === undefined || taskDefinition === '') {
    throw new AwsError('InvalidParameterException', 'is required', { field: 'taskDefinition' })
  }
  checkTags(tags, 'tags')
  const cluster = activeCluster(api, input.cluster)
  const name = nameOf(input)
  const limits = createLimits(input)
  const propagateTags = oneOf('propagateTags', input.propagateTags, {
    of: ['SERVICE', 'TASK_DEFINITION', 'NONE'] as const,
    otherwise: 'NONE',
  })
  const definition = runnable(api, taskDefinition)
  const { family, revision } = definition
  const { subnetIds, ...deployment } = planDeployment(
    api,
    { cluster, name, tags: tagRecord(tags) },
    {
      definition,
      wanted: {
        definition: { family, revision },
        // planDeployment says what is wrong where there is none.
        networkConfiguration: networkConfiguration ?? {},
        propagateTags,
        enableECSManagedTags: input.enableECSManagedTags === true,
      },
    },
  )
  return { cluster, name, limits, tags, deployment, subnetIds }
}

function begin(api: Api, input: CreateServiceRequest): CreateServiceResponse {
  const { cluster, name, limits, tags, deployment } = plan(api, input)
  const { catalog, services, orders, journal } = api
  const { clientToken, ...request } = input
  const arn = serviceArn(orders.host, cluster, name)
  const service: Service = {
    ...{ cluster, name, arn, ...limits, status: 'ACTIVE', isSteady: false },
    createdAt: deployment.createdAt,
    request: canonical(request),
    ...(clientToken === undefined ? {} : { clientToken }),
    deployments: [deployment],
  }
  journal.atOnce(() => {
    // What an INACTIVE one of this name has left.
    services.forget(serviceKey(service))
    catalog.untag(arn, Object.keys(catalog.tags(arn)))
    catalog.tag(arn, tagRecord(tags))
    services.put(service)
  })
  orders.serviceChanged()
  return { service: serviceView(api, service, { withTags: true }) }
}
