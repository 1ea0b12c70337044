// The names of things: ARNs in ECS's long format, made from what this host is, and read back in
// every form that ECS takes (long ARN, ARN without the cluster, bare id or name).
//
//   arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID

import { createHash } from 'node:crypto'
import type { Host } from '../agent/orders.ts'
import type { HolderId } from '../state/spec.ts'
import { invalid, shown } from './aws-error.ts'

const PARTITIONS = [
  { region: /^cn-/, partition: 'aws-cn' },
  { region: /^us-gov-/, partition: 'aws-us-gov' },
]

const partitionOf = ({ region }: Host): string =>
  PARTITIONS.find((p) => p.region.test(region))?.partition ?? 'aws'

const arn = (host: Host, resource: string): string =>
  `arn:${partitionOf(host)}:ecs:${host.region}:${host.accountId}:${resource}`

export const clusterArn = (host: Host, name: string): string => arn(host, `cluster/${name}`)

export const taskArn = (host: Host, cluster: string, id: HolderId): string =>
  arn(host, `task/${cluster}/${id}`)

export const serviceArn = (host: Host, cluster: string, name: string): string =>
  arn(host, `service/${cluster}/${name}`)

export const definitionArn = (host: Host, family: string, revision: number): string =>
  arn(host, `task-definition/${family}:${revision}`)

/** The ARN of a role that is named by it, or by its name in this account. */
export const roleArn = (host: Host, text: string): string =>
  text.startsWith('arn:') ? text : `arn:${partitionOf(host)}:iam::${host.accountId}:role/${text}`

/** The ARN of one container of a task; its last part is derived, so it never changes. */
export const containerArn = (host: Host, cluster: string, id: HolderId, name: string): string =>
  arn(host, `container/${cluster}/${id}/${derivedUuid(`${id} container ${name}`)}`)

/** This host's id as a container instance: the same in every cluster and after every restart. */
export const containerInstanceId = ({ instanceId }: Host): string =>
  createHash('sha256').update(instanceId).digest('hex').slice(0, 32)

export const containerInstanceArn = (host: Host, cluster: string): string =>
  arn(host, `container-instance/${cluster}/${containerInstanceId(host)}`)

/** The id of a task's n-th ENI attachment as DescribeTasks shows it. */
export const attachmentId = (id: HolderId, n: number): string =>
  derivedUuid(`${id} attachment ${n}`)

/** A version 8 UUID (RFC 9562) made from the text alone. */
export function derivedUuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}

/**
 * What stands after `kind/` where the text is an ARN of this account and region, or the bare text.
 * Undefined for an ARN of another kind, account or region: there is no such thing here.
 */
export function resourceOf(host: Host, kind: string, text: string): string | undefined {
  if (!text.startsWith('arn:')) return text
  const start = arn(host, `${kind}/`)
  return text.startsWith(start) ? text.slice(start.length) : undefined
}

/** A task as a request names it. */
export type TaskReference = { readonly id: HolderId; readonly cluster?: string }

/** Reads a task's id or ARN. Throws where it can be no task's. */
export function readTask(host: Host, text: string, field: string): TaskReference {
  const rest = resourceOf(host, 'task', text)
  const [id = '', cluster, more] = rest?.split('/').reverse() ?? []
  const isId = /^[0-9a-f]{32}$/.test(id) && more === undefined
  // ECS's own words for a short id of the wrong form.
  if (rest === text && !isId) throw invalid(field, `${shown(text)}: taskId length should be 32`)
  if (!isId) throw invalid(field, `${shown(text)} is not the ARN of a task in this account`)
  return cluster === undefined ? { id } : { id, cluster }
}

/** A task definition as a request names it: without a revision, the newest active one. */
export type DefinitionReference = { readonly family: string; readonly revision?: number }

/** Reads `family`, `family:revision` or an ARN; undefined where it can name none. */
export function readDefinition(host: Host, text: string): DefinitionReference | undefined {
  const rest = resourceOf(host, 'task-definition', text)
  const [, family, revision] = rest?.match(/^([A-Za-z0-9_-]{1,255})(?::([0-9]{1,9}))?$/) ?? []
  if (family === undefined) return undefined
  return revision === undefined ? { family } : { family, revision: Number(revision) }
}
