// What every action is given, and the look-ups that all of them share.

import type { Orders } from '../agent/orders.ts'
import type { Catalog, Definition } from '../state/catalog.ts'
import type { Entry, Journal } from '../state/journal.ts'
import type { Service } from '../state/service.ts'
import type { ServiceStore } from '../state/service-store.ts'
import type { HolderId } from '../state/spec.ts'
import { definitionArn, readDefinition, readTask, resourceOf } from './arn.ts'
import type { Asked } from './asked.ts'
import { askedOf } from './asked.ts'
import { AwsError, shown } from './aws-error.ts'

/** The agent as the API sees it. */
export type Api = {
  readonly orders: Orders
  readonly journal: Journal
  readonly catalog: Catalog
  readonly services: ServiceStore
  /** enid's own version. */
  readonly version: string
  /** What this host runs, in ECS's words. */
  readonly architecture: Architecture
  /** Whether containers may be privileged. */
  readonly privileged: boolean
  /** Whether containers may have NET_ADMIN. */
  readonly netAdmin: boolean
  /** Milliseconds since the epoch when the API was opened. */
  readonly openedAt: number
}

export type Architecture = 'X86_64' | 'ARM64'

/** A task: its entry in the journal, and what was asked for. */
export type Task = { readonly entry: Entry; readonly asked: Asked }

/** Every task that is remembered, oldest first; spares and shared ENIs are not among them. */
export const tasksOf = ({ journal }: Api): Task[] =>
  journal
    .all()
    .flatMap((entry) => taskOf(entry) ?? [])
    // One that took over a spare is as old as itself.
    .sort((a, b) => a.entry.timeline.createdAt - b.entry.timeline.createdAt)

/** Those of which something is left, or that are to run. */
export const livingTasks = ({ journal }: Api): Task[] =>
  journal.living().flatMap((entry) => taskOf(entry) ?? [])

/** The tasks with these ids that are remembered. */
export const tasksNamed = ({ journal }: Api, ids: readonly HolderId[]): Task[] =>
  ids.flatMap((id) => taskOf(journal.get(id)) ?? [])

const taskOf = (entry: Entry | undefined): Task | undefined =>
  entry?.holder.spec.kind === 'task' ? { entry, asked: askedOf(entry.holder.spec) } : undefined

/** The task that an id or ARN names, in this cluster where one is given. */
export function findTask(
  api: Api,
  { text, field, cluster }: { text: string; field: string; cluster?: string },
): Task | undefined {
  const reference = readTask(api.orders.host, text, field)
  const task = taskOf(api.journal.get(reference.id))
  const wanted = [cluster, reference.cluster].filter((name) => name !== undefined)
  return wanted.every((name) => name === task?.asked.cluster) ? task : undefined
}

/** The service that a name or ARN names in this cluster, INACTIVE ones included. */
export function findService(
  api: Api,
  { text, cluster }: { text: string; cluster: string },
): Service | undefined {
  const [name = '', owner = cluster, more] =
    resourceOf(api.orders.host, 'service', text)?.split('/').reverse() ?? []
  return more === undefined && owner === cluster ? api.services.get(`${owner}/${name}`) : undefined
}

/** The name of an active cluster, `default` where none is named. Throws ClusterNotFoundException. */
export function activeCluster({ catalog, orders }: Api, text = 'default'): string {
  const name = resourceOf(orders.host, 'cluster', text)
  if (name !== undefined && catalog.cluster(name)?.active === true) return name
  throw new AwsError('ClusterNotFoundException', `Cluster not found: ${shown(text)}`, {
    hint: 'Create it with create-cluster, or leave cluster out for "default"',
  })
}

/** The definition that is named, INACTIVE ones included. Throws as ECS does when there is none. */
export function findDefinition({ catalog, orders }: Api, text: string, field: string): Definition {
  const named = readDefinition(orders.host, text)
  const found = named && catalog.definition(named.family, named.revision)
  if (found !== undefined) return found
  throw new AwsError('ClientException', `TaskDefinition not found: ${shown(text)}`, {
    field,
    hint: 'Write family, family:revision or its ARN; list-task-definitions shows what there is',
    restStatus: 404,
  })
}

export const arnOf = ({ orders }: Api, { family, revision }: Definition): string =>
  definitionArn(orders.host, family, revision)
