// What tasks wait for, gathered from everything that lets them wait: asked once, not once a task.

import type { HolderId } from '../state/spec.ts'
import type { Waiting } from './orders.ts'

/** Something that lets steps wait. */
export type Waits = { waits(): Iterable<readonly [HolderId, Waiting]> }

/** By holder, in the order of the sources. */
export function waitsOf(sources: readonly Waits[]): ReadonlyMap<HolderId, readonly Waiting[]> {
  const byHolder = new Map<HolderId, Waiting[]>()
  for (const source of sources) {
    for (const [id, waiting] of source.waits()) {
      const all = byHolder.get(id) ?? []
      byHolder.set(id, all)
      all.push(waiting)
    }
  }
  return byHolder
}
