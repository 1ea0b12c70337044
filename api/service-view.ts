// A service in the words of DescribeServices, derived from its row and from what the journal says of
// its tasks now.

import type {
  Deployment as DeploymentAnswer,
  DeploymentCircuitBreaker,
  Service as ServiceAnswer,
} from '@aws-sdk/client-ecs'
import type { Breaker, Deployment, Service } from '../state/service.ts'
import { desiredOf, serviceKey, tasksOfDeployment } from '../state/service.ts'
import type { Api } from './api.ts'
import { clusterArn, definitionArn, derivedUuid } from './arn.ts'
import { wantedOf } from './service-deployment.ts'
import { tagList } from './tags.ts'

/** The service as DescribeServices answers it. */
export function serviceView(
  api: Api,
  service: Service,
  { withTags }: { withTags: boolean },
): ServiceAnswer {
  const { host } = api.orders
  const { name, cluster, arn, breaker, minimumHealthyPercent, maximumPercent } = service
  const [primary] = service.deployments
  const wanted = wantedOf(primary)
  const { running, pending } = service.deployments
    .map((deployment) => counts(api, deployment))
    .reduce((a, b) => ({ running: a.running + b.running, pending: a.pending + b.pending }))
  const key = serviceKey(service)
  return {
    serviceArn: arn,
    serviceName: name,
    clusterArn: clusterArn(host, cluster),
    loadBalancers: [],
    serviceRegistries: [],
    status: service.status,
    desiredCount: desiredOf(service),
    runningCount: running,
    pendingCount: pending,
    launchType: 'EC2',
    taskDefinition: definitionOf(api, primary),
    deploymentConfiguration: {
      deploymentCircuitBreaker: breakerView(breaker),
      maximumPercent,
      minimumHealthyPercent,
      strategy: 'ROLLING',
    },
    deployments: service.deployments.map((one, n) => deploymentView(api, service, one, n)),
    events: api.services.events(key).map(({ seq, at, message }) => ({
      id: derivedUuid(`${key} ${service.createdAt} event ${seq}`),
      createdAt: new Date(at),
      message,
    })),
    createdAt: new Date(service.createdAt),
    placementConstraints: [],
    placementStrategy: [],
    networkConfiguration: wanted.networkConfiguration,
    schedulingStrategy: service.strategy,
    deploymentController: { type: 'ECS' },
    enableECSManagedTags: wanted.enableECSManagedTags,
    propagateTags: wanted.propagateTags,
    enableExecuteCommand: false,
    availabilityZoneRebalancing: 'DISABLED',
    ...(withTags ? { tags: tagList(api.catalog, arn) } : {}),
  }
}

/** How many of its tasks are meant to run and do, and how many are on their way. */
export function counts({ journal }: Api, deployment: Deployment) {
  const up = tasksOfDeployment(deployment)
    .map((id) => journal.get(id)?.holder)
    .filter((holder) => holder?.desired === 'running')
  const running = up.filter((holder) => holder?.ran).length
  return { running, pending: up.length - running }
}

export const definitionOf = ({ orders }: Api, deployment: Deployment): string => {
  const { family, revision } = wantedOf(deployment).definition
  return definitionArn(orders.host, family, revision)
}

function deploymentView(
  api: Api,
  service: Service,
  deployment: Deployment,
  n: number,
): DeploymentAnswer {
  const { running, pending } = counts(api, deployment)
  return {
    id: deployment.id,
    status: service.status === 'INACTIVE' ? 'INACTIVE' : n === 0 ? 'PRIMARY' : 'ACTIVE',
    taskDefinition: definitionOf(api, deployment),
    // An old one is to have what it still has.
    desiredCount: n === 0 ? desiredOf(service) : running + pending,
    pendingCount: pending,
    runningCount: running,
    failedTasks: deployment.failedTasks,
    createdAt: new Date(deployment.createdAt),
    updatedAt: new Date(deployment.updatedAt),
    launchType: 'EC2',
    networkConfiguration: wantedOf(deployment).networkConfiguration,
    rolloutState: deployment.rollout,
    rolloutStateReason: deployment.rolloutReason,
  }
}

const breakerView = (breaker: Breaker | undefined): DeploymentCircuitBreaker => ({
  enable: breaker !== undefined,
  rollback: breaker?.rollback ?? false,
  ...(breaker === undefined
    ? {}
    : { resetOnHealthyTask: breaker.resets, thresholdConfiguration: breaker.threshold }),
})
