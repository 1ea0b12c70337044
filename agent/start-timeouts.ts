// Whoever waits for a container (dependsOn) waits no longer than that container's startTimeout, counted
// from its start by the journal's own times, so that an agent that was away counts them too.

import type { Entry, Journal } from '../state/journal.ts'
import { isTrue, makerOf, type RowId, rowState, type Stop } from '../state/task.ts'
import { Failure } from './failure.ts'
import type { Runner } from './runner.ts'

/**
 * Stops every task in which somebody has waited too long. `now`: milliseconds since the epoch. What
 * cannot be written down now is due at the next look, and nothing is kept for it meanwhile.
 */
export function stopOverdue(journal: Journal, runner: Pick<Runner, 'stop'>, now: number): void {
  for (const entry of journal.all()) {
    const stop = waitedTooLong(entry, now)
    if (stop === undefined) continue
    try {
      runner.stop(entry.id, stop)
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'transient') throw error
    }
  }
}

/** Why the task stops, where one of its containers has waited too long. Pure. */
export function waitedTooLong({ holder, timeline }: Entry, now: number): Stop | undefined {
  if (holder.desired === 'stopped' || holder.ran) return undefined
  const { containers } = holder.spec
  for (const { name, dependsOn } of containers) {
    const row: RowId = `container:${name}`
    if (rowState(holder, makerOf(holder.spec, row)).is !== 'none') continue
    for (const { container, condition } of dependsOn) {
      const { startTimeoutMs } = containers.find((one) => one.name === container) ?? {}
      const started = timeline.steps.find(
        (step) => step.row === `container:${container}` && step.verb === 'ensure',
      )
      if (startTimeoutMs === undefined || started?.doneAt === undefined) continue
      if (now - started.doneAt < startTimeoutMs || isTrue(holder, container, condition)) continue
      const reason =
        `TaskDependencyError: container ${name} waited for ${container} to be ${condition}, which ` +
        `it is not ${startTimeoutMs / 1000} s after its start (startTimeout)`
      return { code: 'TaskFailedToStart', reason, row }
    }
  }
  return undefined
}
