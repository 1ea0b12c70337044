// What is kept of a holder of which nothing is left: the state that its events led to, in their place.
// It can disagree with nothing, because they are gone in the same commit. Of thousands of these only
// the heads are in memory; the rest is read when somebody asks.
//
//   spec, events e1 … e29  ──compact──▶  one end: spec, stop, details, exits, times   (I5 holds of it)
//
// It is deflated JSON: 1 kB, where spec and events took 7.

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Database, Statement } from './database.ts'
import type { HolderId, Spec } from './spec.ts'
import type { Holder } from './task.ts'
import { holdsNothing } from './task.ts'
import type { Timeline } from './timeline.ts'
import { unheardAttaches } from './unheard.ts'

/** A holder with its id and its times. */
export type Entry = {
  readonly id: HolderId
  readonly holder: Holder
  readonly timeline: Timeline
}

/** As much of an end as is always at hand. Times are milliseconds since the epoch. */
export type Head = {
  readonly id: HolderId
  readonly kind: Spec['kind']
  readonly createdAt: number
  readonly stoppedAt: number
  /** Whether a public address was allocated for it. */
  readonly hadAddress: boolean
  /** Whether an Attach of a lent ENI was begun for it and never heard of (unheard.ts). */
  readonly hasUnheard: boolean
}

/** Whether it is to stop, and nothing of it is left: no step follows from it any more. */
export const isOver = (holder: Holder): boolean =>
  holder.desired === 'stopped' && holdsNothing(holder)

/** The head of an entry that is over. */
export const headOf = ({ id, holder, timeline }: Entry): Head => ({
  id,
  kind: holder.spec.kind,
  createdAt: timeline.createdAt,
  stoppedAt: timeline.stoppedAt ?? timeline.latestAt,
  hadAddress: holder.spec.enis.some(({ publicIp }) => publicIp === 'new'),
  hasUnheard: unheardAttaches(holder).length > 0,
})

type HeadRow = {
  readonly id: string
  readonly kind: Spec['kind']
  readonly created_at: number
  readonly stopped_at: number
  readonly had_address: number
  readonly has_unheard: number
}

/** The rows of ended holders. */
export class Ends {
  readonly #put: Statement
  readonly #clear: readonly Statement[]
  readonly #heads: Statement
  readonly #body: Statement

  constructor(db: Database) {
    this.#put = db.prepare(
      `INSERT OR REPLACE INTO ends (holder, kind, created_at, stopped_at, had_address, has_unheard, body)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#clear = [
      db.prepare('DELETE FROM events WHERE holder = ?'),
      db.prepare("UPDATE holders SET spec = '' WHERE id = ?"),
    ]
    this.#heads = db.prepare(
      `SELECT holder AS id, kind, created_at, stopped_at, had_address, has_unheard FROM ends`,
    )
    this.#body = db.prepare('SELECT body FROM ends WHERE holder = ?')
  }

  /** Puts the end of this entry in the place of its spec and events. To be called in a transaction. */
  put(entry: Entry): void {
    const { id, kind, createdAt, stoppedAt, hadAddress, hasUnheard } = headOf(entry)
    const { holder, timeline } = entry
    const body = deflateRawSync(JSON.stringify({ holder, timeline }))
    const flags = [hadAddress, hasUnheard].map(Number)
    this.#put.run(id, kind, createdAt, stoppedAt, ...flags, body)
    for (const statement of this.#clear) statement.run(id)
  }

  heads(): Head[] {
    const rows = this.#heads.all() as HeadRow[]
    return rows.map(({ id, kind, created_at, stopped_at, had_address, has_unheard }) => ({
      ...{ id, kind, createdAt: created_at, stoppedAt: stopped_at },
      ...{ hadAddress: had_address === 1, hasUnheard: has_unheard === 1 },
    }))
  }

  /** The whole of one. Throws where there is none, or it cannot be read. */
  read(id: HolderId): Entry {
    const row = this.#body.get(id) as { readonly body: Buffer } | undefined
    if (row === undefined) throw new Error(`the end of ${id} is not there`)
    const text = inflateRawSync(row.body).toString()
    const { holder, timeline } = JSON.parse(text) as Omit<Entry, 'id'>
    if (!isOver(holder)) throw new Error(`the end of ${id} says that something is left`)
    return { id, holder, timeline }
  }
}
