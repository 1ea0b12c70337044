// Lent ENIs that may be attached to this host by an Attach of ours that nobody heard of any more: EC2
// carried it out when its task was over and everything had been looked at. A lent ENI wears no mark, so the
// journal says it: the Attach was begun, no answer came, the task is over. It may as well be its owner's
// doing, at the same index by chance: so it is told, and detached only when a person says so. Pure.

import type { HolderId } from '../state/spec.ts'
import type { RowId } from '../state/task.ts'
import { rowState } from '../state/task.ts'
import type { SeenEni } from './drivers/survey.ts'
import type { Claims } from './suspects.ts'

/** One such Attach: of which task, and where the ENI would stand. */
export type Unheard = {
  readonly holderId: HolderId
  readonly row: RowId
  readonly eniId: string
  readonly deviceIndex: number
}

/** All of them, as long as their tasks are remembered. */
export function unheardAttaches(journal: Claims): Unheard[] {
  return journal.all().flatMap(({ id: holderId, holder }) => {
    if (holder.desired !== 'stopped') return []
    return holder.spec.enis.flatMap(({ lentEniId }, n) => {
      const row: RowId = `attachment:${n}`
      const { is, choice, details } = rowState(holder, row)
      const eni = rowState(holder, `eni:${n}`)
      // One that was never taken was never attached either.
      const wasTaken = lentEniId !== undefined && eni.is === 'none' && eni.details !== undefined
      const isUnheard = wasTaken && is === 'none' && choice !== undefined && details === undefined
      return isUnheard ? [{ holderId, row, eniId: lentEniId, deviceIndex: Number(choice) }] : []
    })
  })
}

/** The one that explains why this ENI is attached here, if any does. */
export const explaining = (
  unheard: readonly Unheard[],
  { eniId, attachment }: SeenEni,
  instanceId: string,
): Unheard | undefined =>
  unheard.find(
    (one) =>
      one.eniId === eniId &&
      attachment?.instanceId === instanceId &&
      attachment.deviceIndex === one.deviceIndex &&
      attachment.status !== 'detaching',
  )
