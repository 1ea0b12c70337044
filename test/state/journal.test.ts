// Goal: what the journal says after a restart is what it said before, whatever the file went
// through; a file that is not ours is refused untouched. Method: real SQLite files.

import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Catalog } from '../../state/catalog.ts'
import {
  lockDirectory,
  openDatabase,
  StateFileRefused,
  StateFileUnwritable,
} from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { lastStatus } from '../../state/status.ts'
import type { Event } from '../../state/task.ts'
import { nextSteps } from '../../state/task.ts'
import { spec } from './specs.ts'

let dir = ''
let path = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'enid-journal-'))
  path = join(dir, 'enid.db')
})
afterEach(() => rmSync(dir, { recursive: true }))

let time = 1000
const now = () => time++
const began = (row: 'eni:0' | 'image:web'): Event => ({ type: 'began', verb: 'ensure', row })

describe('the journal', () => {
  // P101
  test('folds to the same holders, times included, after it was opened again', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    journal.begin('a', spec())
    for (let turn = 0; turn < 20; turn++) {
      const step = nextSteps(journal.get('a')?.holder ?? expect.fail('gone'))[0]
      if (step === undefined) break
      journal.append('a', { type: 'began', verb: step.verb, row: step.row, choice: 'x' })
      journal.append('a', { type: 'done', verb: step.verb, row: step.row, details: { n: turn } })
    }
    const before = journal.all()
    db.close()
    const again = openDatabase(path)
    expect(new Journal(again, now).all()).toEqual(before)
    expect(before[0] && lastStatus(before[0].holder)).toBe('RUNNING')
    expect(before[0]?.timeline.startedAt).toBeGreaterThan(before[0]?.timeline.createdAt ?? 0)
    expect(before[0]?.timeline.steps).toHaveLength(7)
    again.close()
  })

  test('writes nothing that the core refuses', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    journal.begin('a', spec())
    expect(() => journal.append('a', { type: 'done', verb: 'ensure', row: 'eni:0' })).toThrow()
    expect(() => journal.append('b', began('eni:0'))).toThrow('no holder b')
    expect(() => journal.begin('a', spec())).toThrow()
    expect(db.prepare('SELECT count(*) n FROM events').get()).toEqual({ n: 0 })
    db.close()
  })

  // P13
  test('sets a row aside that it cannot fold, reports it, and goes on with the others', () => {
    const db = openDatabase(path)
    const first = new Journal(db, now)
    for (const id of ['good', 'bad', 'fine']) first.begin(id, spec())
    first.append('good', began('eni:0'))
    db.prepare('INSERT INTO events (holder, at, event) VALUES (?, 1, ?)').run('bad', '{"type":')
    const journal = new Journal(db, now)
    expect(journal.all().map(({ id }) => id)).toEqual(['good', 'fine'])
    expect(journal.quarantined).toEqual([{ id: 'bad', why: expect.stringContaining('JSON') }])
    db.close()
  })

  // P100
  test('does all of a commit or none of it, in memory as on the disk', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    expect(() =>
      journal.atOnce(() => {
        journal.begin('a', spec())
        journal.append('a', began('eni:0'))
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(journal.all()).toEqual([])
    expect(db.prepare('SELECT count(*) n FROM holders').get()).toEqual({ n: 0 })
    journal.atOnce(() => journal.begin('a', spec()))
    expect(journal.get('a')).toBeDefined()
    db.close()
  })

  // P102
  test('says so while it cannot write, and has learned nothing', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    journal.begin('a', spec())
    const pages = Number(db.pragma('page_count', { simple: true }))
    db.pragma(`max_page_count = ${pages}`)
    const long = 'x'.repeat(100_000)
    expect(() => journal.append('a', { type: 'doubted', row: 'eni:0', why: long })).toThrow(
      StateFileUnwritable,
    )
    expect(() => journal.atOnce(() => journal.begin('b', spec({ family: long })))).toThrow('FULL')
    expect(journal.all().map(({ id }) => id)).toEqual(['a'])
    db.pragma('max_page_count = 1000000')
    journal.append('a', began('eni:0'))
    db.close()
  })

  test('forgets a holder with its events and logs', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    journal.begin('a', spec())
    journal.append('a', began('eni:0'))
    journal.keepLog('a', 'web', 'hello')
    expect(journal.keptLog('a', 'web')).toBe('hello')
    journal.forget('a')
    expect(journal.get('a')).toBeUndefined()
    expect(journal.keptLog('a', 'web')).toBeUndefined()
    expect(db.prepare('SELECT count(*) n FROM events').get()).toEqual({ n: 0 })
    db.close()
  })

  test('tells its followers of every event until they leave', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    const seen: string[] = []
    const leave = journal.follow(({ id }, event) => seen.push(`${id} ${event.type}`))
    journal.begin('a', spec())
    journal.append('a', began('eni:0'))
    leave()
    journal.append('a', began('image:web'))
    expect(seen).toEqual(['a began'])
    db.close()
  })
})

