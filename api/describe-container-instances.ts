// DescribeContainerInstances: this host, with its ENI slots as attributes, and whether it takes tasks.

import type {
  Attribute,
  ContainerInstance,
  ContainerInstanceHealthStatus,
  DescribeContainerInstancesRequest,
  DescribeContainerInstancesResponse,
  Resource,
} from '@aws-sdk/client-ecs'
import type { Capacity } from '../agent/orders.ts'
import type { Api } from './api.ts'
import { activeCluster } from './api.ts'
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
  const { registered, remaining } = orders.capacity()
  return {
    containerInstanceArn: arn,
    ec2InstanceId: orders.host.instanceId,
    version: 1,
    versionInfo: { agentVersion: version },
    remainingResources: resources(remaining),
    registeredResources: resources(registered),
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

/** Ports that ECS registers as taken: those of ssh, dockerd and the agent. An awsvpc task takes none. */
const PORTS = ['22', '2375', '2376', '51678', '51679']

const resources = ({ cpuUnits, memoryMiB }: Capacity): Resource[] => [
  whole('CPU', cpuUnits),
  whole('MEMORY', memoryMiB),
  set('PORTS', PORTS),
  set('PORTS_UDP', []),
]

const none = { doubleValue: 0, longValue: 0, integerValue: 0 }

const whole = (name: string, value: number): Resource => ({
  ...{ name, type: 'INTEGER' },
  ...{ ...none, integerValue: value },
})

const set = (name: string, values: readonly string[]): Resource => ({
  ...{ name, type: 'STRINGSET' },
  ...{ ...none, stringSetValue: [...values] },
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
