// Where a lab remembers: /var/lib/enid-lab/<name>/world.db, SQLite, the only SQL of the lab. A world
// is rows, one for each entry of each of its maps, in the maps' order; a change writes the difference
// of two worlds, whatever members they have, in one transaction, before its caller is answered.
//
// WAL with synchronous=NORMAL: a commit is safe from the death of the process as soon as it returns
// (the page cache has it), and costs no wait for the disk; a power loss may take the last ones, never
// a part of one.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { World } from './model/world.ts'
import { reading, StoreRefused } from './store-refusal.ts'
import { checkWal } from './store-wal.ts'
import { fromJson, toJson } from './world-json.ts'

/** Where labs remember. Not below /run: a VPC outlives a reboot. */
export const STORE_ROOT = '/var/lib/enid-lab'

/**
 * How a world is written. To be raised by whoever changes what a type in model/world.ts holds so that
 * an older lab's could not be read as it is: a new map needs nothing (test/lab/world-shape.ts watches).
 */
export const FORMAT = 1

/** "enlb" in ASCII: how we know a lab's file (SQLite's application_id). */
const APPLICATION_ID = 0x656e6c62

const SCHEMA = `
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, world TEXT NOT NULL, member TEXT NOT NULL, id TEXT NOT NULL,
    value TEXT NOT NULL, UNIQUE (world, member, id)
  ) STRICT;
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`

/** The world as it is, and the fresh one that a reset goes back to. */
type Which = 'now' | 'fresh'
type Row = { readonly member: string; readonly id: string; readonly value: string }

/** What a lab remembers beside its worlds. */
type Fact = 'port' | 'imds-secret'

export class WorldStore {
  readonly #folder: string
  readonly #name: string
  /** What IMDS tokens are signed with: as long as it is the same, those that were given hold. */
  readonly secret: Buffer
  readonly #db: Sqlite.Database
  #isNew: boolean
  /** Prepared when there are tables. */
  #putEntry: Sqlite.Statement | undefined
  #dropEntry: Sqlite.Statement | undefined

  private constructor(name: string, folder: string, db: Sqlite.Database) {
    this.#name = name
    this.#folder = folder
    this.#db = db
    this.#isNew = isEmpty(db)
    this.secret = Buffer.from(this.#fact('imds-secret') ?? randomBytes(32).toString('hex'), 'hex')
  }

  /**
   * Opens a lab's memory, made where there is none, and holds it: no other process can, until this
   * one closes it or is dead. Throws StoreRefused, having changed nothing.
   */
  static open(name: string, root: string = STORE_ROOT): WorldStore {
    const folder = join(root, name)
    const path = join(folder, 'world.db')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return reading(name, path, () => {
      checkWal(path)
      const db = new Sqlite(path, { timeout: 0 })
      try {
        db.pragma('locking_mode = EXCLUSIVE')
        check(db)
        db.pragma('journal_mode = WAL')
        db.pragma('synchronous = NORMAL')
        return new WorldStore(name, folder, db)
      } catch (error) {
        db.close()
        throw error
      }
    })
  }

  /** Removes a lab's memory, whatever it holds. Throws StoreRefused while that lab lives. */
  static forget(name: string, root: string = STORE_ROOT): void {
    const path = join(root, name, 'world.db')
    if (existsSync(path)) {
      try {
        WorldStore.open(name, root).close()
      } catch (error) {
        if (error instanceof StoreRefused && error.lives) throw error
      }
    }
    erase(join(root, name))
  }

  /**
   * The worlds as they were stored last; undefined in a new file. `shape` says which members a world
   * has: one that the file lacks is empty. Throws StoreRefused when it cannot be read.
   */
  load(shape: World): Record<Which, World> | undefined {
    return reading(this.#name, this.#db.name, () => {
      if (this.#isNew) return undefined
      return { now: this.#world('now', shape), fresh: this.#world('fresh', shape) }
    })
  }

  /**
   * Stores the difference of two worlds; it outlives this process when this returns. The first world
   * that is stored is also the one that a reset goes back to.
   */
  save(before: World, after: World): void {
    this.#db.transaction(() => {
      if (this.#isNew) this.#begin(after)
      else this.#write('now', before, after)
    })()
    this.#isNew = false
  }

  /** The port where the lab listened last; undefined in a new file. */
  get port(): number | undefined {
    const port = this.#fact('port')
    return port === undefined ? undefined : Number(port)
  }

  set port(port: number) {
    this.#setFact('port', String(port))
  }

  /** Lets go of the file, which stays. */
  close = (): void => void this.#db.close()

  /** Lets go of it and removes it. */
  end(): void {
    this.#db.close()
    erase(this.#folder)
  }

  #fact(name: Fact): string | undefined {
    if (isEmpty(this.#db)) return undefined
    const row = this.#db.prepare('SELECT value FROM facts WHERE name = ?').get(name)
    return (row as { value: string } | undefined)?.value
  }

  #setFact(name: Fact, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)').run(name, value)
  }

  #begin(fresh: World): void {
    this.#db.pragma(`application_id = ${APPLICATION_ID}`)
    this.#db.pragma(`user_version = ${FORMAT}`)
    this.#db.exec(SCHEMA)
    this.#setFact('imds-secret', this.secret.toString('hex'))
    for (const which of ['now', 'fresh'] as const) this.#write(which, undefined, fresh)
  }

  #world(which: Which, shape: World): World {
    const members = new Map<string, unknown>(
      Object.entries(shape).map(([name, member]) => [
        name,
        member instanceof Map ? new Map() : member,
      ]),
    )
    const rows = this.#db
      .prepare('SELECT member, id, value FROM entries WHERE world = ? ORDER BY seq')
      .all(which) as Row[]
    for (const { member, id, value } of rows) {
      const held = members.get(member)
      if (held === undefined) throw new Error(`it holds ${member}, which this lab does not know`)
      if (held instanceof Map) held.set(id, fromJson(value))
      else members.set(member, fromJson(value))
    }
    return Object.fromEntries(members) as World
  }

