// Whoever waits for a container (dependsOn) waits no longer than that container's startTimeout, counted
// from its start by the journal's own times, so that an agent that was away counts them too.

import type { Entry, Journal } from '../state/journal.ts'
import { type Holder, isTrue, makerOf, type RowId, rowState, type Stop } from '../state/task.ts'
import type { Clock } from './clock.ts'
import { Failure } from './failure.ts'
import type { Runner } from './runner.ts'

/** Between two looks, milliseconds: ECS's shortest startTimeout is 2 s. */
const LOOK_MS = 500

/**
 * Looks for as long as a task is on its way up in which somebody may wait too long, and not
 * otherwise. Answers the way to end it.
 */
export function watchStartTimeouts(options: {
  readonly journal: Journal
  readonly runner: Pick<Runner, 'stop'>
  readonly clock: Pick<Clock, 'after' | 'now'>
  readonly onDefect: (error: unknown) => void
}): () => void {
  const { journal, runner, clock, onDefect } = options
  let cancel: (() => void) | undefined
  const look = () => {
    cancel = undefined
    try {
      stopOverdue(journal, runner, clock.now())
    } catch (error) {
      onDefect(error)
    }
    lookAgain()
  }
  const lookAgain = () => {
    if (journal.living().some(({ holder }) => mayWait(holder)))
      cancel ??= clock.after(LOOK_MS, look)
  }
  const unfollow = journal.follow(({ holder }) => {
    if (cancel === undefined && mayWait(holder)) lookAgain()
  })
  lookAgain()
  return () => {
    unfollow()
    cancel?.()
  }
}

/** Whether it has not run yet, and one of its containers has a startTimeout. */
const mayWait = ({ desired, ran, spec }: Holder): boolean =>
  desired === 'running' && !ran && spec.containers.some((c) => c.startTimeoutMs !== undefined)

/**
 * Stops every task in which somebody has waited too long. `now`: milliseconds since the epoch. What
 * cannot be written down now is due at the next look, and nothing is kept for it meanwhile.
 */
export function stopOverdue(journal: Journal, runner: Pick<Runner, 'stop'>, now: number): void {
  for (const entry of journal.living()) {
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
