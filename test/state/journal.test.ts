// Goal: what the journal says after a restart is what it said before, whatever the file went
// through; a file that is not ours is refused untouched. Method: real SQLite files.

import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Catalog } from '../../state/catalog.ts'
import { backUp, lockFile, openDatabase, StateFileUnwritable } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { StateFileRefused } from '../../state/refusal.ts'
import { ServiceStore } from '../../state/service-store.ts'
import { lastStatus } from '../../state/status.ts'
import type { Event } from '../../state/task.ts'
import { nextSteps } from '../../state/task.ts'
import { service } from './services.ts'
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

  // P343
  test('gives each task with a role an id of its own, whoever begins it, and keeps it', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    const roles = { task: 'arn:aws:iam::123456789012:role/web' }
    const idOf = (of: Journal, id: string) => of.get(id)?.holder.spec.roles?.credentialsId
    journal.begin('a', spec({ roles }))
    journal.begin('b', spec({ kind: 'spare', containers: [] }))
    journal.assign('b', spec({ roles }), [])
    journal.begin('c', spec({ roles: { execution: roles.task } }))
    const ids = ['a', 'b'].map((id) => idOf(journal, id))
    expect(new Set(ids).size).toBe(2)
    expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(idOf(journal, 'c')).toBeUndefined()
    db.close()
    const again = openDatabase(path)
    expect(['a', 'b'].map((id) => idOf(new Journal(again, now), id))).toEqual(ids)
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

  const EVENT = "INSERT INTO events (at, holder, event) VALUES (1, 'bad', ?)"
  const SPEC = "UPDATE holders SET spec = ? WHERE id = 'bad'"
  test.each([
    ['an event that is no JSON', EVENT, '{"ty'],
    ['an event that cannot follow', EVENT, '{"type":"done","verb":"ensure","row":"eni:0"}'],
    ['a spec that is no JSON', SPEC, '{"kind":"ta'],
    ['a spec without ENIs', SPEC, '{"kind":"task"}'],
    ['a spec that is nothing', SPEC, 'null'],
  ])('%s takes its task out, and no other', (_what, sql, text) => {
    const db = openDatabase(path)
    const first = new Journal(db, now)
    for (const id of ['bad', 'good']) first.begin(id, spec())
    first.append('good', began('eni:0'))
    db.prepare(sql).run(text)
    const journal = new Journal(db, now)
    expect(journal.all().map(({ id }) => id)).toEqual(['good'])
    expect(journal.quarantined).toMatchObject([{ id: 'bad' }])
    db.close()
  })

  test('of several events at once nobody is told before all are on the disk, and nothing of a commit that fails', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    const stop = { code: 'UserInitiated', reason: 'a test' } as const
    journal.begin('a', spec())
    const told: string[] = []
    journal.follow(({ holder }, event) => told.push(`${event.type} ${holder.desired}`))
    expect(() =>
      journal.atOnce(() => {
        journal.append('a', { type: 'stopAsked', stop })
        throw new Error('and then the disk was full')
      }),
    ).toThrow('full')
    expect([told, journal.get('a')?.holder.desired]).toEqual([[], 'running'])
    journal.atOnce(() => {
      journal.append('a', { type: 'stopAsked', stop })
      expect(told).toEqual([])
    })
    expect(told).toEqual(['stopAsked stopped'])
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

// P114
test('a clock that was set back, or forth, makes no time run backwards', () => {
  const db = openDatabase(path)
  let clock = 5 * 3_600_000
  const journal = new Journal(db, () => clock)
  journal.begin('a', spec())
  for (const jumpMs of [1_000, -3 * 3_600_000, 1_000, 7 * 3_600_000, -3_600_000, 1_000, 500]) {
    const step = nextSteps(journal.get('a')?.holder ?? expect.fail('gone'))[0]
    if (step === undefined) break
    journal.append('a', { type: 'began', verb: step.verb, row: step.row })
    clock += jumpMs
    journal.append('a', { type: 'done', verb: step.verb, row: step.row })
  }
  const timeline = journal.get('a')?.timeline ?? expect.fail('gone')
  const { createdAt, steps, startedAt = 0, connectivityAt = 0 } = timeline
  const times = [createdAt, ...steps.flatMap(({ beganAt, doneAt = 0 }) => [beganAt, doneAt])]
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  expect(startedAt).toBeGreaterThanOrEqual(connectivityAt)
  db.close()
  const again = openDatabase(path)
  expect(new Journal(again, now).get('a')?.timeline).toEqual(timeline)
  again.close()
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
    const lock = join(dir, 'lock')
    const unlock = lockFile(lock, 'taken')
    expect(() => lockFile(lock, 'taken')).toThrow(new StateFileRefused('taken'))
    unlock()
    lockFile(lock, 'taken')()
  })

  // P103
  test('of another program is refused and not changed', () => {
    const other = new Sqlite(path)
    other.exec('CREATE TABLE t (x)')
    other.close()
    const before = readFileSync(path)
    expect(() => openDatabase(path)).toThrow(StateFileRefused)
    expect(() => openDatabase(path)).toThrow(
      /not a state file of enid.*Set ENID_STATE_DIR to another directory, or move the file away/,
    )
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  // P103
  test('that is no database is refused with the way out, and not changed', () => {
    writeFileSync(path, 'not a database, but long enough to be looked at as one')
    const before = readFileSync(path)
    expect(() => openDatabase(path)).toThrow(
      /is damaged \(file is not a database\).*To start empty/,
    )
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  // P103
  test('of a newer schema is refused, and neither it nor its WAL is changed', () => {
    const db = openDatabase(path)
    new Catalog(db, now).putFact('a', 'b')
    db.pragma('user_version = 99')
    const crashed = join(dir, 'crashed.db')
    for (const part of ['', '-wal']) copyFileSync(`${path}${part}`, `${crashed}${part}`)
    db.close()
    const before = digests(crashed)
    expect(before[1]).toBeDefined()
    expect(() => openDatabase(crashed)).toThrow(/schema 99.*Install the newer enid again/)
    expect(digests(crashed)).toEqual(before)
  })

  test('that is damaged names the newest of its backups, of the day or of before a migration', () => {
    writeFileSync(path, 'damaged: long enough, and nothing that SQLite would take for its own')
    const words = () => {
      try {
        openDatabase(path)
      } catch (error) {
        return (error as Error).message
      }
      return expect.fail('it was opened')
    }
    expect(words()).toContain('There is no backup beside it')
    const copies = ['.v1.bak', '.bak', '.v2.bak', '.v3', '.bak.new'].map((end) => `${path}${end}`)
    for (const [n, copy] of copies.entries()) {
      writeFileSync(copy, 'a copy')
      utimesSync(copy, 1_000 + n, 1_000 + n)
    }
    const newest = `The newest backup is ${copies[2]} of 1970-01-01T00:16:42.000Z`
    expect(words()).toContain(newest)
    utimesSync(copies[1] as string, 2_000, 2_000)
    expect(words()).toContain(`The newest backup is ${copies[1]} of`)
  })

  // P104
  test('of an older schema is copied, then migrated', () => {
    openDatabase(path).close()
    const old = new Sqlite(path)
    empty(old)
    old.close()
    copyFileSync(path, `${path}.seen`)
    const db = openDatabase(path)
    expect(existsSync(`${path}.v0.bak`)).toBe(true)
    expect(db.prepare('SELECT count(*) n FROM holders').get()).toEqual({ n: 0 })
    db.close()
  })

  test('of before there were services keeps its tasks, and takes services from then on', () => {
    openDatabase(path).close()
    const first = new Sqlite(path)
    empty(first)
    first.exec(MIGRATIONS[0] ?? '')
    first.pragma('user_version = 1')
    const put = first.prepare('INSERT INTO holders (id, spec, created_at) VALUES (?, ?, ?)')
    put.run('a', JSON.stringify(spec()), Date.now())
    first.close()
    const db = openDatabase(path)
    expect(new Journal(db, Date.now).get('a')?.holder.spec.family).toBe('web')
    const store = new ServiceStore(db, Date.now)
    store.put(service(), ['made'])
    expect(store.all()).toEqual([service()])
    expect(store.events('default/web').map(({ message }) => message)).toEqual(['made'])
    db.prepare("UPDATE services SET body = '{'").run()
    expect([store.all(), store.unread()]).toEqual([[], ['service default/web']])
    db.close()
  })
})

/** As a file is before the first migration. */
function empty(db: Sqlite.Database): void {
  db.pragma('foreign_keys = OFF')
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  for (const { name } of tables as { name: string }[]) db.exec(`DROP TABLE ${name}`)
  db.pragma('user_version = 0')
}

/** Checksums of a state file and its WAL. */
const digests = (file: string) =>
  ['', '-wal'].map((part) =>
    existsSync(`${file}${part}`)
      ? createHash('sha256')
          .update(readFileSync(`${file}${part}`))
          .digest('hex')
      : undefined,
  )

describe('a damaged state file', () => {
  /** A file of some size with a backup beside it, as after a crash: its last commits in the WAL. */
  async function make(): Promise<void> {
    const whole = join(dir, 'whole.db')
    const db = openDatabase(whole)
    const journal = new Journal(db, now)
    for (let n = 0; n < 60; n++) journal.begin(`h${n}`, spec({ family: 'x'.repeat(500) }))
    copyFileSync(await backUp(db, 1_000), `${path}.bak`)
    db.pragma('wal_checkpoint(TRUNCATE)')
    journal.begin('last', spec())
    for (const part of ['', '-wal']) copyFileSync(`${whole}${part}`, `${path}${part}`)
    db.close()
  }
  const over = (file: string, at: number, length: number) => {
    const bytes = readFileSync(file)
    bytes.fill(0xa5, at, at + length)
    writeFileSync(file, bytes)
  }

  test.each<[string, () => void, string]>([
    [
      'whose header is gone',
      () => {
        rmSync(`${path}-wal`)
        over(path, 0, 100)
      },
      'file is not a database',
    ],
    ['with a page overwritten', () => over(path, 4096 * 3, 4096), ''],
    ['that was cut in half', () => truncateSync(path, statSync(path).size / 2), ''],
    ['that is empty', () => truncateSync(path, 0), 'it is empty'],
    ['whose WAL is garbage', () => over(`${path}-wal`, 0, 4096), 'does not begin as one'],
    ['that is gone but for its WAL', () => rmSync(path), 'it is gone'],
    [
      'that is a backup beside the WAL of another',
      () => copyFileSync(`${path}.bak`, path),
      'is of another file',
    ],
  ])('%s is refused untouched, and the way back is named', async (_what, damage, why) => {
    await make()
    damage()
    const before = digests(path)
    const open = () => openDatabase(path)
    expect(open).toThrow(StateFileRefused)
    expect(open).toThrow(`${path} is damaged (`)
    expect(open).toThrow(why)
    expect(open).toThrow(new RegExp(`The newest backup is ${path}.bak of .*enid sweep`))
    expect(digests(path)).toEqual(before)
  })

  test('that is as a crash left it is opened, WAL and all', async () => {
    await make()
    const db = openDatabase(path)
    expect(new Journal(db, now).get('last')).toBeDefined()
    db.close()
  })

  test('says so when that shows only while it is open', () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    for (let n = 0; n < 60; n++) journal.begin(`h${n}`, spec({ family: 'x'.repeat(500) }))
    db.pragma('wal_checkpoint(TRUNCATE)')
    over(path, 4096, statSync(path).size - 4096)
    db.pragma('shrink_memory')
    const again = new Sqlite(path)
    expect(() => new Journal(again, now)).toThrow(StateFileRefused)
    expect(() => new Catalog(again, now).definitions()).toThrow(/is damaged .* no backup beside it/)
    again.close()
    db.close()
  })
})

describe('a backup', () => {
  // P111
  test('is whole, made while the file is in use, and takes the place of the one before', async () => {
    const db = openDatabase(path)
    const journal = new Journal(db, now)
    journal.begin('a', spec())
    expect(await backUp(db, 5_000)).toBe(`${path}.bak`)
    journal.begin('b', spec())
    const made = backUp(db, 6_000)
    journal.begin('c', spec())
    await made
    db.close()
    expect(existsSync(`${path}.bak.new`)).toBe(false)
    const copy = openDatabase(`${path}.bak`)
    const ids = new Journal(copy, now).all().map(({ id }) => id)
    expect(ids.slice(0, 2)).toEqual(['a', 'b'])
    expect(new Catalog(copy, now).fact('copiedAt')).toBe('6000')
    copy.close()
    const own = openDatabase(path)
    expect(new Catalog(own, now).fact('copiedAt')).toBeUndefined()
    own.close()
  })

  // P111
  test('that cannot be made leaves the one before', async () => {
    const db = openDatabase(path)
    await backUp(db, 5_000)
    const before = readFileSync(`${path}.bak`)
    mkdirSync(`${path}.bak.new`)
    await expect(backUp(db, 6_000)).rejects.toThrow()
    expect(readFileSync(`${path}.bak`).equals(before)).toBe(true)
    db.close()
  })

  test('of before a migration is made anew where a death cut one short', () => {
    openDatabase(path).close()
    const old = new Sqlite(path)
    empty(old)
    old.close()
    for (const name of ['.v0.bak', '.v0.bak.new']) writeFileSync(`${path}${name}`, 'half')
    openDatabase(path).close()
    expect(readFileSync(`${path}.v0.bak`).subarray(0, 6).toString()).toBe('SQLite')
    expect(existsSync(`${path}.v0.bak.new`)).toBe(false)
  })
})

test('a start that died while it made the file makes it anew', () => {
  writeFileSync(`${path}.new`, 'half')
  openDatabase(path).close()
  expect(existsSync(path)).toBe(true)
  expect(existsSync(`${path}.new`)).toBe(false)
})

test('a locked file can be written later, and is not waited for long', () => {
  const db = openDatabase(path)
  const journal = new Journal(db, now)
  const other = new Sqlite(path)
  other.exec('BEGIN EXCLUSIVE')
  const asked = performance.now()
  expect(() => journal.begin('a', spec())).toThrow(StateFileUnwritable)
  expect(() => new Catalog(db, now).putFact('a', 'b')).toThrow('SQLITE_BUSY')
  expect(performance.now() - asked).toBeLessThan(1_500)
  other.exec('COMMIT')
  journal.begin('a', spec())
  other.close()
  db.close()
})

describe('the catalog', () => {
  test('leaves out what it cannot read, and names it', () => {
    const db = openDatabase(path)
    const catalog = new Catalog(db, now)
    for (const n of [1, 2]) catalog.register('web', { n })
    for (const name of ['blue', 'red']) catalog.putCluster(name, {})
    catalog.putRun('token', { request: '{}', holders: ['a'] })
    catalog.putFact('host', '{"instanceId":"i-1"}')
    expect(catalog.unread()).toEqual([])
    db.exec(`UPDATE definitions SET body = '{"n' WHERE revision = 2;
      UPDATE clusters SET body = '' WHERE name = 'red'; UPDATE runs SET holders = '[';
      UPDATE facts SET value = 'i-1' WHERE name = 'host'`)
    expect(catalog.unread().sort()).toEqual([
      ...['client token token', 'cluster red', 'fact host', 'task definition web:2'],
    ])
    expect(catalog.definitions().map(({ revision }) => revision)).toEqual([1])
    // Not revision 1: whoever means the newest must not get another.
    expect(catalog.definition('web')).toBeUndefined()
    expect(catalog.clusters().map(({ name }) => name)).toEqual(['blue'])
    expect(() => catalog.run('token')).toThrow('take another token')
    expect(catalog.jsonFact('host')).toBeUndefined()
    db.close()
  })

  test('writes no fact that it knows', () => {
    const db = openDatabase(path)
    const catalog = new Catalog(db, now)
    catalog.putFact('a', 'b')
    db.exec("CREATE TRIGGER full BEFORE INSERT ON facts BEGIN SELECT raise(ABORT, 'full'); END")
    catalog.putFact('a', 'b')
    expect(() => catalog.putFact('a', 'c')).toThrow('full')
    db.close()
  })

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