describe('the state file', () => {
  // P100
  test('is durable at every commit: WAL and synchronous=FULL', () => {
    const db = openDatabase(path)
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(db.pragma('synchronous', { simple: true })).toBe(2)
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1)
    db.close()
  })

  // P106
  test('has one agent: a second one in its directory is refused until the first is gone', () => {
    const unlock = lockDirectory(dir)
    expect(() => lockDirectory(dir)).toThrow(`another agent works in ${dir}`)
    unlock()
    lockDirectory(dir)()
  })

  // P103
  test('of another program is refused and not changed', () => {
    const other = new Sqlite(path)
    other.exec('CREATE TABLE t (x)')
    other.close()
    const before = readFileSync(path)
    expect(() => openDatabase(path)).toThrow(StateFileRefused)
    expect(() => openDatabase(path)).toThrow('not a state file of enid')
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  // P103
  test('that is no database is refused with the way out, and not changed', () => {
    writeFileSync(path, 'not a database, but long enough to be looked at as one')
    const before = readFileSync(path)
    expect(() => openDatabase(path)).toThrow(/cannot be read.*\.bak/s)
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  // P103
  test('of a newer schema is refused and not changed', () => {
    const db = openDatabase(path)
    db.pragma('user_version = 99')
    db.pragma('wal_checkpoint(TRUNCATE)')
    db.close()
    const before = readFileSync(path)
    expect(() => openDatabase(path)).toThrow('schema 99')
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  // P104
  test('of an older schema is copied, then migrated', () => {
    openDatabase(path).close()
    const old = new Sqlite(path)
    old.exec(`DROP TABLE facts; DROP TABLE runs; DROP TABLE tags; DROP TABLE clusters;
      DROP TABLE definitions; DROP TABLE logs; DROP TABLE events; DROP TABLE holders;`)
    old.pragma('user_version = 0')
    old.close()
    copyFileSync(path, `${path}.seen`)
    const db = openDatabase(path)
    expect(existsSync(`${path}.v0.bak`)).toBe(true)
    expect(db.prepare('SELECT count(*) n FROM holders').get()).toEqual({ n: 0 })
    db.close()
  })
})

describe('the catalog', () => {
  test('numbers revisions from 1 and gives the newest active one', () => {
    const db = openDatabase(path)
    const catalog = new Catalog(db, now)
    expect(catalog.definition('web')).toBeUndefined()
    expect(catalog.register('web', { n: 1 }).revision).toBe(1)
    expect(catalog.register('web', { n: 2 }).revision).toBe(2)
    expect(catalog.definition('web')).toMatchObject({ revision: 2, body: { n: 2 }, active: true })
    catalog.deregister('web', 2)
    expect(catalog.definition('web')?.revision).toBe(1)
    expect(catalog.definition('web', 2)).toMatchObject({ active: false })
    expect(catalog.definition('web', 2)?.stoppedAt).toBeGreaterThan(0)
    expect(catalog.register('web', {}).revision).toBe(3)
    expect(catalog.definitions().map(({ revision }) => revision)).toEqual([1, 2, 3])
    db.close()
  })

  test('keeps clusters, tags, runs and facts over a restart', () => {
    const first = openDatabase(path)
    const catalog = new Catalog(first, now)
    catalog.putCluster('blue', { a: 1 })
    catalog.putCluster('gone', {})
    catalog.dropCluster('gone')
    catalog.tag('arn:1', { a: '1', b: '2' })
    catalog.tag('arn:1', { b: '3', c: '4' })
    catalog.untag('arn:1', ['a', 'nothing'])
    catalog.putRun('token', { request: '{}', holders: ['a', 'b'] })
    catalog.putFact('instanceId', 'i-1')
    first.close()
    const db = openDatabase(path)
    const again = new Catalog(db, now)
    expect(again.clusters()).toEqual([
      { name: 'blue', active: true, body: { a: 1 } },
      { name: 'gone', active: false, body: {} },
    ])
    expect(again.cluster('blue')?.active).toBe(true)
    expect(again.tags('arn:1')).toEqual({ b: '3', c: '4' })
    expect(again.run('token')).toEqual({ request: '{}', holders: ['a', 'b'] })
    expect(() => again.putRun('token', { request: '', holders: [] })).toThrow()
    expect(again.fact('instanceId')).toBe('i-1')
    again.forgetRuns(time + 1)
    expect(again.run('token')).toBeUndefined()
    db.close()
  })
})
