// A journal in memory for tests, and the climb of a holder in it.

import Sqlite from 'better-sqlite3'
import { Catalog } from '../../state/catalog.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import type { Json } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'
import { nextSteps } from '../../state/task.ts'

/** A journal and a catalog over an empty database in memory. */
export function memory(now: () => number = Date.now) {
  const db = new Sqlite(':memory:')
  for (const statements of MIGRATIONS) db.exec(statements)
  return { db, journal: new Journal(db, now), catalog: new Catalog(db, now) }
}

/** Everything that may be done for the holder is done, up or down, as its `desired` says. */
export function settleHolder(
  journal: Journal,
  id: string,
  rows: { readonly [row in RowId]?: { readonly choice?: string; readonly details?: Json } } = {},
): void {
  for (let turn = 0; turn < 40; turn++) {
    const holder = journal.get(id)?.holder
    const step = holder && nextSteps(holder)[0]
    if (step === undefined) return
    const { verb, row } = step
    const { choice, details } = rows[row] ?? {}
    journal.append(id, { type: 'began', verb, row, ...(choice ? { choice } : {}) })
    journal.append(id, {
      type: 'done',
      verb,
      row,
      ...(details && verb === 'ensure' ? { details } : {}),
    })
  }
  throw new Error(`${id} did not settle`)
}

/** A stopped holder is taken down as far as it goes without this row. */
export function releaseAllBut(journal: Journal, id: string, but: RowId): void {
  for (let turn = 0; turn < 40; turn++) {
    const holder = journal.get(id)?.holder
    const step = holder && nextSteps(holder).find(({ row }) => row !== but)
    if (step === undefined) return
    const { verb, row } = step
    journal.append(id, { type: 'began', verb, row })
    journal.append(id, { type: 'done', verb, row })
  }
  throw new Error(`${id} did not settle`)
}
