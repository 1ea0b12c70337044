// An entry and what is told of it, made into the entry after that. Pure.

import type { Entry } from './ends.ts'
import type { Event } from './task.ts'
import { learn, nextSteps } from './task.ts'
import { note } from './timeline.ts'

/** An event as the file has it. */
export type EventRow = { readonly at: number; readonly event: string }

/** The entry after all of them. Throws where one of them cannot follow. */
export function fold(first: Entry, events: readonly EventRow[]): Entry {
  const entry = events.reduce(
    (before, { at, event }) => follow(before, JSON.parse(event) as Event, at),
    first,
  )
  // A spec that cannot be laid out would throw wherever it is met, with no event to blame.
  nextSteps(entry.holder)
  return entry
}

/** The entry after one event. */
export function follow(entry: Entry, event: Event, at: number): Entry {
  const before = entry.holder
  const after = learn(before, event)
  return {
    id: entry.id,
    holder: after,
    timeline: note(entry.timeline, { before, after, event, at }),
  }
}
