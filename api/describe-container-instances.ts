// DescribeContainerInstances: this host, with its ENI slots as attributes, and whether it takes tasks.

import { availableParallelism, totalmem } from 'node:os'
import type {
  Attribute,
  ContainerInstance,
  ContainerInstanceHealthStatus,
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  Resource,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster, tasksOf } from './api.ts'
import { containerInstanceArn, containerInstanceId, resourceOf } from './arn.ts'
import { checkCount, includesTags } from './choices.ts'
import { taskCounts } from './cluster-view.ts'
import { tagList } from './tags.ts'

export function describeContainerInstances(
  api: Api,
  { cluster: named, containerInstances: texts = [], include }: DescribeContainerInstancesRequest,
): DescribeContainerInstancesResponse {
  const cluster = activeCluster(api, named)
  const withTags = includesTags(include, ['TAGS', HEALTH])
  const answer = thisHostAmong(api, texts, { cluster, withTags })
  if (include?.includes(HEALTH) !== true) return answer
  const { containerInstances } = answer
  return {
    ...answer,
    containerInstances: containerInstances.map((one) => ({ ...one, healthStatus })),
  }
}

const HEALTH = 'CONTAINER_INSTANCE_HEALTH'

/** ECS's word for what nobody watches: Docker is asked when a task needs it, not all the time. */
const healthStatus: ContainerInstanceHealthStatus = {
  overallStatus: 'INSUFFICIENT_DATA',
  details: [{ type: 'CONTAINER_RUNTIME', status: 'INSUFFICIENT_DATA' }],
}

/** This host where it is among those named, and a failure for each that it is not. */
export function thisHostAmong(
  api: Api,
  texts: readonly string[],
  { cluster, withTags }: { cluster: string; withTags: boolean },
) {
  checkCount('containerInstances', texts)
  const isThisHost = (text: string) =>
    instanceIdOf(api, text) === containerInstanceId(api.orders.host)
  const missing = texts.filter((text) => !isThisHost(text))
  return {
    containerInstances: missing.length === texts.length ? [] : [view(api, cluster, withTags)],
    failures: missing.map((text) => ({
      arn: text.startsWith('arn:')
        ? text
        : containerInstanceArn(api.orders.host, cluster).replace(/[^/]*$/, () => text),
      reason: 'MISSING',
    })),
  }
}

/** The id in a container instance's ARN, or the bare text; undefined for any other ARN. */
export const instanceIdOf = ({ orders }: Api, text: string): string | undefined =>
  resourceOf(orders.host, 'container-instance', text)?.split('/').at(-1)

function view(api: Api, cluster: string, withTags: boolean): ContainerInstance {
  const { orders, catalog, version, openedAt } = api
  const arn = containerInstanceArn(orders.host, cluster)
  const { runningTasksCount, pendingTasksCount } = taskCounts(api, cluster)
  const cpu = availableParallelism() * 1024
  const memory = Math.floor(totalmem() / 2 ** 20)
  const used = usage(api)
  return {
    containerInstanceArn: arn,
    ec2InstanceId: orders.host.instanceId,
    version: 1,
    versionInfo: { agentVersion: version },
    remainingResources: [resource('CPU', cpu - used.cpu), resource('MEMORY', memory - used.memory)],
    registeredResources: [resource('CPU', cpu), resource('MEMORY', memory)],
    status: hostStatus(api),
    statusReason: orders.draining()?.why,
    agentConnected: true,
    runningTasksCount,
    pendingTasksCount,
    attributes: attributes(api),
    registeredAt: new Date(openedAt),
    attachments: [],
    tags: withTags ? tagList(catalog, arn) : [],
  }
}

/** Whether this host takes tasks, in ECS's words. */
export const hostStatus = ({ orders }: Api): 'ACTIVE' | 'DRAINING' =>
  orders.draining() === undefined ? 'ACTIVE' : 'DRAINING'

/** What the tasks that are meant to run have asked for, in every cluster: they share this host. */
function usage(api: Api): { cpu: number; memory: number } {
  const running = tasksOf(api).filter(({ entry }) => entry.holder.desired === 'running')
  const containers = running.flatMap(({ entry }) => entry.holder.spec.containers)
  return {
    cpu: running.flatMap(({ asked }) => asked.cpu).reduce((a, b) => a + b, 0),
    memory: containers.reduce((sum, c) => sum + (c.memoryMiB ?? c.memoryReservationMiB ?? 0), 0),
  }
}

const resource = (name: string, value: number): Resource => ({
  name,
  type: 'INTEGER',
  doubleValue: 0,
  longValue: 0,
  integerValue: value,
})

const attributes = ({ orders, architecture }: Api): Attribute[] => [
  { name: 'ecs.capability.task-eni' },
  { name: 'ecs.availability-zone', value: orders.host.availabilityZone },
  { name: 'ecs.instance-type', value: orders.host.instanceType },
  { name: 'ecs.os-type', value: 'linux' },
  { name: 'ecs.cpu-architecture', value: architecture === 'ARM64' ? 'arm64' : 'x86_64' },
  { name: 'ecs.vpc-id', value: orders.host.vpcId },
  { name: 'ecs.subnet-id', value: orders.host.subnetId },
  { name: 'enid.eni-slots', value: String(orders.host.eniCountMax) },
  { name: 'enid.eni-slots-used', value: String(orders.slotsUsed()) },
]
