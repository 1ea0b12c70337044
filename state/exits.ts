// The second small table: what follows from a container's exit or health. Pure, like task.ts.
//
//   exited, and its restart policy answers that     → it is started again, once its row is held
//   essential exited otherwise                      → the task stops
//   a waiter can never start (its edge cannot hold) → the task stops
//   anything else                                   → nothing; a waiter is woken by nextSteps itself.
//                                                     Sickness is told, and its service's business: a
//                                                     task without one goes on (ECS, HealthCheck)

import type { Condition, ContainerSpec } from './spec.ts'
import type { Event, Facts, Holder, Stop } from './task.ts'
import { makerOf, rowState } from './task.ts'

/** ECS's word for it, as the reason of a container. */
export const OUT_OF_MEMORY = 'OutOfMemoryError: Container killed due to memory usage'

/** What follows now, as the event that is to be written down; undefined where nothing does. */
export function consequence(holder: Holder): Event | undefined {
  if (holder.desired === 'stopped') return undefined
  const stop = overForGood(holder) ?? unreachable(holder)
  return stop === undefined ? restart(holder) : { type: 'stopAsked', stop }
}

/**
 * Whether this exit is answered by another start (ECS, "container restart policies"): it ran for
 * its attempt period, and the code is not one that is meant. There is no backoff: what ends sooner
 * stays ended.
 */
function isAnswered({ restart }: ContainerSpec, { exitCode, exitId, ranMs }: Facts): boolean {
  if (restart === undefined || exitCode === undefined || exitId === undefined) return false
  if (restart.ignoredExitCodes.includes(exitCode)) return false
  return ranMs !== undefined && ranMs >= restart.attemptPeriodMs
}

/** While a step may be at work on the row, what it found may be older than the exit: not yet. */
function restart(holder: Holder): Event | undefined {
  for (const container of holder.spec.containers) {
    const { name } = container
    const facts = holder.facts[name] ?? {}
    if (facts.exitId === undefined || !isAnswered(container, facts)) continue
    if (rowState(holder, `container:${name}`).is !== 'held') continue
    return { type: 'restartAsked', container: name, exitId: facts.exitId }
  }
  return undefined
}

function overForGood(holder: Holder): Stop | undefined {
  for (const container of holder.spec.containers) {
    const { name, essential } = container
    const facts = holder.facts[name] ?? {}
    if (!essential || isAnswered(container, facts)) continue
    if (facts.exitCode === undefined) continue
    const how = facts.outOfMemory ? `, ${OUT_OF_MEMORY}` : ''
    return {
      code: 'EssentialContainerExited',
      reason: `Essential container in task exited: ${name} (exit code ${facts.exitCode}${how})`,
    }
  }
  return undefined
}

function unreachable(holder: Holder): Stop | undefined {
  const { containers } = holder.spec
  for (const { name, dependsOn } of containers) {
    if (rowState(holder, makerOf(holder.spec, `container:${name}`)).is !== 'none') continue
    for (const { container, condition } of dependsOn) {
      const facts = holder.facts[container] ?? {}
      const other = containers.find((c) => c.name === container)
      if (!cannotHold[condition](facts) || (other && isAnswered(other, facts))) continue
      return {
        code: 'TaskFailedToStart',
        reason:
          `TaskDependencyError: container ${name} waits for ${container} to be ${condition}, ` +
          `which can no longer happen (${said(facts)})`,
      }
    }
  }
  return undefined
}

const cannotHold: Record<Condition, (facts: Facts) => boolean> = {
  START: () => false,
  COMPLETE: () => false,
  SUCCESS: ({ exitCode }) => exitCode !== undefined && exitCode !== 0,
  HEALTHY: ({ exitCode, healthy }) => exitCode !== undefined || healthy === false,
}

const said = ({ exitCode, healthy }: Facts): string =>
  exitCode === undefined ? `healthy: ${healthy}` : `exit code ${exitCode}`
