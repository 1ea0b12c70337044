// What a service does now: start so many tasks, stop these, or wait and say for what. Pure.
//
//   missing             started, as far as maximumPercent, the backoff and the host's room allow
//   too many            stopped: what does not run yet first, then the youngest
//   of an old revision, or sick
//                       stopped as healthy new ones take their place; before that only where a new one
//                       finds no room otherwise, and never below minimumHealthyPercent

import type { Deployment, See, Service } from './service.ts'
import { desiredOf, tasksOfDeployment } from './service.ts'
import type { HolderId } from './spec.ts'

/** Why nothing is started. `until`, where time alone ends it: milliseconds since the epoch. */
export type Wait = { readonly code: WaitCode; readonly why: string; readonly until?: number }
export type WaitCode =
  | 'Throttled'
  | 'DeploymentFailed'
  | 'DeploymentConfiguration'
  | 'TaskProtected'
  | 'NoRoom'
  | 'NeverFits'
  | 'HostDraining'
  | 'SubnetNotKnown'

export type Plan = {
  /** How many tasks of the primary deployment to start. */
  readonly launch: number
  readonly stop: readonly HolderId[]
  readonly wait?: Wait
  /** When time alone may change something, milliseconds since the epoch. */
  readonly lookAt?: number
}

/** How many tasks the host takes; with none, why. `comingFree`: places that are being given back. */
export type HostRoom = { readonly count: number; readonly comingFree: number; readonly wait?: Wait }

export type Situation = {
  readonly see: See
  readonly now: number
  readonly settleMs: number
  readonly backoff: Backoff
  /** Asked only where a task is missing. */
  readonly room: (deployment: Deployment) => HostRoom
}

/** Pauses after failures in a row, milliseconds. */
export type Backoff = { readonly secondMs: number; readonly maxMs: number }

/**
 * The first replacement comes at once, the second after 10 s, then twice as long each time (judgement),
 * up to ECS's longest pause, 27 minutes (ECS developer guide, "service throttle logic").
 */
export const BACKOFF: Backoff = { secondMs: 10_000, maxMs: 1_620_000 }

/** What to do now. Ask it after `observe`: the service's tasks are those that are up, or may be. */
export function plan(service: Service, situation: Situation): Plan {
  const { see } = situation
  const desired = desiredOf(service)
  const [primary, ...others] = service.deployments
  const all = rank(primary, see)
  const own = all.filter(({ isSick }) => !isSick)
  const old = [
    ...all.filter(({ isSick }) => isSick),
    ...others.flatMap((deployment) => rank(deployment, see)),
  ]
  const mayStop = (one: Ranked) => !one.isProtected || service.status !== 'ACTIVE'
  const lookAt = settlesAt([...own, ...old], situation)

  // Too many: the least worth first.
  const least = Math.ceil((desired * service.minimumHealthyPercent) / 100)
  const counted = [...own, ...old].filter(({ isHealthy }) => isHealthy)
  const surplus = atMost(own.filter(mayStop), own.length - desired, counted.length - least)
  const missing = Math.max(0, desired - own.length)
  const most = Math.floor((desired * service.maximumPercent) / 100)
  const allowed = Math.max(0, most - own.length - old.length)
  const wait = primary.rollout === 'FAILED' ? failedWait(primary) : throttled(primary, situation)
  const room =
    missing > 0 && wait === undefined ? situation.room(primary) : { count: 0, comingFree: 0 }
  const launch = wait === undefined ? Math.min(missing, allowed, room.count) : 0

  const staying = own.filter((t) => !surplus.includes(t))
  const going = replaced(service, { own: staying, old: old.filter(mayStop), desired })
  const isRoomMade = room.wait === undefined || room.wait.code === 'NoRoom'
  const lacking = wait === undefined ? missing - launch : 0
  const freed = going.length + (allowed > launch ? room.comingFree : 0)
  const healthyLeft = counted.filter((t) => !going.includes(t) && !surplus.includes(t)).length
  const rest = old.filter((t) => mayStop(t) && !going.includes(t))
  const count = isRoomMade ? lacking - freed : 0
  const madeRoom = atMost(rest, count, healthyLeft - least)
  const stop = [...surplus, ...going, ...madeRoom].map(({ id }) => id)
  const shown =
    wait ?? (lacking > 0 && stop.length === 0 ? blocked({ allowed, room, own, old }) : undefined)
  const until = shown?.until
  const next = [lookAt, until].filter((at) => at !== undefined)
  return {
    launch,
    stop,
    ...(missing > 0 && shown !== undefined ? { wait: shown } : {}),
    ...(next.length > 0 ? { lookAt: Math.min(...next) } : {}),
  }
}

