// Goal: a task's start waits for the disk as seldom as it can, and nothing is done before its beginning
// is there. Method: a journal in a file; commits are counted in SQLite's own log, frame by frame, and
// what is durable is what another connection reads.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { openDatabase } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { holdsEverything, rows } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { newRunner, StillClock, settle, World } from './world.ts'

let folder: string
let path: string
let db: Sqlite.Database
let journal: Journal
let world: World
let clock: StillClock
let defects: unknown[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'enid-commits-'))
  path = join(folder, 'state.db')
  db = openDatabase(path)
  clock = new StillClock()
  journal = new Journal(db, clock.now)
  world = new World()
  defects = []
})

afterEach(() => {
  db.close()
  rmSync(folder, { recursive: true, force: true })
  expect(defects).toEqual([])
})

/** Commits in the log: frames whose header has the size of the database (sqlite.org/fileformat2, WAL). */
function commits(): number {
  const wal = readFileSync(`${path}-wal`)
  const frame = 24 + wal.readUInt32BE(8)
  let count = 0
  for (let at = 32; at + frame <= wal.length; at += frame) {
    if (wal.readUInt32BE(at + 4) > 0) count += 1
  }
  return count
}

const made = spec({ madeAhead: true, cgroup: {} })

// P472
test('a start is one commit for its first steps and one for each step that is done', async () => {
  const runner = newRunner({ journal, world, clock, defects })
  journal.begin('a', made)
  const before = commits()
  runner.advance('a')
  await settle()
  const holder = journal.get('a')?.holder ?? expect.fail()
  expect(holdsEverything(holder)).toBe(true)
  expect(commits() - before).toBe(1 + rows(made).length)
})

// P472
test('what is done was begun on the disk before, and what it follows from is there with it', async () => {
  const reader = new Sqlite(path, { readonly: true })
  const said = reader.prepare('SELECT event FROM events').pluck()
  const has = (type: string, verb: string, row: string) =>
    said.all().some((text) => {
      const event = JSON.parse(String(text))
      return event.type === type && event.verb === verb && event.row === row
    })
  const wrong: string[] = []
  world.script = ({ verb, job: { row, spec: wanted } }) => {
    if (!has('began', verb, row)) wrong.push(`${verb} ${row} is not written down`)
    if (verb === 'release') return
    for (const need of rows(wanted).find(({ id }) => id === row)?.needs ?? []) {
      if (!has('done', 'ensure', need.row)) wrong.push(`${row} before ${need.row}`)
    }
  }
  const runner = newRunner({ journal, world, clock, defects })
  journal.begin('a', made)
  runner.advance('a')
  await settle()
  runner.stop('a', { code: 'UserInitiated', reason: 'asked' })
  await settle()
  expect(world.calls).toHaveLength(2 * rows(made).length)
  expect(wrong).toEqual([])
  reader.close()
})

// P472
test('one that may not begin keeps what it follows from from being lost, and says why itself', async () => {
  const runner = newRunner(
    { journal, world, clock, defects },
    {
      choose: (_, row) => {
        if (row !== 'attachment:0') return row === 'eni:0' ? 'subnet-a' : undefined
        throw new Failure('refused', 'RESOURCE:ENI', 'no device index left')
      },
    },
  )
  journal.begin('a', made)
  runner.advance('a')
  await settle()
  const { holder } = journal.get('a') ?? expect.fail()
  expect(holder.stop).toMatchObject({ row: 'attachment:0', code: 'TaskFailedToStart' })
  expect(holder.rows['eni:0']?.details).toMatchObject({ eniId: 'eni-of-a' })
})
