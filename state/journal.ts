// What is remembered of every holder: the spec it began with and every event since, append-only.
// What a holder *is* is never stored: it is the fold of its events, so nothing can disagree.
//
//   append(event) ──▶ row in `events` (durable) ──▶ learn() ──▶ the holder in memory
//
// A row that cannot be folded is set aside (quarantined) and reported; the rest goes on.

import { withCredentialsId } from './credentials-id.ts'
import type { Database, Statement } from './database.ts'
import { onFile } from './database.ts'
import type { Placed } from './spare.ts'
import type { HolderId, Spec } from './spec.ts'
import type { Event, Holder, RowId } from './task.ts'
import { learn, newHolder, nextSteps } from './task.ts'
import type { Timeline } from './timeline.ts'
import { newTimeline, note } from './timeline.ts'

/** A holder with its id and its times. */
export type Entry = {
  readonly id: HolderId
  readonly holder: Holder
  readonly timeline: Timeline
}

/** Told of an event: the entry after it, when it was, and the entry before it. */
type Listener = (entry: Entry, event: Event, at: number, before: Entry) => void

/** A holder whose rows cannot be folded. Nothing of it is touched until a person has looked. */
export type Quarantined = { readonly id: HolderId; readonly why: string }

export class Journal {
  readonly quarantined: Quarantined[] = []
  readonly #entries = new Map<HolderId, Entry>()
  readonly #db: Database
  readonly #now: () => number
  readonly #insert: { readonly holder: Statement; readonly event: Statement }
  /** What was appended in the commit that is under way. */
  #untold: (() => void)[] | undefined
  readonly #listeners = new Set<Listener>()

  /** Folds everything that is in the file. `now` is milliseconds since the epoch. */
  constructor(db: Database, now: () => number) {
    this.#db = db
    this.#now = now
    this.#insert = {
      holder: db.prepare('INSERT INTO holders (id, spec, created_at) VALUES (?, ?, ?)'),
      event: db.prepare('INSERT INTO events (holder, at, event) VALUES (?, ?, ?)'),
    }
    const events = db.prepare<[string], EventRow>(
      'SELECT at, event FROM events WHERE holder = ? ORDER BY seq',
    )
    const holders = db.prepare<[], HolderRow>('SELECT id, spec, created_at FROM holders')
    for (const row of this.#onFile(() => holders.all())) {
      const told = this.#onFile(() => events.all(row.id))
      try {
        this.#entries.set(row.id, fold(row, told))
      } catch (error) {
        this.quarantined.push({ id: row.id, why: (error as Error).message })
      }
    }
  }

  /** Everything known, oldest first. */
  all(): Entry[] {
    return [...this.#entries.values()]
  }

  get(id: HolderId): Entry | undefined {
    return this.#entries.get(id)
  }

  /** The holder exists from here on, durably. Throws when the id is taken. */
  begin(id: HolderId, wanted: Spec): Entry {
    const spec = withCredentialsId(wanted)
    const at = this.#now()
    this.#onFile(() => this.#insert.holder.run(id, JSON.stringify(spec), at))
    const entry = { id, holder: newHolder(spec), timeline: newTimeline(at) }
    this.#entries.set(id, entry)
    return entry
  }

  /**
   * A spare becomes this task, durably, under the spare's id. `rows` are to be made sure of. Throws
   * as `append` does.
   */
  assign(id: HolderId, wanted: Spec, rows: readonly RowId[]): Entry {
    return this.append(id, { type: 'assigned', spec: withCredentialsId(wanted), rows })
  }

  /** Begins a task as it was placed: on its own, or as the spare that it takes over. */
  place({ id, spec, rows }: Placed): Entry {
    return rows === undefined ? this.begin(id, spec) : this.assign(id, spec, rows)
  }

  /**
   * Learns the event, then writes it down; when this returns it is on the disk. Throws
   * StateFileUnwritable, and has learned nothing, while the disk is full or the file locked.
   */
  append(id: HolderId, event: Event): Entry {
    const before = this.#entries.get(id)
    if (before === undefined) throw new Error(`no holder ${id} in the journal`)
    const at = this.#now()
    const after = follow(before, event, at)
    this.#onFile(() => this.#insert.event.run(id, at, JSON.stringify(event)))
    this.#entries.set(id, after)
    this.#tell(() => {
      for (const listener of this.#listeners) listener(after, event, at, before)
    })
    return after
  }

  /** What is not on the disk yet is told when it is: it may be taken back. */
  #tell(say: () => void): void {
    if (this.#untold === undefined) say()
    else this.#untold.push(say)
  }

  /** Keeps the last lines of a container's log, beside the holder. */
  keepLog(id: HolderId, container: string, tail: string): void {
    const sql = 'INSERT OR REPLACE INTO logs (holder, container, tail) VALUES (?, ?, ?)'
    this.#onFile(() => this.#db.prepare(sql).run(id, container, tail))
  }

  /** The kept log of a container that is gone, or undefined. */
  keptLog(id: HolderId, container: string): string | undefined {
    const sql = 'SELECT tail FROM logs WHERE holder = ? AND container = ?'
    const kept = this.#db.prepare<[string, string], { tail: string }>(sql)
    return this.#onFile(() => kept.get(id, container))?.tail
  }

  /**
   * Forgets a holder of which nothing is left, its events and logs with it. Throws as `append` does.
   */
  forget(id: HolderId): void {
    this.#onFile(() => this.#db.prepare('DELETE FROM holders WHERE id = ?').run(id))
    this.#entries.delete(id)
  }

  /** Runs `work` in one commit: all of it is durable, or none. `work` must not await. */
  atOnce<T>(work: () => T): T {
    const before = new Map(this.#entries)
    const outer = this.#untold
    const untold: (() => void)[] = []
    this.#untold = untold
    let result: T
    try {
      result = this.#onFile(() => this.#db.transaction(work)())
    } catch (error) {
      this.#entries.clear()
      for (const [id, entry] of before) this.#entries.set(id, entry)
      throw error
    } finally {
      this.#untold = outer
    }
    for (const say of untold) this.#tell(say)
    return result
  }

  /** Calls back after every appended event, when it is on the disk. Returns the way to stop it. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #onFile<T>(work: () => T): T {
    return onFile(this.#db.name, work)
  }
}

type HolderRow = { id: string; spec: string; created_at: number }
type EventRow = { at: number; event: string }

function fold(row: HolderRow, events: readonly EventRow[]): Entry {
  const spec = JSON.parse(row.spec) as Spec
  const first: Entry = {
    id: row.id,
    holder: newHolder(spec),
    timeline: newTimeline(row.created_at),
  }
  const entry = events.reduce(
    (before, { at, event }) => follow(before, JSON.parse(event) as Event, at),
    first,
  )
  // A spec that cannot be laid out would throw wherever it is met, with no event to blame.
  nextSteps(entry.holder)
  return entry
}

function follow(entry: Entry, event: Event, at: number): Entry {
  const before = entry.holder
  const after = learn(before, event)
  return {
    id: entry.id,
    holder: after,
    timeline: note(entry.timeline, { before, after, event, at }),
  }
}
