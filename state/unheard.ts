// Which Attaches of lent ENIs were begun for a task that is over, and never heard of: EC2 may carry them
// out yet. A lent ENI wears no mark, so nothing but this says it. Pure.

import type { Holder, RowId } from './task.ts'
import { rowState } from './task.ts'

/** One of them: which row began it, and where the ENI would stand. */
export type UnheardAttach = {
  readonly row: RowId
  readonly eniId: string
  readonly deviceIndex: number
}

/** All of them, of a holder that is to stop. */
export function unheardAttaches(holder: Holder): UnheardAttach[] {
  if (holder.desired !== 'stopped') return []
  return holder.spec.enis.flatMap(({ lentEniId }, n) => {
    const row: RowId = `attachment:${n}`
    const { is, choice, struck, details } = rowState(holder, row)
    const eni = rowState(holder, `eni:${n}`)
    // One that was never taken was never attached either.
    const wasTaken = lentEniId !== undefined && eni.is === 'none' && eni.details !== undefined
    if (!wasTaken || is !== 'none' || details !== undefined) return []
    // One that was struck in the end may have been tried before, without an answer.
    const indices = choice === undefined ? struck : [...struck, choice]
    return indices.map((index) => ({ row, eniId: lentEniId, deviceIndex: Number(index) }))
  })
}
