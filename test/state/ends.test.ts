// Goal: of what is over the journal keeps everything that can be asked, in little room, and a death
// in between changes nothing. Method: real SQLite files; every kind of holder lived to its end; a
// death is a copy of the files as they are at that write.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../state/database.ts'
import { isOver } from '../../state/ends.ts'
import { Journal } from '../../state/journal.ts'
import type { Spec } from '../../state/spec.ts'
import type { Event } from '../../state/task.ts'
import { nextSteps } from '../../state/task.ts'
import { SPECS, spec } from './specs.ts'

let dir = ''
let path = ''
let db: Database
let journal: Journal
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'enid-ends-'))
  path = join(dir, 'enid.db')
  open()
})
afterEach(() => {
  db.close()
  rmSync(dir, { recursive: true })
})

let time = 1000
const now = () => time++

function open(from = path): void {
  db = openDatabase(from)
  journal = new Journal(db, now)
}

function reopen(): void {
  db.close()
  open()
}

/** All that may be done, one way; what needs another holder is taken for done. */
function settle(id: string): void {
  const others = { holding: () => 'held' as const, standsOn: () => false }
  for (let turn = 0; turn < 60; turn++) {
    const step = nextSteps(journal.get(id)?.holder ?? expect.fail('gone'), others)[0]
    if (step === undefined) return
    const { verb, row } = step
    journal.append(id, { type: 'began', verb, row, ...(verb === 'ensure' && { choice: 'x' }) })
    const details = { eniId: `eni-of-${id}`, row }
    journal.append(id, { type: 'done', verb, row, ...(verb === 'ensure' && { details }) })
    const name = /^container:(.*)/.exec(row)?.[1]
    if (name) journal.append(id, { type: 'healthSeen', container: name, healthy: true })
  }
}

const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: 'enough' } }

function live(id: string, made: Spec = spec()): void {
  journal.begin(id, made)
  settle(id)
  journal.append(id, stop)
  settle(id)
  journal.keepLog(id, 'web', `log of ${id}`)
}

