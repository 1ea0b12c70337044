// What is remembered of every holder: the spec it began with and every event since, append-only.
// What a holder *is* is never stored: it is the fold of its events, so nothing can disagree. Of one
// that is over, the end state takes the place of its events (ends.ts).
//
//   append(event) ──▶ row in `events` (durable) ──▶ learn() ──▶ the holder in memory
//
// A row that cannot be folded is set aside (quarantined) and reported; the rest goes on.

import { withCredentialsId } from './credentials-id.ts'
import type { Database, Statement } from './database.ts'
import { onFile } from './database.ts'
import { Ends, type Entry, type Head, headOf } from './ends.ts'
import { type EventRow, fold, follow } from './fold.ts'
import { Followers, type Listener } from './followers.ts'
import { KnownHolders } from './known-holders.ts'
import type { Placed } from './spare.ts'
import type { HolderId, Spec } from './spec.ts'
import type { Event, RowId } from './task.ts'
import { newHolder } from './task.ts'
import { newTimeline } from './timeline.ts'

export type { Entry } from './ends.ts'

/** A holder whose rows cannot be folded. Nothing of it is touched until a person has looked. */
export type Quarantined = { readonly id: HolderId; readonly why: string }

export class Journal {
  readonly quarantined: Quarantined[] = []
  readonly #known = new KnownHolders()
  readonly #db: Database
  readonly #now: () => number
  readonly #insert: { readonly holder: Statement; readonly event: Statement }
  readonly #ends: Ends
  readonly #followers = new Followers()

  /** Folds everything that is in the file. `now` is milliseconds since the epoch. */
  constructor(db: Database, now: () => number) {
    this.#db = db
    this.#now = now
    this.#insert = {
      holder: db.prepare('INSERT INTO holders (id, spec, created_at) VALUES (?, ?, ?)'),
      event: db.prepare('INSERT INTO events (holder, at, event) VALUES (?, ?, ?)'),
    }
    this.#ends = new Ends(db)
    this.#onFile(() => this.#load())
  }

  #load(): void {
    const heads = new Map(this.#ends.heads().map((head) => [head.id, head]))
    const told = new Set(this.#column('SELECT DISTINCT holder FROM events'))
    const ids = this.#column('SELECT id FROM holders ORDER BY rowid')
    for (const id of ids) {
      // Of one that is over no spec is read; if something was told of it since, it is folded on.
      const head = heads.get(id)
      if (head !== undefined && !told.has(id)) this.#known.set(id, head)
      else this.#readable(id, () => this.#learned(this.#fold(id, head !== undefined)))
    }
  }

  #column(sql: string): string[] {
    return this.#db.prepare(sql).pluck().all() as string[]
  }

  /** The entry as the file has it. */
  #fold(id: HolderId, hasEnd: boolean): Entry {
    const events = this.#db
      .prepare<[string], EventRow>('SELECT at, event FROM events WHERE holder = ? ORDER BY seq')
      .all(id)
    return fold(hasEnd ? this.#ends.read(id) : this.#first(id), events)
  }

  #first(id: HolderId): Entry {
    const row = this.#db
      .prepare<[string], HolderRow>('SELECT spec, created_at FROM holders WHERE id = ?')
      .get(id)
    if (row === undefined) throw new Error(`no holder ${id} in the state file`)
    const holder = newHolder(JSON.parse(row.spec) as Spec)
    return { id, holder, timeline: newTimeline(row.created_at) }
  }

  /** What `read` answers; a row that cannot be read is set aside. */
  #readable<T>(id: HolderId, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if ((error as { code?: string }).code?.startsWith('SQLITE_')) throw error
      this.#known.set(id, undefined)
      this.quarantined.push({ id, why: (error as Error).message })
      return undefined
    }
  }

  /** Everything known, oldest first. What is over is read for it: ask `living` where that will do. */
  all(): Entry[] {
    return this.#known.ids().flatMap((id) => this.get(id) ?? [])
  }

  /** All that are not over: that are to run, or of which something is left. */
  living(): Entry[] {
    return this.#known.living()
  }

  /** Of all that are over, the heads. */
  ended(): Head[] {
    return this.#known.ended()
  }

  get(id: HolderId): Entry | undefined {
    const known = this.#known.get(id)
    if (known === undefined || 'holder' in known) return known
    return this.#onFile(() => this.#readable(id, () => this.#ends.read(id)))
  }

  /** The holder exists from here on, durably. Throws when the id is taken. */
  begin(id: HolderId, wanted: Spec): Entry {
    const spec = withCredentialsId(wanted)
    const at = this.#now()
    this.#onFile(() => this.#insert.holder.run(id, JSON.stringify(spec), at))
    return this.#learned({ id, holder: newHolder(spec), timeline: newTimeline(at) })
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
    const before = this.get(id)
    if (before === undefined) throw new Error(`no holder ${id} in the journal`)
    const at = this.#now()
    const after = follow(before, event, at)
    this.#onFile(() => this.#insert.event.run(id, at, JSON.stringify(event)))
    this.#learned(after)
    this.#followers.tell(after, event, at, before)
    return after
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
    this.#known.set(id, undefined)
  }

  /**
   * Puts the end of what is over in the place of its events, of at most so many holders in one
   * commit. Answers how many. Throws as `append` does.
   */
  compact(atMost: number): number {
    const over = this.#known.over(atMost)
    if (over.length === 0) return 0
    this.atOnce(() => {
      for (const entry of over) {
        this.#ends.put(entry)
        this.#known.set(entry.id, headOf(entry))
      }
    })
    return over.length
  }

  /** Runs `work` in one commit: all of it is durable, or none. `work` must not await. */
  atOnce<T>(work: () => T): T {
    const commit = () => this.#onFile(() => this.#db.transaction(work)())
    return this.#followers.during(() => this.#known.attempt(commit))
  }

  /** Calls back after every appended event, when it is on the disk. Returns the way to stop it. */
  follow(listener: Listener): () => void {
    return this.#followers.follow(listener)
  }

  #learned(entry: Entry): Entry {
    this.#known.set(entry.id, entry)
    return entry
  }

  #onFile<T>(work: () => T): T {
    return onFile(this.#db.name, work)
  }
}

type HolderRow = { readonly spec: string; readonly created_at: number }
