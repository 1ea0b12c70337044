// The second small table: what follows from a container's exit or health. Pure, like task.ts.
//
//   essential exited                                → the task stops
//   a waiter can never start (its edge cannot hold) → the task stops
//   anything else                                   → nothing; a waiter is woken by nextSteps itself

import type { Condition } from './spec.ts'
import type { Facts, Holder, Stop } from './task.ts'
import { rowState } from './task.ts'

/** Why this holder must stop because of what its containers did, or undefined. */
export function exitStop(holder: Holder): Stop | undefined {
  if (holder.desired === 'stopped') return undefined
  for (const { name, essential } of holder.spec.containers) {
    const { exitCode, healthy } = holder.facts[name] ?? {}
    if (essential && exitCode !== undefined) {
      return {
        code: 'EssentialContainerExited',
        reason: `Essential container in task exited: ${name} (exit code ${exitCode})`,
      }
    }
    if (essential && healthy === false) {
      return {
        code: 'EssentialContainerExited',
        reason: `Task failed container health checks: ${name}`,
      }
    }
  }
  return unreachable(holder)
}

function unreachable(holder: Holder): Stop | undefined {
  for (const { name, dependsOn } of holder.spec.containers) {
    if (rowState(holder, `container:${name}`).is !== 'none') continue
    for (const { container, condition } of dependsOn) {
      const facts = holder.facts[container] ?? {}
      if (!cannotHold[condition](facts)) continue
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
