// Lent ENIs that may be attached to this host by an Attach of ours that nobody heard of any more: EC2
// carried it out when its task was over and everything had been looked at. A lent ENI wears no mark, so the
// journal says it: the Attach was begun, no answer came, the task is over. It may as well be its owner's
// doing, at the same index by chance: so it is told, and detached only when a person says so. Pure.

import { headOf } from '../state/ends.ts'
import type { HolderId } from '../state/spec.ts'
import { type UnheardAttach, unheardAttaches } from '../state/unheard.ts'
import type { SeenEni } from './drivers/survey.ts'
import type { Claims } from './suspects.ts'

/** One such Attach, and of which task. */
export type Unheard = UnheardAttach & { readonly holderId: HolderId }

/** All of them, as long as their tasks are remembered. */
export function unheardOf(journal: Claims): Unheard[] {
  const heads = [...journal.living().map(headOf), ...journal.ended()]
  return heads.flatMap(({ id: holderId, hasUnheard }) => {
    const holder = hasUnheard ? journal.get(holderId)?.holder : undefined
    return holder === undefined ? [] : unheardAttaches(holder).map((one) => ({ ...one, holderId }))
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
