// Services in our own words, for operators: how far each is, and what it waits for. They are made and
// changed in ECS's words (CreateService, UpdateService, DeleteService).

import type { Service } from '../../state/service.ts'
import { desiredOf, serviceKey, tasksOfDeployment } from '../../state/service.ts'
import type { Api } from '../api.ts'
import { AwsError, shown } from '../aws-error.ts'
import { counts, definitionOf } from '../service-view.ts'
import type { App } from './routes.ts'
import { ServiceParams, ServicesQuery } from './schemas.ts'

/** `GET /services` and `GET /services/:cluster/:name`. */
export function addServiceRoutes(app: App, api: Api): void {
  app.get(
    '/services',
    { schema: { summary: 'All services', querystring: ServicesQuery } },
    async ({ query: { cluster } }) => ({
      services: api.services
        .all()
        .filter((service) => cluster === undefined || service.cluster === cluster)
        .map((service) => serviceSummary(api, service)),
      unread: api.services.unread(),
    }),
  )
  app.get(
    '/services/:cluster/:name',
    { schema: { summary: 'Everything known of a service', params: ServiceParams } },
    async ({ params: { cluster, name } }) => {
      const service = api.services.get(`${cluster}/${name}`)
      if (service !== undefined) return serviceDetail(api, service)
      throw new AwsError('ServiceNotFoundException', `${shown(name)} is no service in ${cluster}`, {
        field: 'name',
        hint: 'GET /services lists them',
      })
    },
  )
}

/** One service as GET /services and GET /status list it. */
export function serviceSummary(api: Api, service: Service) {
  const all = service.deployments.map((deployment) => counts(api, deployment))
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)
  const [primary] = service.deployments
  const wait = api.orders.serviceWaiting(serviceKey(service))
  return {
    cluster: service.cluster,
    name: service.name,
    serviceArn: service.arn,
    status: service.status,
    strategy: service.strategy,
    taskDefinition: definitionOf(api, primary).split('/').at(-1) ?? '',
    desiredCount: desiredOf(service),
    runningCount: sum(all.map(({ running }) => running)),
    pendingCount: sum(all.map(({ pending }) => pending)),
    rollout: primary.rollout,
    rolloutReason: primary.rolloutReason,
    failedTasks: primary.failedTasks,
    isSteady: service.isSteady,
    createdAt: new Date(service.createdAt).toISOString(),
    ...(wait === undefined
      ? {}
      : {
          waiting: {
            code: wait.code,
            reason: wait.why,
            ...(wait.until === undefined ? {} : { until: new Date(wait.until).toISOString() }),
          },
        }),
  }
}

function serviceDetail(api: Api, service: Service) {
  const { minimumHealthyPercent, maximumPercent, breaker } = service
  return {
    ...serviceSummary(api, service),
    minimumHealthyPercent,
    maximumPercent,
    circuitBreaker: breaker ?? null,
    deployments: service.deployments.map((deployment) => ({
      id: deployment.id,
      taskDefinition: definitionOf(api, deployment).split('/').at(-1) ?? '',
      ...counts(api, deployment),
      rollout: deployment.rollout,
      rolloutReason: deployment.rolloutReason,
      failedTasks: deployment.failedTasks,
      ...(deployment.lastFailure && {
        lastFailure: {
          at: new Date(deployment.lastFailure.at).toISOString(),
          reason: deployment.lastFailure.reason,
        },
      }),
      createdAt: new Date(deployment.createdAt).toISOString(),
      taskIds: tasksOfDeployment(deployment),
    })),
    events: api.services
      .events(serviceKey(service))
      .map(({ at, message }) => ({ at: new Date(at).toISOString(), message })),
  }
}
