// What a driver is told of a step: one row of one holder, read off the journal.

import { clientToken } from '../state/allocation.ts'
import type { Entry } from '../state/journal.ts'
import type { RowId, Step } from '../state/task.ts'
import { rowState } from '../state/task.ts'
import type { Job } from './drivers/driver.ts'

/**
 * What the driver is told. `retried`: this life has tried before, so it must look first. `leftMs`:
 * how long the step may still take before its task gives up. `onCall`: told of each call to EC2.
 */
export function jobOf(
  entry: Entry,
  step: Step,
  {
    retried = false,
    leftMs = Number.POSITIVE_INFINITY,
    onCall,
  }: { readonly retried?: boolean; readonly leftMs?: number } & Pick<Job, 'onCall'> = {},
): Job {
  const { id, holder } = entry
  const { choice, struck } = rowState(holder, step.row)
  const container = /^container:(.+)/.exec(step.row)?.[1]
  const { answeredExitId } = (container && holder.facts[container]) || {}
  const known = <K>(row: RowId) => rowState(holder, row).details as K | undefined
  return {
    holderId: id,
    spec: holder.spec,
    row: step.row,
    again: step.again || retried,
    leftMs,
    ...(choice === undefined ? {} : { choice }),
    ...(answeredExitId === undefined ? {} : { answeredExitId }),
    ...(onCall === undefined ? {} : { onCall }),
    token: clientToken(id, step.row, struck.length),
    choiceOf: (row) => rowState(holder, row).choice,
    known: (_kind, row) => known(row),
    details: (kind, row) => {
      const found = known<never>(row)
      if (found === undefined) throw new Error(`${step.row} needs details of ${row} (${kind})`)
      return found
    },
  }
}
