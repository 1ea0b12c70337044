// ListTasks: the ARNs of a cluster's tasks, oldest first. As on ECS, only those that are meant to
// run, unless desiredStatus says STOPPED.

import type { ListTasksRequest, ListTasksResponse } from '@aws-sdk/client-ecs'
import type { Api, Task } from './api.ts'
import { activeCluster, findService, livingTasks, tasksOf } from './api.ts'
import { containerInstanceId, taskArn } from './arn.ts'
import { invalid, shown } from './aws-error.ts'
import { oneOf } from './choices.ts'
import { instanceIdOf } from './describe-container-instances.ts'
import { page } from './paging.ts'
import { refuseOthers } from './unsupported.ts'
import { serviceNotFound } from './update-service.ts'

const TAKEN = [
  'cluster',
  'containerInstance',
  'desiredStatus',
  'family',
  'launchType',
  'maxResults',
  'nextToken',
  'serviceName',
  'startedBy',
]

export function listTasks(api: Api, input: ListTasksRequest): ListTasksResponse {
  const instead = { daemonName: 'It is for managed daemons; serviceName has those of a service' }
  refuseOthers(input, { taken: TAKEN, instead })
  const cluster = activeCluster(api, input.cluster)
  checkInstance(api, input.containerInstance)
  const statuses = ['RUNNING', 'PENDING', 'STOPPED'] as const
  const desired = oneOf('desiredStatus', input.desiredStatus, {
    of: statuses,
    otherwise: 'RUNNING',
  })
  const types = ['EC2', 'FARGATE', 'EXTERNAL', 'MANAGED_INSTANCES'] as const
  const launchType = oneOf('launchType', input.launchType, { of: types, otherwise: 'EC2' })
  const { family, startedBy, serviceName } = input
  const service = serviceName ? findService(api, { text: serviceName, cluster }) : undefined
  if (serviceName && service === undefined) throw serviceNotFound()
  const found = (desired === 'STOPPED' ? tasksOf(api) : livingTasks(api))
    .filter(() => launchType === 'EC2')
    .filter(({ asked }) => asked.cluster === cluster)
    .filter(({ entry }) => desired === entry.holder.desired.toUpperCase())
    .filter(({ asked }) => !family || asked.family === family)
    .filter(({ asked }) => !startedBy || asked.startedBy === startedBy)
    .filter(({ asked }) => !service || asked.group === `service:${service.name}`)
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const { items, ...more } = page(found, keyOf, input)
  return {
    taskArns: items.map(({ entry }) => taskArn(api.orders.host, cluster, entry.id)),
    ...more,
  }
}

function checkInstance(api: Api, text: string | undefined): void {
  if (text === undefined || instanceIdOf(api, text) === containerInstanceId(api.orders.host)) return
  const rule = `${shown(text)}: the referenced container instance was not found`
  throw invalid('containerInstance', rule, 'list-container-instances shows it')
}

const keyOf = ({ entry }: Task): string =>
  `${String(entry.timeline.createdAt).padStart(16, '0')} ${entry.id}`
