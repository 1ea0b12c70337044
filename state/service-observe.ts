// What a service learns of its tasks: each that runs for long enough counts as healthy, and each end is
// counted once. Pure.

import type { Deployment, Learned, See, Service, TaskSeen } from './service.ts'
import { named, SICK, tasksOfDeployment } from './service.ts'
import { conclude, withDeployments } from './service-rollout.ts'
import type { HolderId } from './spec.ts'
import type { Stop } from './task.ts'

/** Learns what became of its tasks. `settleMs`: see SETTLE_MS. */
export function observe(
  before: Service,
  { see, now, settleMs }: { see: See; now: number; settleMs: number },
): Learned {
  const stopped: HolderId[] = []
  const sick: HolderId[] = []
  const look = (deployment: Deployment): Deployment =>
    tasksOfDeployment(deployment).reduce(
      (after, id) => {
        const seen = see(id)
        if (seen === 'unreadable') return after
        if (seen?.isUp === true && seen.health === 'UNHEALTHY') {
          if (after.tasks[id] !== 'sick') sick.push(id)
          return sickened(after, id, now)
        }
        if (seen?.isUp === true) {
          return isHealthy(seen, now, settleMs) ? healthy(before, after, id) : after
        }
        if (seen?.stop?.code === 'ServiceSchedulerInitiated') stopped.push(id)
        return ended(after, id, seen?.stop, now)
      },
      notAhead(deployment, now),
    )
  const [primary, ...others] = before.deployments
  const looked: Service = withDeployments(before, [look(primary), ...others.map(look)])
  const says = [
    ...sick.map((id) => `(service ${before.name}) (task ${id}) failed container health checks.`),
    ...(stopped.length === 0 ? [] : [stoppedText(before.name, stopped)]),
  ]
  return conclude({ service: looked, says }, now)
}

const stoppedText = (name: string, ids: readonly HolderId[]): string =>
  `(service ${name}) has stopped ${ids.length} running tasks: ${named(ids)}.`

/** Where the clock was set back, the pause after a failure begins anew instead of lasting for hours. */
function notAhead(deployment: Deployment, now: number): Deployment {
  const { lastFailure } = deployment
  if (lastFailure === undefined || lastFailure.at <= now) return deployment
  return { ...deployment, lastFailure: { ...lastFailure, at: now } }
}

function isHealthy({ startedAt, health }: TaskSeen, now: number, settleMs: number): boolean {
  if (startedAt === undefined) return false
  if (health !== undefined) return health === 'HEALTHY'
  // Where the clock was set back it started at some time before that.
  return now >= startedAt + settleMs || now < startedAt
}

function healthy({ breaker }: Service, deployment: Deployment, id: HolderId): Deployment {
  if (deployment.tasks[id] === 'healthy') return deployment
  const { lastFailure: _, ...rest } = deployment
  const failedTasks = breaker?.resets === false ? deployment.failedTasks : 0
  return { ...rest, failedTasks, tasks: { ...deployment.tasks, [id]: 'healthy' } }
}

/** Its sickness is a failure, counted once: its end is none then. */
function sickened(deployment: Deployment, id: HolderId, at: number): Deployment {
  if (deployment.tasks[id] === 'sick') return deployment
  return {
    ...deployment,
    tasks: { ...deployment.tasks, [id]: 'sick' },
    failedTasks: deployment.failedTasks + 1,
    lastFailure: { at, reason: SICK },
  }
}

/** Its end is counted, if it is one of its own doing, and the service has it no more. */
function ended(
  deployment: Deployment,
  id: HolderId,
  stop: Stop | undefined,
  at: number,
): Deployment {
  const { [id]: was, ...tasks } = deployment.tasks
  if (stop === undefined || was !== 'launched' || !isFailure(stop)) return { ...deployment, tasks }
  const lastFailure = { at, reason: stop.reason.slice(0, 255) }
  return { ...deployment, tasks, lastFailure, failedTasks: deployment.failedTasks + 1 }
}

/**
 * ECS counts a task that never was RUNNING or failed a health check. One that ended before it counted
 * as healthy is the same to whoever waits for it: a container that exits after a second never comes up.
 */
const isFailure = ({ code, reason }: Stop): boolean =>
  (code === 'TaskFailedToStart' || code === 'EssentialContainerExited') &&
  !reason.startsWith('HostRebooted')
