// What a service sees of a task, and what it says of what it waits for.

import type { Entry } from '../state/journal.ts'
import { isProtected } from '../state/protection.ts'
import type { Learned, Service, TaskSeen } from '../state/service.ts'
import { SICK } from '../state/service.ts'
import type { Wait } from '../state/service-plan.ts'
import type { HolderId } from '../state/spec.ts'
import type { Stop } from '../state/task.ts'

/** What a wait has to say is said once; it is forgotten when there is none. */
export function tell({ service, says }: Learned, wait: Wait | undefined): Learned {
  if (wait?.code === service.told) return { service, says }
  const { told: _, ...rest } = service
  if (wait === undefined) return { service: rest, says }
  const text = WORDS[wait.code](wait.why, service.deployments[0].id)
  return {
    service: { ...rest, told: wait.code },
    says: [...says, `(service ${service.name}) ${text}`],
  }
}

/** ECS's sentences, and the cause. */
const WORDS: Readonly<Record<Wait['code'], (why: string, deployment: string) => string>> = {
  Throttled: (why) => `is unable to consistently start tasks successfully: ${why}`,
  DeploymentFailed: (why) => `starts no more tasks: ${why}`,
  DeploymentConfiguration: (why, id) => `(deployment ${id}) was ${why}.`,
  TaskProtected: (why, id) => `(deployment ${id}) waits: ${why}`,
  NoRoom: (why) => `was unable to place a task: ${why}`,
  NeverFits: (why) => `has tasks that can never be placed on this host: ${why}`,
  HostDraining: (why) => `was unable to place a task: ${why}`,
  SubnetNotKnown: (why) => `was unable to place a task yet: ${why}`,
}

/** Why a service stops this task, in ECS's words. */
export function stopOf({ deployments }: Service, id: HolderId): Stop {
  const isSick = deployments.some(({ tasks }) => tasks[id] === 'sick')
  const scaling = `Scaling activity initiated by (deployment ${deployments[0].id})`
  return { code: 'ServiceSchedulerInitiated', reason: isSick ? SICK : scaling }
}

/** A task as a service looks at it. */
export function seenOf({ holder, timeline }: Entry, now: number): TaskSeen {
  const { startedAt, createdAt } = timeline
  const checked = holder.spec.containers.filter((c) => c.essential && c.healthCheck !== undefined)
  const said = checked.map(({ name }) => holder.facts[name]?.healthy)
  const health = said.includes(false) ? 'UNHEALTHY' : said.every(Boolean) ? 'HEALTHY' : 'UNKNOWN'
  return {
    isUp: holder.desired === 'running',
    createdAt,
    isProtected: isProtected(holder, now),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(checked.length === 0 ? {} : { health }),
    ...(holder.stop === undefined ? {} : { stop: holder.stop }),
  }
}
