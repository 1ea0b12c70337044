// A task in the words of DescribeTasks. Everything is derived from the journal's entry; members
// come in the order of the answer that the awsvpc announcement prints.

import type { Attachment, Container, KeyValuePair, Task as TaskAnswer } from '@aws-sdk/client-ecs'
import type { Details } from '../agent/drivers/driver.ts'
import { OUT_OF_MEMORY } from '../state/exits.ts'
import type { Entry } from '../state/journal.ts'
import { attachmentStatus, containerStatus, lastStatus } from '../state/status.ts'
import type { Holder, RowId, RowKind } from '../state/task.ts'
import { rowState } from '../state/task.ts'
import { changes } from '../state/timeline.ts'
import type { Api, Task } from './api.ts'
import {
  attachmentId,
  clusterArn,
  containerArn,
  containerInstanceArn,
  definitionArn,
  taskArn,
} from './arn.ts'
import { tagList } from './tags.ts'
import { readSize, sizeTexts } from './task-size.ts'

/** What the journal knows of a row, also after its release; undefined before it was ever held. */
export const detailsOf = <K extends RowKind>(holder: Holder, _kind: K, row: RowId) =>
  rowState(holder, row).details as Partial<Details[K]> | undefined

/** The task as DescribeTasks answers it. */
export function taskView(api: Api, task: Task, { withTags }: { withTags: boolean }): TaskAnswer {
  const { entry, asked } = task
  const { holder, id } = entry
  const { host } = api.orders
  const { cluster, family, revision } = asked
  const arn = taskArn(host, cluster, id)
  const { containers } = holder.spec
  return {
    taskArn: arn,
    group: asked.group,
    attachments: holder.spec.enis.map((_, n) => attachmentView(entry, n)),
    attributes: [
      {
        name: 'ecs.cpu-architecture',
        value: api.architecture === 'ARM64' ? 'arm64' : 'x86_64',
      },
    ],
    availabilityZone: host.availabilityZone,
    clusterArn: clusterArn(host, cluster),
    connectivity: 'CONNECTED',
    containerInstanceArn: containerInstanceArn(host, cluster),
    launchType: 'EC2',
    cpu: String(cpuOf(task)),
    memory: String(memoryOf(task)),
    enableExecuteCommand: false,
    healthStatus: taskHealth(holder),
    lastStatus: lastStatus(holder),
    desiredStatus: holder.desired === 'running' ? 'RUNNING' : 'STOPPED',
    overrides: {
      ...asked.overrides,
      ...sizeTexts(readSize(asked.overrides)),
      containerOverrides: containers.map(
        ({ name }) => asked.overrides.containerOverrides?.find((o) => o.name === name) ?? { name },
      ),
      inferenceAcceleratorOverrides: [],
    },
    ...(asked.startedBy === undefined ? {} : { startedBy: asked.startedBy }),
    ...moments(entry),
    ...(holder.stop === undefined
      ? {}
      : { stopCode: holder.stop.code, stoppedReason: holder.stop.reason }),
    taskDefinitionArn: definitionArn(host, family, revision),
    containers: containers.map((_, n) => containerView(api, task, n)),
    version: versionOf(entry),
    tags: withTags ? tagList(api.catalog, arn) : [],
  }
}

/** CPU units that the task takes up: those of the whole, or its containers' together. */
export const cpuOf = ({ entry, asked }: Task): number =>
  entry.holder.spec.cgroup?.cpuUnits ?? sum(asked.cpu)

/** MiB that the task may use: those of the whole, or its containers' together. */
export function memoryOf({ entry }: Task): number {
  const { cgroup, containers } = entry.holder.spec
  return cgroup?.memoryMiB ?? sum(containers.map((c) => c.memoryMiB ?? c.memoryReservationMiB ?? 0))
}

