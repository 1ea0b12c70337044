// Opens the state file: ours and whole, or refused untouched; migrated step by step with a copy made
// before, and set so that a commit that returned is on the disk (WAL with synchronous=FULL, 0.4 ms a
// commit measured). What SQLite says of damage or of want becomes one of our two errors here.

import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { MIGRATIONS } from './migrations.ts'
import { damaged, misplacedWal, StateFileRefused } from './refusal.ts'

export type Database = Sqlite.Database
export type Statement = Sqlite.Statement<unknown[]>

/** "enid" in ASCII: how we know a state file as ours (SQLite's application_id). */
const APPLICATION_ID = 0x656e6964
/**
 * How long a write waits for a lock, milliseconds. Nothing else happens meanwhile, so not for long:
 * whoever was refused tries again by a timer.
 */
const BUSY_MS = 50

/** The disk is full or the file locked: nothing was written, and later it may be. */
export class StateFileUnwritable extends Error {
  override name = 'StateFileUnwritable'
}

/**
 * Runs what reads or writes the file. Throws StateFileUnwritable where time or an operator can mend
 * it, and StateFileRefused, which names the newest backup, where the file turns out to be damaged.
 */
export function onFile<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) throw damaged(path, message)
    if (!/^SQLITE_(FULL|BUSY|IOERR|READONLY|CANTOPEN|LOCKED)/.test(code)) throw error
    throw new StateFileUnwritable(`the state file cannot be written (${code}: ${message})`)
  }
}

/**
 * A fact that a state file holds, read without writing to it; undefined where there is none, or no
 * such file, or one that is not ours (`openDatabase` says what to do about that).
 */
export function peekFact(path: string, name: string): string | undefined {
  if (!existsSync(path)) return undefined
  const db = new Sqlite(path, { readonly: true, timeout: BUSY_MS })
  try {
    if (db.pragma('application_id', { simple: true }) !== APPLICATION_ID) return undefined
    const row = db.prepare('SELECT value FROM facts WHERE name = ?').get(name)
    return (row as { value: string } | undefined)?.value
  } catch {
    return undefined
  } finally {
    db.close()
  }
}

/** Moves a state file aside, with all that belongs to it, and answers its new path. */
export function setAside(path: string, suffix: string): string {
  const aside = `${path}.${suffix}`
  if (existsSync(aside)) throw new StateFileRefused(`${aside} is there already: move it away first`)
  for (const part of ['', '-wal', '-shm', '.bak']) {
    if (existsSync(`${path}${part}`)) renameSync(`${path}${part}`, `${aside}${part}`)
  }
  return aside
}

/**
 * Locks until the answer is called, or this process is dead: the lock is SQLite's own on an empty
 * file. Throws StateFileRefused with these words where another process has it.
 */
export function lockFile(path: string, refusal: string): () => void {
  const lock = new Sqlite(path, { timeout: 0 })
  try {
    lock.prepare('BEGIN EXCLUSIVE').run()
  } catch (error) {
    lock.close()
    if (!/^SQLITE_BUSY/.test((error as { code?: string }).code ?? '')) throw error
    throw new StateFileRefused(refusal)
  }
  return () => lock.close()
}

/**
 * Opens or creates the state file. Throws StateFileRefused for a file that is not ours, newer or
 * damaged, which is not changed then; StateFileUnwritable while it is locked or the disk full.
 */
export function openDatabase(path: string): Database {
  return onFile(path, () => {
    const why = misplacedWal(path)
    if (why !== undefined) throw damaged(path, why)
    if (existsSync(path)) check(path)
    else create(path)
    const db = new Sqlite(path, { timeout: BUSY_MS })
    try {
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      db.pragma('foreign_keys = ON')
      migrate(db, path)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  })
}

/** Under its name only once it is whole: an empty file of that name is a damaged one. */
function create(path: string): void {
  const fresh = `${path}.new`
  for (const part of ['', '-journal']) rmSync(`${fresh}${part}`, { force: true })
  const db = new Sqlite(fresh)
  try {
    db.pragma(`application_id = ${APPLICATION_ID}`)
    climb(db)
  } finally {
    db.close()
  }
  renameSync(fresh, path)
}

/** Looks without changing anything: a connection that may write would move the WAL as it closes. */
function check(path: string): void {
  if (statSync(path).size === 0) throw damaged(path, 'it is empty')
  const db = new Sqlite(path, { readonly: true, timeout: BUSY_MS })
  try {
    const id = db.pragma('application_id', { simple: true })
    if (id !== APPLICATION_ID) {
      throw new StateFileRefused(
        `${path} is not a state file of enid (application_id ${id}). ` +
          'Set ENID_STATE_DIR to another directory, or move the file away.',
      )
    }
    const version = db.pragma('user_version', { simple: true }) as number
    if (version > MIGRATIONS.length) {
      throw new StateFileRefused(
        `${path} has schema ${version}, this enid knows up to ${MIGRATIONS.length}. ` +
          `Install the newer enid again, or put back a copy (${path}.v*.bak).`,
      )
    }
    const found = db.pragma('quick_check(1)', { simple: true })
    if (found !== 'ok') throw damaged(path, String(found))
  } finally {
    db.close()
  }
}

function migrate(db: Database, path: string): void {
  const version = db.pragma('user_version', { simple: true }) as number
  if (version === MIGRATIONS.length) return
  const copy = `${path}.v${version}.bak`
  rmSync(`${copy}.new`, { force: true })
  db.prepare('VACUUM INTO ?').run(`${copy}.new`)
  finishCopy(`${copy}.new`, Date.now())
  renameSync(`${copy}.new`, copy)
  climb(db)
}

function climb(db: Database): void {
  const version = db.pragma('user_version', { simple: true }) as number
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue
    db.transaction(() => {
      db.exec(statements)
      db.pragma(`user_version = ${index + 1}`)
    })()
  }
}

/**
 * Copies the open state file to `<path>.bak` while it is in use, and answers the copy's path. It
 * takes the place of the one before only when it is whole. Rejects with whatever went wrong.
 */
export async function backUp(db: Database, now: number): Promise<string> {
  const target = `${db.name}.bak`
  rmSync(`${target}.new`, { force: true })
  await db.backup(`${target}.new`)
  finishCopy(`${target}.new`, now)
  renameSync(`${target}.new`, target)
  return target
}

/** A copy says that it is one, and of when: what began after it is not an orphan (open-state.ts). */
function finishCopy(path: string, now: number): void {
  const db = new Sqlite(path)
  try {
    db.pragma('journal_mode = DELETE')
    const hasFacts = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'facts'").get()
    if (hasFacts !== undefined) {
      db.prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)').run(
        ...['copiedAt', String(now)],
      )
    }
    const found = db.pragma('quick_check(1)', { simple: true })
    if (found !== 'ok') throw new Error(`the copy is not whole: ${found}`)
  } finally {
    db.close()
  }
}
