// Which images this host has by our pulls. One row is one reference as it was pulled to one image:
// where `latest` moves on, the row of the image before stays until the clean-up has removed it.
// Kept across restarts, because only what we brought is ours to remove.

import type { Database } from './database.ts'
import { onFile } from './database.ts'

/** One image as it was pulled under one name. Times are milliseconds since the epoch. */
export type PulledImage = {
  readonly reference: string
  readonly imageId: string
  /** When it was last pulled. */
  readonly pulledAt: number
  /** When a task last took it, or gave it back. */
  readonly usedAt: number
  /** Whether a pull of ours brought it here: one that was here already is somebody else's. */
  readonly isOurs: boolean
}

export class Images {
  readonly #db: Database
  readonly #now: () => number

  constructor(db: Database, now: () => number) {
    this.#db = db
    this.#now = now
  }

  /** Remembers a pull. What once was ours stays ours. Throws StateFileUnwritable. */
  pulled(reference: string, imageId: string, isOurs: boolean): void {
    const at = this.#now()
    this.#run(
      `INSERT INTO images (reference, image_id, pulled_at, used_at, is_ours) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (reference, image_id) DO UPDATE SET
         pulled_at = excluded.pulled_at,
         used_at = excluded.used_at,
         is_ours = max(is_ours, excluded.is_ours)`,
      ...[reference, imageId, at, at, isOurs ? 1 : 0],
    )
  }

  /** Notes that a task takes the image, or gives it back. One that was never pulled is not noted. */
  used(reference: string): void {
    this.#run('UPDATE images SET used_at = ? WHERE reference = ?', this.#now(), reference)
  }

  /** Whether this reference was pulled to this image before. */
  has(reference: string, imageId: string): boolean {
    return this.all().some((row) => row.reference === reference && row.imageId === imageId)
  }

  /** Forgets one that is not on this host any more. */
  forget(reference: string, imageId: string): void {
    this.#run('DELETE FROM images WHERE reference = ? AND image_id = ?', reference, imageId)
  }

  /** All that were pulled, the one that was used longest ago first. */
  all(): PulledImage[] {
    const rows = onFile(this.#db.name, () =>
      this.#db.prepare<[], Row>('SELECT * FROM images ORDER BY used_at, reference').all(),
    )
    return rows.map(({ reference, image_id, pulled_at, used_at, is_ours }) => ({
      reference,
      imageId: image_id,
      pulledAt: pulled_at,
      usedAt: used_at,
      isOurs: is_ours === 1,
    }))
  }

  #run(sql: string, ...values: (string | number)[]): void {
    onFile(this.#db.name, () => this.#db.prepare(sql).run(...values))
  }
}

type Row = {
  reference: string
  image_id: string
  pulled_at: number
  used_at: number
  is_ours: number
}