type Ranked = {
  readonly id: HolderId
  readonly isHealthy: boolean
  readonly isSick: boolean
  /** Undefined while it does not run, and where nobody can tell. */
  readonly startedAt?: number
  readonly isProtected: boolean
  readonly hasCheck: boolean
  readonly createdAt: number
}

/** A deployment's tasks, the least worth first. What cannot be read is left alone. */
function rank(deployment: Deployment, see: See): Ranked[] {
  const all = tasksOfDeployment(deployment).map((id): Ranked => {
    const seen = see(id)
    const isHealthy = deployment.tasks[id] === 'healthy'
    const isSick = deployment.tasks[id] === 'sick'
    if (seen === undefined || seen === 'unreadable') {
      const alone = { isHealthy: false, isSick: false, isProtected: true }
      return { id, ...alone, hasCheck: true, createdAt: 0 }
    }
    const { startedAt, isProtected, createdAt, health } = seen
    const started = startedAt === undefined ? {} : { startedAt }
    return {
      id,
      isHealthy,
      isSick,
      isProtected,
      createdAt,
      hasCheck: health !== undefined,
      ...started,
    }
  })
  const worth = (task: Ranked) => (task.isHealthy ? 2 : task.startedAt === undefined ? 0 : 1)
  return all.toSorted((a, b) => worth(a) - worth(b) || b.createdAt - a.createdAt)
}

/** Old tasks that are not needed any more: healthy new ones stand for them, or they do not run yet. */
function replaced(
  { deployments: [primary] }: Service,
  { own, old, desired }: { own: readonly Ranked[]; old: readonly Ranked[]; desired: number },
): Ranked[] {
  const newHealthy = own.filter(({ isHealthy }) => isHealthy).length
  if (newHealthy >= desired) return [...old]
  // A deployment that was given up takes nothing away from the one before it.
  const pending = old.filter(({ startedAt }) => startedAt === undefined)
  const oldHealthy = old.filter(({ isHealthy }) => isHealthy)
  const covered = Math.max(0, newHealthy + oldHealthy.length - desired)
  return [...(primary.rollout === 'FAILED' ? [] : pending), ...oldHealthy.slice(0, covered)]
}

/** The first `count`, but of those that count as healthy no more than may be spared. */
function atMost(tasks: readonly Ranked[], count: number, spare: number): Ranked[] {
  if (count <= 0) return []
  const uncounted = tasks.filter(({ isHealthy }) => !isHealthy)
  const counted = tasks.filter(({ isHealthy }) => isHealthy).slice(0, Math.max(0, spare))
  return [...uncounted, ...counted].slice(0, count)
}

const failedWait = ({ id, lastFailure }: Deployment): Wait => ({
  code: 'DeploymentFailed',
  why:
    `deployment ${id} was given up by its circuit breaker` +
    `${lastFailure === undefined ? '' : ` (the last task: ${lastFailure.reason})`}; update the service`,
})

/** The pause after failures in a row. */
function throttled(deployment: Deployment, { now, backoff }: Situation): Wait | undefined {
  const { failedTasks, lastFailure } = deployment
  if (lastFailure === undefined || failedTasks < 2) return undefined
  const pauseMs = Math.min(backoff.maxMs, backoff.secondMs * 2 ** (failedTasks - 2))
  const until = lastFailure.at + pauseMs
  if (now >= until) return undefined
  return {
    code: 'Throttled',
    why: `${failedTasks} tasks in a row failed to start; the last: ${lastFailure.reason}`,
    until,
  }
}

/** Why a missing task is neither started nor made room for. */
function blocked(given: {
  allowed: number
  room: HostRoom
  own: readonly Ranked[]
  old: readonly Ranked[]
}): Wait | undefined {
  const { allowed, room, own, old } = given
  if (allowed > 0) return room.wait
  // Something is still coming up: what counts then may make room.
  if ([...own, ...old].some((task) => !task.isHealthy && !task.isProtected)) return undefined
  if (old.some(({ isProtected }) => isProtected)) {
    const ids = old.filter(({ isProtected }) => isProtected).map(({ id }) => id)
    return { code: 'TaskProtected', why: `old tasks are protected: ${ids.join(', ')}` }
  }
  return {
    code: 'DeploymentConfiguration',
    why:
      'unable to stop or start tasks during a deployment because of the service deployment ' +
      'configuration. Update the minimumHealthyPercent or maximumPercent value and try again',
  }
}

/** When the next task without a health check counts as healthy. */
function settlesAt(tasks: readonly Ranked[], { settleMs }: Situation): number | undefined {
  const times = tasks.flatMap(({ isHealthy, hasCheck, startedAt }) =>
    isHealthy || hasCheck || startedAt === undefined ? [] : [startedAt + settleMs],
  )
  return times.length === 0 ? undefined : Math.min(...times)
}
