// Goal: whatever happens to the state file, running tasks are untouched and the agent goes on, or
// says in one line why it does not, what to do, and changes nothing. Method: a real agent and a real
// task; a small file system that is full, a second connection that locks, bytes that are overwritten.

import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must, program } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

const IDLE = 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done'

let rig: Rig
let group = ''
let stateDir = ''
let path = ''
beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('any')
  await rig.endAgent('SIGTERM')
  // So small that it can be filled, and looked at in no time by the sweep.
  stateDir = mkdtempSync(join(tmpdir(), 'enid-state-'))
  path = join(stateDir, 'enid.db')
  await must('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'enid-test', stateDir])
  Object.assign(rig.env, {
    ENID_STATE_DIR: stateDir,
    ENID_SWEEP_SCALE: '0.001',
    ENID_EC2_SHARE: '1',
  })
  await rig.startAgent()
  await rig.define('idle', IDLE)
})
afterAll(async () => {
  await rig?.close()
  await program('umount', [stateDir])
  rmSync(stateDir, { recursive: true })
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** Checksums; an empty WAL, which a look leaves behind, is none. */
const digests = () =>
  ['', '-wal', '.bak'].map((part) =>
    existsSync(`${path}${part}`) && statSync(`${path}${part}`).size > 0
      ? createHash('sha256')
          .update(readFileSync(`${path}${part}`))
          .digest('hex')
      : undefined,
  )
const processes = async () =>
  must('docker', ['inspect', '--format', '{{.Id}} {{.State.Pid}}', ...(await rig.containers())])

/** Writes until the disk is full, and answers the way to give the room back. */
function fill(): () => void {
  const ballast = join(stateDir, 'ballast')
  const file = openSync(ballast, 'w')
  for (let chunk = 64 * 1024; chunk >= 512; ) {
    try {
      writeSync(file, Buffer.alloc(chunk))
    } catch {
      chunk /= 2
    }
  }
  closeSync(file)
  return () => rmSync(ballast)
}

/** Fills what the WAL may still write without asking for room. */
async function untilRefused(): Promise<string> {
  for (let turn = 0; turn < 500; turn++) {
    const refusal = await rig.run('idle', [group]).catch((error: Error) => error.message)
    if (typeof refusal === 'string') return refusal
  }
  throw new Error('RunTask was never refused')
}

// P108
test('a full disk: running tasks go on, a RunTask is told why, and all goes on with room', async () => {
  const [id = ''] = await rig.run('idle', [group])
  await rig.waitFor(id, 'RUNNING')
  const before = await processes()
  const [before1, before2] = before.trim().split('\n')
  const giveRoom = fill()
  expect(await untilRefused()).toMatch(/cannot be written \(SQLITE_FULL.*Make room/)
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  await expect(rig.stop(id)).rejects.toThrow('Make room on the disk')
  await pause(2_500)
  const now = await processes()
  for (const line of [before1, before2]) expect(now).toContain(line)
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')

  // A start on a full disk goes on with what is known, too.
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  giveRoom()
  const { tasks } = JSON.parse((await rig.enid('ps', '--json')).stdout) as {
    tasks: { taskId: string }[]
  }
  for (const { taskId } of tasks) await rig.waitFor(taskId, 'RUNNING', 120_000)
  await rig.stopAndWait(...tasks.map(({ taskId }) => taskId))
  expect(await rig.enis()).toEqual([])
}, 180_000)

// P108
test('a locked file: what needs it waits and says so, and goes on when it is free', async () => {
  const [id = ''] = await rig.run('idle', [group])
  await rig.waitFor(id, 'RUNNING')
  const other = new Sqlite(path)
  other.exec('BEGIN EXCLUSIVE')
  const refusal = await rig.run('idle', [group]).catch((error: Error) => error.message)
  expect(refusal).toMatch(/cannot be written \(SQLITE_BUSY/)
  await must('docker', ['kill', await rig.containerId(id, 'container:app')])
  await pause(3_000)
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  other.exec('COMMIT')
  expect((await rig.waitFor(id, 'STOPPED')).stoppedReason).toMatch(/^ContainerKilled/)

  // And at the start, where nobody can even read.
  await rig.endAgent('SIGTERM')
  other.pragma('locking_mode = EXCLUSIVE')
  other.exec('BEGIN EXCLUSIVE')
  const started = rig.startAgent()
  const said = /waiting for the state file: .*SQLITE_BUSY/
  await expect.poll(() => rig.agentLog, { timeout: 10_000 }).toMatch(said)
  other.close()
  await started
  expect((await rig.task(id)).lastStatus).toBe('STOPPED')
}, 120_000)

// P109
test('one bad row: its task is left alone and shown, its things are not swept, all else goes on', async () => {
  const [bad = '', good = ''] = await rig.run('idle', [group], 2)
  for (const id of [bad, good]) await rig.waitFor(id, 'RUNNING')
  const [before, enis] = [await processes(), await rig.enis()]
  await rig.endAgent('SIGTERM')
  const db = new Sqlite(path)
  db.prepare('INSERT INTO events (holder, at, event) VALUES (?, 1, ?)').run(bad, '{"type":')
  db.exec(`UPDATE facts SET value = '{' WHERE name IN ('host', 'foreignIndices')`)
  db.exec(`INSERT INTO definitions VALUES ('worn', 1, 1, 1, NULL, '{')`)
  db.exec(`INSERT INTO runs VALUES ('token', '{}', '[', 1)`)
  db.close()
  await rig.startAgent()
  for (const what of ['fact host', 'task definition worn:1', 'client token token']) {
    expect(rig.agentLog).toContain(`${what} cannot be read: left out`)
  }
  expect((await rig.enid('ps')).stdout).toContain(`task ${bad} is left alone`)
  const described = await rig.enid('describe', bad)
  expect(described).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be read') })
  expect((await rig.task(good)).lastStatus).toBe('RUNNING')
  for (let n = 0; n < 5; n++) {
    await rig.enid('sweep')
    await pause(200)
  }
  expect(await processes()).toBe(before)
  expect(await rig.enis()).toEqual(enis)
  const [next = ''] = await rig.run('idle', [group])
  await rig.waitFor(next, 'RUNNING')
  await rig.stopAndWait(good, next)

  // What docs/operations.md says: without its record it is an orphan.
  await rig.endAgent('SIGTERM')
  const again = new Sqlite(path)
  again.pragma('foreign_keys = ON')
  again.prepare('DELETE FROM holders WHERE id = ?').run(bad)
  again.close()
  await rig.startAgent()
  await expect.poll(() => rig.enis(), { timeout: 30_000 }).toEqual([])
  await expect.poll(() => rig.containers(), { timeout: 30_000 }).toEqual([])
}, 120_000)

/** The agent does not start: one line, no stack, exit code 1, and the file as it was. */
async function expectRefusal(...words: RegExp[]): Promise<void> {
  const before = digests()
  const { code, stderr } = await rig.enidWith({ ENID_LOG_LEVEL: 'silent' }, 'agent')
  expect(code, stderr).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  for (const word of words) expect(stderr).toMatch(word)
  expect(digests()).toEqual(before)
}

// P110
test('a damaged file is refused untouched; its backup knows all but what came after it', async () => {
  const [old = ''] = await rig.run('idle', [group])
  await rig.waitFor(old, 'RUNNING')
  // A backup is made at every start.
  const madeAt = () => (existsSync(`${path}.bak`) ? statSync(`${path}.bak`).mtimeMs : 0)
  const last = madeAt()
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
  await expect.poll(madeAt).toBeGreaterThan(last)
  // Docker tells the second of a container's creation: the younger task's has to be a later one.
  const [young = ''] = await rig.run('idle', [group])
  await rig.waitFor(young, 'RUNNING')
  const before = await processes()
  await rig.endAgent('SIGTERM')

  const whole = readFileSync(path)
  const damages: [string, Buffer][] = [
    ['file is not a database', Buffer.concat([Buffer.alloc(100, 0xa5), whole.subarray(100)])],
    ['', Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096, 0xa5)])],
    ['', whole.subarray(0, Math.floor(whole.length / 2))],
    ['it is empty', Buffer.alloc(0)],
  ]
  for (const [why, bytes] of damages) {
    writeFileSync(path, bytes)
    const way = new RegExp(`is damaged \\(.*${why}.*The newest backup is ${path}.bak of .*sweep`)
    await expectRefusal(way)
  }
  await pause(1_100)
  mkdirSync(join(stateDir, 'away'))
  for (const part of ['', '-wal', '-shm']) {
    if (existsSync(`${path}${part}`))
      renameSync(`${path}${part}`, join(stateDir, 'away', `x${part}`))
  }
  copyFileSync(`${path}.bak`, path)
  await rig.startAgent()
  expect(rig.agentLog).toMatch(
    /this is the backup of .*: tasks started since are left to enid sweep/,
  )
  expect((await rig.task(old)).lastStatus).toBe('RUNNING')
  await expect(rig.task(young)).rejects.toThrow('no task')
  await pause(3_000)
  expect(await processes()).toBe(before)
  await expect
    .poll(
      async () => {
        await rig.enid('sweep')
        return (await rig.containers()).length
      },
      { timeout: 30_000 },
    )
    .toBe(2)
  expect((await rig.task(old)).lastStatus).toBe('RUNNING')
  await expect.poll(() => rig.enis(), { timeout: 30_000 }).toHaveLength(1)
  await rig.stopAndWait(old)
}, 180_000)

// P110
test('damage that shows while the agent runs ends it, in the same words', async () => {
  const [id = ''] = await rig.run('idle', [group])
  const address = fact(await rig.waitFor(id, 'RUNNING'), 'privateIPv4Address')
  const before = await processes()
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
  await expect.poll(async () => (await rig.enid('describe', id)).stdout).not.toContain('not done')
  // Somebody else's write makes the agent read again what it has in memory.
  const other = new Sqlite(path)
  other.exec("INSERT OR REPLACE INTO facts VALUES ('else', 'where')")
  const [whole, wal] = [readFileSync(path), readFileSync(`${path}-wal`)]
  for (const part of ['', '-wal']) {
    const file = openSync(`${path}${part}`, 'r+')
    writeSync(file, Buffer.alloc(statSync(`${path}${part}`).size, 0xa5), 0, undefined, 0)
    closeSync(file)
  }
  await expect(rig.define('more', IDLE)).rejects.toThrow()
  await rig.agentDeath()
  other.close()
  expect(rig.agentLog).toMatch(/enid agent: .* is damaged \(.*The newest backup is/)
  expect(await processes()).toBe(before)
  writeFileSync(path, whole)
  writeFileSync(`${path}-wal`, wal)
  rmSync(`${path}-shm`, { force: true })
  await rig.startAgent()
  expect(fact(await rig.waitFor(id, 'RUNNING'), 'privateIPv4Address')).toBe(address)
  await rig.stopAndWait(id)
}, 180_000)

test('a newer schema is refused untouched, an older one is copied and climbs', async () => {
  await rig.endAgent('SIGTERM')
  const db = new Sqlite(path)
  const version = db.pragma('user_version', { simple: true })
  db.pragma('user_version = 99')
  db.close()
  await expectRefusal(/has schema 99, this enid knows up to/, /Install the newer enid again/)
  const older = new Sqlite(path)
  older.pragma('foreign_keys = OFF')
  const tables = older.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()
  for (const name of tables) if (!`${name}`.startsWith('sqlite_')) older.exec(`DROP TABLE ${name}`)
  older.pragma('user_version = 0')
  older.close()
  await rig.startAgent()
  expect(existsSync(`${path}.v0.bak`)).toBe(true)
  const now = new Sqlite(path, { readonly: true })
  expect(now.pragma('user_version', { simple: true })).toBe(version)
  now.close()
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
