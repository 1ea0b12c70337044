// Whoever waits for a container (dependsOn) waits no longer than that container's startTimeout, counted
// from its start. Pure: read off the journal's own times, so an agent that was away counts them too.

import type { Entry } from '../state/journal.ts'
import { type Event, isTrue, type RowId, rowState } from '../state/task.ts'

/** Of one task: the refusals of containers that have waited too long. `now`: milliseconds since the epoch. */
export function waitedTooLong({ holder, timeline }: Entry, now: number): Event[] {
  if (holder.desired === 'stopped' || holder.ran) return []
  const { containers } = holder.spec
  return containers.flatMap(({ name, dependsOn }): Event[] => {
    const row: RowId = `container:${name}`
    if (rowState(holder, row).is !== 'none') return []
    for (const { container, condition } of dependsOn) {
      const { startTimeoutMs } = containers.find((one) => one.name === container) ?? {}
      const started = timeline.steps.find(
        (step) => step.row === `container:${container}` && step.verb === 'ensure',
      )
      if (startTimeoutMs === undefined || started?.doneAt === undefined) continue
      if (now - started.doneAt < startTimeoutMs || isTrue(holder, container, condition)) continue
      const seconds = startTimeoutMs / 1000
      const message =
        `container ${name} waited for ${container} to be ${condition}, which it is not ${seconds} s ` +
        'after its start (startTimeout)'
      return [{ type: 'refused', row, cause: { code: 'TaskDependencyError', message } }]
    }
    return []
  })
}