const count = (table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()

// P484
test.each(Object.entries(SPECS))(
  '%s that is over is the same by its end as by its events',
  (_name, made) => {
    live('a', made)
    const before = journal.get('a')
    expect(before && isOver(before.holder)).toBe(true)
    expect(journal.compact(10)).toBe(1)
    expect([count('events'), count('ends')]).toEqual([0, 1])
    expect(journal.get('a')).toEqual(before)
    reopen()
    expect(journal.get('a')).toEqual(before)
    expect(journal.all()).toEqual([before])
    expect(journal.living()).toEqual([])
    expect(journal.keptLog('a', 'web')).toBe('log of a')
  },
)

test('a spec that was changed meanwhile is that of the end', () => {
  journal.begin('a', spec())
  settle('a')
  journal.append('a', { type: 'amended', spec: spec({ family: 'other' }), rows: ['eni:0'] })
  settle('a')
  journal.append('a', stop)
  settle('a')
  journal.compact(1)
  reopen()
  expect(journal.get('a')?.holder.spec.family).toBe('other')
})

// P484
test('what runs, or still holds something, keeps its events', () => {
  for (const id of ['running', 'stopping', 'over']) journal.begin(id, spec())
  for (const id of ['running', 'stopping']) settle(id)
  for (const id of ['stopping', 'over']) journal.append(id, stop)
  expect(journal.compact(10)).toBe(1)
  expect(journal.ended().map(({ id }) => id)).toEqual(['over'])
  expect(journal.living().map(({ id }) => id)).toEqual(['running', 'stopping'])
  reopen()
  expect(journal.all().map(({ id }) => id)).toEqual(['running', 'stopping', 'over'])
  settle('stopping')
  expect(journal.living().map(({ id }) => id)).toEqual(['running'])
})

test('what is told of it after its end is not lost, and goes into the next end', () => {
  live('a')
  journal.compact(1)
  journal.append('a', { type: 'protectionSet', until: 5 })
  const after = journal.get('a')
  expect(after?.holder.protectedUntil).toBe(5)
  reopen()
  expect(journal.get('a')).toEqual(after)
  expect([journal.compact(1), count('events'), count('ends')]).toEqual([1, 0, 1])
  reopen()
  expect(journal.get('a')).toEqual(after)
})

/** The files as they are at this moment: what a process that dies now leaves behind. */
function deathAt(place: string): void {
  for (const part of ['', '-wal']) {
    if (existsSync(`${path}${part}`)) copyFileSync(`${path}${part}`, `${place}${part}`)
  }
}

// P484
test('a death, or a full disk, at any write of an end leaves every holder as it was', () => {
  for (const id of ['a', 'b', 'c']) live(id)
  const before = journal.all()
  const events = count('events')
  let writes = 0
  for (let dieAt = 1; ; dieAt++) {
    db.close()
    db = openDatabase(path)
    writes = 0
    const died = join(dir, `died-${dieAt}.db`)
    journal = new Journal(
      watched(db, () => {
        if (++writes !== dieAt) return
        deathAt(died)
        throw Object.assign(new Error('no room'), { code: 'SQLITE_FULL' })
      }),
      now,
    )
    if (dieAt > 9) break
    expect(() => journal.compact(10)).toThrow('no room')
    // The life that could not write knows as much as the next one.
    expect(journal.all()).toEqual(before)
    expect([count('events'), count('ends')]).toEqual([events, 0])
    const next = openDatabase(died)
    expect(new Journal(next, now).all()).toEqual(before)
    next.close()
  }
  expect(journal.compact(10)).toBe(3)
  expect(writes).toBe(9)
  expect(journal.all()).toEqual(before)
  expect([count('events'), count('ends')]).toEqual([0, 3])
})

/** The database; `onWrite` is called before each write of an end, and of the removal of its events. */
function watched(real: Database, onWrite: () => void, onRead = (_sql: string) => {}): Database {
  const prepare = (sql: string) => {
    const statement = real.prepare(sql)
    const seen: typeof statement = new Proxy(statement, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown
        if (typeof value !== 'function') return value
        return (...given: unknown[]) => {
          if (name === 'run' && /INTO ends|DELETE FROM events|SET spec/.test(sql)) onWrite()
          if (name === 'get' || name === 'all') onRead(sql)
          const answer = value.apply(target, given) as unknown
          return answer === target ? seen : answer
        }
      },
    })
    return seen
  }
  return new Proxy(real, {
    get(target, name) {
      if (name === 'prepare') return prepare
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

// P485
test('a start reads nothing of what is over but its head, however much there is', () => {
  for (let n = 0; n < 40; n++) live(`over-${n}`)
  journal.begin('up', spec())
  settle('up')
  journal.compact(100)
  db.close()
  db = openDatabase(path)
  const read: string[] = []
  const onRead = (sql: string) => read.push(sql)
  journal = new Journal(
    watched(db, () => {}, onRead),
    now,
  )
  // Heads, who has events, ids; then the spec and the events of the one that is up.
  expect(read).toHaveLength(3 + 2)
  expect(journal.living().map(({ id }) => id)).toEqual(['up'])
  expect(journal.ended()).toHaveLength(40)
  expect(read).toHaveLength(3 + 2)
  expect(journal.get('over-7')?.holder.stop?.reason).toBe('enough')
  expect(read).toHaveLength(3 + 2 + 1)
})

// P485
test('what is over takes less than half of the room that its events took', () => {
  const pages = () =>
    Number(db.pragma('page_count', { simple: true })) -
    Number(db.pragma('freelist_count', { simple: true }))
  const empty = pages()
  for (let n = 0; n < 50; n++) live(`over-${n}`)
  const before = pages() - empty
  journal.compact(100)
  expect((pages() - empty) / before).toBeLessThan(0.5)
})

test('an end that cannot be read is set aside when it is asked for, and no other', () => {
  for (const id of ['a', 'b', 'c']) live(id)
  journal.compact(10)
  const spoil = db.prepare('UPDATE ends SET body = ? WHERE holder = ?')
  spoil.run(Buffer.from('{'), 'a')
  const { holder, timeline } = journal.get('b') ?? expect.fail('no b')
  const held = JSON.stringify({ holder, timeline }).replaceAll('"none"', '"held"')
  spoil.run(deflateRawSync(held), 'b')
  reopen()
  expect(journal.quarantined).toEqual([])
  expect(journal.all().map(({ id }) => id)).toEqual(['c'])
  expect(journal.quarantined.map(({ id }) => id)).toEqual(['a', 'b'])
  expect(journal.get('b')).toBeUndefined()
  expect(journal.ended().map(({ id }) => id)).toEqual(['c'])
})

test('forgotten, its end goes with it', () => {
  live('a')
  journal.compact(1)
  journal.forget('a')
  expect([journal.all(), count('ends'), count('logs')]).toEqual([[], 0, 0])
})

test('a commit that fails takes back what it did, and one inside another its own alone', () => {
  live('a')
  journal.begin('b', spec())
  const fail = () => {
    throw new Error('no')
  }
  const told: string[] = []
  const unfollow = journal.follow(({ id }, { type }) => told.push(`${id} ${type}`))
  journal.atOnce(() => {
    journal.append('b', stop)
    const inner = () =>
      journal.atOnce(() => {
        journal.begin('c', spec())
        fail()
      })
    expect(inner).toThrow('no')
  })
  expect(journal.all().map(({ id }) => id)).toEqual(['a', 'b'])
  expect(journal.living()).toEqual([])
  expect(told).toEqual(['b stopAsked'])
  const outer = () =>
    journal.atOnce(() => {
      journal.atOnce(() => journal.begin('d', spec()))
      journal.append('b', { type: 'protectionSet', until: 1 })
      fail()
    })
  expect(outer).toThrow('no')
  expect(told).toEqual(['b stopAsked'])
  unfollow()
  expect(journal.get('b')?.holder.protectedUntil).toBeUndefined()
  const known = journal.all()
  reopen()
  expect(journal.all()).toEqual(known)
})
