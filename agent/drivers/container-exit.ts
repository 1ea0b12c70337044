// How a container ended, in Docker's words. Docker keeps FinishedAt over the next start and through
// a start that fails, and sets it anew at the next exit: it names one exit of one container.

import type { Exit } from '../../state/task.ts'
import type { ContainerFacts } from './docker.ts'

/** What Docker shows of a container that has never ended. */
const NEVER = '0001-01-01T00:00:00Z'

/**
 * Its last exit. Where somebody has started it again meanwhile, nobody can tell any more how long it
 * had run, nor with what code it ended: then `exitId` alone holds.
 */
export function exitOf({ State: state }: ContainerFacts): Exit {
  const { ExitCode: exitCode, FinishedAt: exitId, StartedAt: startedAt } = state
  if (exitId === NEVER) return { exitCode }
  if (state.Running) return { exitCode, exitId }
  const ranMs = Date.parse(exitId) - Date.parse(startedAt)
  return { exitCode, exitId, ranMs, ...(state.OOMKilled ? { outOfMemory: true } : {}) }
}