function attachmentView({ id, holder }: Entry, n: number): Attachment {
  const eni = detailsOf(holder, 'eni', `eni:${n}`)
  const candidates = holder.spec.enis[n]?.subnetIds ?? []
  const only = candidates.length === 1 ? candidates[0] : undefined
  const details: readonly [string, string | undefined][] = [
    ['subnetId', eni?.subnetId ?? rowState(holder, `eni:${n}`).choice ?? only],
    ['networkInterfaceId', eni?.eniId],
    ['macAddress', eni?.mac],
    ['privateDnsName', eni?.privateDnsName],
    ['privateIPv4Address', eni?.ipv4],
    ['ipv6Address', eni?.ipv6],
  ]
  return {
    id: attachmentId(id, n),
    type: 'ElasticNetworkInterface',
    status: attachmentStatus(holder, n),
    details: details.flatMap(([name, value]): KeyValuePair[] =>
      value === undefined ? [] : [{ name, value }],
    ),
  }
}

function containerView(api: Api, { entry, asked }: Task, n: number): Container {
  const { id, holder } = entry
  const { host } = api.orders
  const spec = holder.spec.containers[n]
  if (spec === undefined) throw new Error(`the task has no container ${n}`)
  const { name, memoryMiB, memoryReservationMiB } = spec
  const details = detailsOf(holder, 'container', `container:${name}`)
  const digest = detailsOf(holder, 'image', `image:${name}`)?.digest
  const { exitCode, outOfMemory } = holder.facts[name] ?? {}
  return {
    containerArn: containerArn(host, asked.cluster, id, name),
    taskArn: taskArn(host, asked.cluster, id),
    name,
    image: spec.image,
    ...(digest === undefined ? {} : { imageDigest: digest }),
    ...(details?.containerId === undefined ? {} : { runtimeId: details.containerId }),
    networkBindings: [],
    lastStatus: containerStatus(holder, name),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(failedBy(holder, name) ? { reason: holder.stop?.reason } : {}),
    ...(outOfMemory ? { reason: OUT_OF_MEMORY } : {}),
    networkInterfaces: holder.spec.enis.flatMap((_, eniNumber) => {
      const eni = detailsOf(holder, 'eni', `eni:${eniNumber}`)
      if (eni === undefined) return []
      const { ipv4, ipv6 } = eni
      return {
        attachmentId: attachmentId(id, eniNumber),
        ...(ipv4 !== undefined && { privateIpv4Address: ipv4 }),
        ...(ipv6 !== undefined && { ipv6Address: ipv6 }),
      }
    }),
    healthStatus: containerHealth(holder, name),
    cpu: String(asked.cpu[n] ?? 0),
    ...(memoryMiB === undefined ? {} : { memory: String(memoryMiB) }),
    ...(memoryReservationMiB === undefined
      ? {}
      : { memoryReservation: String(memoryReservationMiB) }),
  }
}

/** Whether it was this container, or its image, for which the task stopped. */
const failedBy = ({ stop }: Holder, name: string): boolean =>
  [`container:${name}`, `created:${name}`, `image:${name}`].includes(stop?.row ?? '')

type Health = 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'

/** The health of one container, as ECS words it. */
export function containerHealth(holder: Holder, name: string): Health {
  const healthy = holder.facts[name]?.healthy
  if (healthy === undefined) return 'UNKNOWN'
  return healthy ? 'HEALTHY' : 'UNHEALTHY'
}

/** ECS: what the essential containers that have a health check say together. */
function taskHealth(holder: Holder): Health {
  const said = holder.spec.containers
    .filter(({ essential, healthCheck }) => essential && healthCheck !== undefined)
    .map(({ name }) => containerHealth(holder, name))
  if (said.includes('UNHEALTHY')) return 'UNHEALTHY'
  return said.length > 0 && said.every((health) => health === 'HEALTHY') ? 'HEALTHY' : 'UNKNOWN'
}

const MOMENTS = [
  'createdAt',
  'pullStartedAt',
  'pullStoppedAt',
  'connectivityAt',
  'startedAt',
  'stoppingAt',
  'executionStoppedAt',
  'stoppedAt',
] as const

type Moments = { [K in (typeof MOMENTS)[number]]?: Date }

function moments({ timeline }: Entry): Moments {
  const known: Moments = {}
  for (const moment of MOMENTS) {
    const at = timeline[moment]
    if (at !== undefined) known[moment] = new Date(at)
  }
  return known
}

/** Grows with every step and never goes back, as ECS's counter of state changes does. */
function versionOf({ holder, timeline }: Entry): number {
  return 1 + changes(timeline) + (holder.desired === 'stopped' ? 1 : 0)
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
