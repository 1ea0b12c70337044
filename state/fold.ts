// What the events of a holder come to: one after the other, from the state file or as they happen.

import type { Database } from './database.ts'
import type { Entry } from './ends.ts'
import type { HolderId, Spec } from './spec.ts'
import type { Event } from './task.ts'
import { learn, newHolder, nextSteps } from './task.ts'
import { newTimeline, note } from './timeline.ts'

type HolderRow = { readonly spec: string; readonly created_at: number }
type EventRow = { readonly at: number; readonly event: string }

/**
 * The entry as the file has it: from its beginning, or from where its end left it. Throws where an
 * event cannot follow from what came before, or the spec cannot be laid out.
 */
export function fold(db: Database, id: HolderId, end?: Entry): Entry {
  const events = db
    .prepare<[string], EventRow>('SELECT at, event FROM events WHERE holder = ? ORDER BY seq')
    .all(id)
  const entry = events.reduce(
    (before, { at, event }) => follow(before, JSON.parse(event) as Event, at),
    end ?? first(db, id),
  )
  // A spec that cannot be laid out would throw wherever it is met, with no event to blame.
  nextSteps(entry.holder)
  return entry
}

function first(db: Database, id: HolderId): Entry {
  const row = db
    .prepare<[string], HolderRow>('SELECT spec, created_at FROM holders WHERE id = ?')
    .get(id)
  if (row === undefined) throw new Error(`no holder ${id} in the state file`)
  const holder = newHolder(JSON.parse(row.spec) as Spec)
  return { id, holder, timeline: newTimeline(row.created_at) }
}

/** The entry after one event more; `at`: milliseconds since the epoch. Throws as `learn` does. */
export function follow(entry: Entry, event: Event, at: number): Entry {
  const before = entry.holder
  const after = learn(before, event)
  const timeline = note(entry.timeline, { before, after, event, at })
  return { id: entry.id, holder: after, timeline }
}
