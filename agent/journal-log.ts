// The journal, said aloud: one line per row, with constant keys, so that `grep` and a log store can
// follow one task, one ENI or one step.

import type { Logger } from 'pino'
import type { Entry } from '../state/journal.ts'
import type { Event } from '../state/task.ts'
import { rowState } from '../state/task.ts'

/** One line per journal row, with constant keys. */
export function logEvent(log: Logger, { id, holder, timeline }: Entry, event: Event): void {
  const ofContainer = 'container' in event ? (`container:${event.container}` as const) : undefined
  const row = 'row' in event ? event.row : ofContainer
  const last = timeline.steps.findLast((s) => s.row === row)
  const durationMs =
    event.type === 'done' && last?.doneAt !== undefined ? last.doneAt - last.beganAt : undefined
  const eniId = (rowState(holder, 'eni:0').details as { eniId?: string } | undefined)?.eniId
  const cause = 'cause' in event ? `${event.cause.code}: ${event.cause.message}` : undefined
  const step = 'verb' in event ? event.verb : undefined
  const calls = 'course' in event ? event.course?.calls : undefined
  const requestIds = calls?.flatMap(({ requestId }) => requestId ?? [])
  const times = { durationMs, requestIds }
  const fields = { task: id, event: event.type, step, row, eni: eniId, ...times, cause }
  log.info(fields, [event.type, step, row].filter(Boolean).join(' '))
}
