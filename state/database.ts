// Opens the state file: ours or refused, migrated step by step with a copy made before, and set so
// that a commit that returned is on the disk (WAL with synchronous=FULL, 0.4 ms a commit measured).

import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { MIGRATIONS } from './migrations.ts'

export type Database = Sqlite.Database
export type Statement = Sqlite.Statement<unknown[]>

/** "enid" in ASCII: how we know a state file as ours (SQLite's application_id). */
const APPLICATION_ID = 0x656e6964

/** The state file cannot be used. The message says what to do; the file was not changed. */
export class StateFileRefused extends Error {
  override name = 'StateFileRefused'
}

/** The disk is full or the file locked: nothing was written, and later it may be. */
export class StateFileUnwritable extends Error {
  override name = 'StateFileUnwritable'
}

/** Runs what writes. Throws StateFileUnwritable where time or an operator can mend it. */
export function writing<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
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
  const db = new Sqlite(path, { readonly: true, timeout: 2000 })
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
  for (const part of ['', '-wal', '-shm']) {
    if (existsSync(`${path}${part}`)) renameSync(`${path}${part}`, `${aside}${part}`)
  }
  return aside
}

/**
 * Keeps a second agent out of this directory until the answer is called, or this process is dead:
 * the lock is SQLite's own on an empty file beside the state file. Throws StateFileRefused.
 */
export function lockDirectory(directory: string): () => void {
  const lock = new Sqlite(join(directory, 'lock'), { timeout: 0 })
  try {
    lock.prepare('BEGIN EXCLUSIVE').run()
  } catch (error) {
    lock.close()
    if (!/^SQLITE_BUSY/.test((error as { code?: string }).code ?? '')) throw error
    throw new StateFileRefused(
      `another agent works in ${directory}. Stop it, or set ENID_STATE_DIR to another directory`,
    )
  }
  return () => lock.close()
}

/** Opens or creates the state file. Throws StateFileRefused for a file that is not ours or newer. */
export function openDatabase(path: string): Database {
  const isNew = !existsSync(path)
  const db = new Sqlite(path, { timeout: 2000 })
  try {
    if (!isNew) check(db, path)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('foreign_keys = ON')
    if (isNew) db.pragma(`application_id = ${APPLICATION_ID}`)
    migrate(db, path, isNew)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function check(db: Database, path: string): void {
  let id: unknown
  try {
    id = db.pragma('application_id', { simple: true })
  } catch (error) {
    throw new StateFileRefused(
      `${path} cannot be read (${(error as Error).message}). ` +
        `Put back the newest copy beside it (${path}.v*.bak), or move it away to start empty.`,
    )
  }
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
}

function migrate(db: Database, path: string, isNew: boolean): void {
  const version = db.pragma('user_version', { simple: true }) as number
  if (version === MIGRATIONS.length) return
  if (!isNew) db.prepare('VACUUM INTO ?').run(`${path}.v${version}.bak`)
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < version) continue
    db.transaction(() => {
      db.exec(statements)
      db.pragma(`user_version = ${index + 1}`)
    })()
  }
}
