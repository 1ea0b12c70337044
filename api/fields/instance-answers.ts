// Every member of the answer about this host, by the path of the structure it is in.

import type { Answers } from './answer.ts'
import { always, as, never, when } from './answer.ts'
import { failures, tags } from './shared-answers.ts'

const GPU = 'accelerators are not given to tasks'
const CAPACITY = 'this host is the only capacity'

const resource: Answers = {
  name: as(
    '`CPU`, `MEMORY`, `PORTS` and `PORTS_UDP`; a task in awsvpc mode takes no port of the host',
  ),
  type: as('`INTEGER` or `STRINGSET`'),
  doubleValue: always,
  longValue: always,
  integerValue: always,
  stringSetValue: when('it is a set: the ports that ECS registers as taken'),
}

export const INSTANCE_ANSWERS: Readonly<Record<string, Answers>> = {
  '': { containerInstances: always, failures: always },
  containerInstances: {
    containerInstanceArn: always,
    ec2InstanceId: always,
    capacityProviderName: never(CAPACITY),
    version: always,
    versionInfo: always,
    remainingResources: always,
    registeredResources: always,
    status: as('`ACTIVE` or `DRAINING`'),
    statusReason: when('it is DRAINING'),
    agentConnected: as('true: whoever answers is the agent itself'),
    runningTasksCount: always,
    pendingTasksCount: always,
    agentUpdateStatus: never('nobody updates the agent from outside'),
    attributes: always,
    registeredAt: always,
    attachments: as("empty: a task's ENIs are its own attachments, and there is no trunk"),
    tags: as('empty unless `include` has TAGS'),
    healthStatus: when('`include` has CONTAINER_INSTANCE_HEALTH'),
    gpuDevices: never(GPU),
  },
  'containerInstances.versionInfo': {
    agentVersion: as("enid's own"),
    agentHash: never('the version says it'),
    dockerVersion: never('nothing here depends on it'),
  },
  'containerInstances.remainingResources': resource,
  'containerInstances.registeredResources': resource,
  'containerInstances.attributes': {
    name: always,
    value: when('it has one'),
    targetType: never('it is always this host'),
    targetId: never('it is always this host'),
  },
  'containerInstances.attachments': Object.fromEntries(
    ['id', 'type', 'status', 'details'].map((name) => [name, never('there is no trunk')]),
  ),
  'containerInstances.tags': tags,
  'containerInstances.healthStatus': {
    overallStatus: as(
      '`INSUFFICIENT_DATA`: Docker is asked when a task needs it, not all the time',
    ),
    details: always,
  },
  'containerInstances.healthStatus.details': {
    type: as('`CONTAINER_RUNTIME`'),
    status: always,
    statusReason: never('there is no check that could have one'),
    lastUpdated: never('there is no check that could have one'),
    lastStatusChange: never('there is no check that could have one'),
  },
  failures: { ...failures, detail: never('there is one host, and no record of another') },
}
