// A service: so many tasks of one definition, kept on this host; what is kept of it, and what it learns
// from its tasks. Pure: no clock, no I/O, no randomness.
//
//   tasks as they are ──▶ observe ──▶ each end counted once; a rollout completed, failed, rolled back
//                         plan (service-plan.ts) ──▶ start so many, stop these, or wait and why
//
// A task is the service's from the commit that begins it, which writes both rows, until its end was
// seen. So nothing is started twice for one missing task, wherever the agent dies.

import type { HolderId, Json, Spec } from './spec.ts'
import type { Stop } from './task.ts'

/** One revision of a service: what its tasks are begun with, and how that goes. */
export type Deployment = {
  /** ECS: `ecs-svc/` and digits; its tasks are `startedBy` it. */
  readonly id: string
  /** What each of its tasks is begun with, whole: nothing is read anew when one is replaced. */
  readonly spec: Spec
  /** Put on each task, under its ARN: `arnPrefix` and its id. */
  readonly tags: Readonly<Record<string, string>>
  readonly arnPrefix: string
  /** In the words of whoever asked for it; not decided upon. */
  readonly asked: Json
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly rollout: 'IN_PROGRESS' | 'COMPLETED' | 'FAILED'
  readonly rolloutReason: string
  /**
   * Its tasks whose end was not seen yet. `healthy`: it counts towards the minimum. `sick`: its health
   * check failed, and another one is to take its place.
   */
  readonly tasks: Readonly<Record<HolderId, 'launched' | 'healthy' | 'sick'>>
  /** Tasks in a row that ended by themselves before they counted as healthy, or became sick. */
  readonly failedTasks: number
  readonly lastFailure?: { readonly at: number; readonly reason: string }
}

/** When a deployment is given up (ECS, DeploymentCircuitBreaker). */
export type Breaker = {
  readonly rollback: boolean
  /** Whether a healthy task sets the count back to 0. */
  readonly resets: boolean
  readonly threshold: {
    readonly type: 'BOUNDED_PERCENT' | 'UNBOUNDED_PERCENT' | 'COUNT'
    readonly value: number
  }
}

export type Service = {
  readonly cluster: string
  readonly name: string
  readonly arn: string
  readonly strategy: 'REPLICA' | 'DAEMON'
  /** DRAINING: deleted, and tasks are left. INACTIVE: nothing is left of it but its name. */
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE'
  readonly desiredCount: number
  readonly minimumHealthyPercent: number
  readonly maximumPercent: number
  readonly breaker?: Breaker
  readonly createdAt: number
  readonly endedAt?: number
  readonly isSteady: boolean
  /** What it last said it waits for, so that it says so once. */
  readonly told?: string
  /** The request that made it, for asking again. */
  readonly request: string
  readonly clientToken?: string
  /** The primary first, then the newest. */
  readonly deployments: readonly [Deployment, ...Deployment[]]
}

/** A task as the journal shows it. */
export type TaskSeen = {
  /** Whether it is meant to run. */
  readonly isUp: boolean
  readonly createdAt: number
  /** Since when it is RUNNING. */
  readonly startedAt?: number
  /** What its essential health checks say together; undefined where it has none. */
  readonly health?: 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'
  readonly stop?: Stop
  /** Whether neither a deployment nor a smaller count may stop it (ECS: task protection). */
  readonly isProtected: boolean
}

/** `unreadable`: its record is in quarantine, and it may be running. Undefined: it is forgotten. */
export type See = (id: HolderId) => TaskSeen | 'unreadable' | undefined

/** What a service learned, and what it has to say of that (its events, oldest first). */
export type Learned = { readonly service: Service; readonly says: readonly string[] }

/**
 * How long a task without a health check is RUNNING before it counts as healthy, milliseconds (ECS
 * API reference, DeploymentConfiguration.minimumHealthyPercent).
 */
export const SETTLE_MS = 40_000

/** ECS's reason of a task that its service stops for its health. */
export const SICK = 'Task failed container health checks'

/** The key of a service: what stands last in its ARN. */
export const serviceKey = ({ cluster, name }: Pick<Service, 'cluster' | 'name'>): string =>
  `${cluster}/${name}`

/** How many tasks it is to have: one of a DAEMON, which has one for each host. */
export function desiredOf({ status, strategy, desiredCount }: Service): number {
  if (status !== 'ACTIVE') return 0
  return strategy === 'DAEMON' ? 1 : desiredCount
}

/** The ids of a deployment's tasks that are not known to have ended. */
export const tasksOfDeployment = ({ tasks }: Deployment): HolderId[] => Object.keys(tasks)

/** A task began under this id, in one commit with this service. */
export function launched(service: Service, ids: readonly HolderId[]): Learned {
  const [primary, ...others] = service.deployments
  const begun = Object.fromEntries(ids.map((id) => [id, 'launched' as const]))
  const tasks = { ...primary.tasks, ...begun }
  const says = `(service ${service.name}) has started ${ids.length} tasks: ${named(ids)}.`
  const { told: _, ...rest } = service
  return {
    service: { ...rest, isSteady: false, deployments: [{ ...primary, tasks }, ...others] },
    says: [says],
  }
}

/** A new revision takes the first place; those before it go as its tasks come. */
export const deploy = (service: Service, deployment: Deployment): Service => ({
  ...service,
  isSteady: false,
  deployments: [deployment, ...service.deployments],
})

/** Tasks as ECS's events name them. */
export const named = (ids: readonly HolderId[]): string => ids.map((id) => `(task ${id})`).join(' ')