  #write(which: Which, before: World | undefined, after: World): void {
    for (const [member, now] of Object.entries(after)) {
      const was: unknown = before?.[member as keyof World]
      if (was === now) continue
      if (!(now instanceof Map)) this.#put(which, member, '', now)
      else this.#writeMap(which, member, was instanceof Map ? was : new Map(), now)
    }
  }

  #writeMap(which: Which, member: string, was: Map<string, unknown>, now: Map<string, unknown>) {
    // An entry keeps its place as long as it is there, so the rows have the order of the map, unless
    // somebody made a map of another order: that one is written anew.
    const moved = !sameOrder(was, now)
    for (const id of was.keys()) if (moved || !now.has(id)) this.#drop(which, member, id)
    for (const [id, value] of now) {
      if (moved || was.get(id) !== value) this.#put(which, member, id, value)
    }
  }

  #put(world: Which, member: string, id: string, value: unknown): void {
    const text = toJson(value, `${member} ${id}`)
    this.#putEntry ??= this.#db.prepare(
      'INSERT INTO entries (world, member, id, value) VALUES (?, ?, ?, ?) ' +
        'ON CONFLICT (world, member, id) DO UPDATE SET value = excluded.value',
    )
    this.#putEntry.run(world, member, id, text)
  }

  #drop(world: Which, member: string, id: string): void {
    this.#dropEntry ??= this.#db.prepare(
      'DELETE FROM entries WHERE world = ? AND member = ? AND id = ?',
    )
    this.#dropEntry.run(world, member, id)
  }
}

/** Hosts of the lab may have folders of their own beside it: they go with their hosts. */
function erase(folder: string): void {
  for (const part of ['', '-wal', '-shm', '-journal']) {
    rmSync(join(folder, `world.db${part}`), { force: true })
  }
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder)
}

/** Whether what both have stands in the same order in both, and what is new stands behind it. */
function sameOrder(was: Map<string, unknown>, now: Map<string, unknown>): boolean {
  const before = was.keys()
  for (const id of now.keys()) {
    let kept = before.next()
    while (kept.done !== true && !now.has(kept.value)) kept = before.next()
    if (kept.done === true) return true
    if (kept.value !== id) return false
  }
  return true
}

/** Nothing was ever stored: the first world comes with the tables, in one transaction. */
const isEmpty = (db: Sqlite.Database): boolean =>
  db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined

function check(db: Sqlite.Database): void {
  if (isEmpty(db)) return
  const owner = db.pragma('application_id', { simple: true })
  const format = db.pragma('user_version', { simple: true })
  if (owner !== APPLICATION_ID) throw new Error('it is not the file of a lab')
  if (format !== FORMAT) {
    throw new Error(`it has format ${format}, and this lab writes format ${FORMAT}`)
  }
  const found = db.pragma('quick_check(1)', { simple: true })
  if (found !== 'ok') throw new Error(String(found))
}
