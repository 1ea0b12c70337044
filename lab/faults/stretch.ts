// A change drawn out in time: what EC2 and the host would show one after another, where the lab by
// itself shows it at once. Pure: it turns one Change into another, and the region keeps the times.

import type { Attachment, NetworkInterface, World } from '../model/world.ts'
import { withEni } from '../model/world.ts'
import type { Change, Later } from '../region.ts'
import type { CallPlan } from './call-plan.ts'

/** The times of a plan that stretch a change. */
export type Times = Pick<CallPlan, 'afterMs' | 'settleMs' | 'linkMs' | 'againMs'>

/** The same change with its times apart. `eniId` is the ENI that the call attaches, if it does. */
export function stretch<T>(
  change: Change<T>,
  eniId: string | undefined,
  { afterMs, settleMs, linkMs, againMs }: Times,
): Change<T> {
  const { settle, ...rest } = change
  const later: Later[] = []
  if (settle !== undefined && settleMs > 0) later.push({ afterMs: settleMs, become: settle })
  const kept = settle !== undefined && settleMs === 0 ? { settle } : {}
  const attachmentId = change.world.enis.get(eniId ?? '')?.attachment?.attachmentId
  if (attachmentId === undefined) return { ...rest, ...kept, later }

  const go = (world: World): World => relinked(world, attachmentId, false)
  const come = (world: World): World => relinked(world, attachmentId, true)
  // The link's clock starts with the answer.
  const appearsMs = linkMs > 0 ? linkMs + afterMs : 0
  if (appearsMs > 0 && appearsMs < Number.POSITIVE_INFINITY) {
    later.push({ afterMs: appearsMs, become: come })
  }
  if (againMs !== undefined && appearsMs < Number.POSITIVE_INFINITY) {
    later.push({ afterMs: appearsMs + againMs, become: go })
    later.push({ afterMs: appearsMs + 2 * againMs, become: come })
  }
  const world = appearsMs > 0 ? go(change.world) : change.world
  return { ...rest, ...kept, world, later }
}

/** The world with the link of that attachment there, or not; unchanged where it has ended. */
function relinked(world: World, attachmentId: string, there: boolean): World {
  for (const eni of world.enis.values()) {
    const { attachment } = eni
    if (attachment?.attachmentId !== attachmentId) continue
    if ((attachment.unlinked !== true) === there) return world
    return withEni(world, withLink(eni, attachment, there))
  }
  return world
}

function withLink(
  eni: NetworkInterface,
  { unlinked: _was, ...attachment }: Attachment,
  there: boolean,
): NetworkInterface {
  return { ...eni, attachment: there ? attachment : { ...attachment, unlinked: true } }
}
