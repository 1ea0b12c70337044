// Goal: a task that waits for room begins as soon as there is some, stops with the numbers when it
// waited too long, and waits on over a restart. Method: the real runner, journal and queue over a
// world in memory; the host has 1000 CPU units and three ENI slots.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Host } from '../../agent/orders.ts'
import type { PlacementFacts } from '../../agent/placement.ts'
import { Queue, WAITERS_MAX } from '../../agent/queue.ts'
import type { Runner } from '../../agent/runner.ts'
import { Journal } from '../../state/journal.ts'
import { lastStatus } from '../../state/status.ts'
import { spec } from '../state/specs.ts'
import { memory } from './journals.ts'
import { newRunner, StillClock, World } from './world.ts'

const host = {
  ...{ instanceId: 'i-1', instanceType: 'm5.large', availabilityZone: 'z1', eniCountMax: 4 },
} as Host
const MINUTE_MS = 60_000

let clock: StillClock
let world: World
let db: ReturnType<typeof memory>['db']
let journal: Journal
let runner: Runner
let queue: Queue
let draining: boolean
let addresses: number
let defects: unknown[]

beforeEach(() => {
  clock = new StillClock()
  world = new World()
  defects = []
  draining = false
  addresses = 100
  ;({ db, journal } = memory(clock.now))
  live()
})
afterEach(() => {
  queue.close()
  expect(defects).toEqual([])
})

/** One life of the agent over this journal. */
function live(): void {
  const facts: PlacementFacts = {
    ...{ host, journal, foreignIndices: new Set([0]) },
    capacity: { cpuUnits: 1000, memoryMiB: 1000 },
    subnet: (subnetId) => ({ subnetId, availabilityZone: 'z1', freeAddressCount: addresses }),
  }
  runner = newRunner({ journal, world, clock, defects })
  queue = new Queue({
    ...{ journal, facts, runner, clock, isDraining: () => draining },
    onDefect: (error) => defects.push(error),
  })
}

/** As RunTask begins it. */
function begin(id: string, cpuUnits: number, waitMs?: number): void {
  journal.begin(id, spec({ cgroup: { cpuUnits }, ...(waitMs === undefined ? {} : { waitMs }) }))
  queue.look()
  runner.advance(id)
}
const stop = (id: string) => runner.stop(id, { code: 'UserInitiated', reason: 'asked' })
const status = (id: string) => lastStatus(journal.get(id)?.holder ?? expect.fail(id))
const reason = (id: string) => journal.get(id)?.holder.stop?.reason

describe('a task that waits', () => {
  // P390
  test('begins as soon as what is in its way is gone, and is shown with its reason until then', async () => {
    begin('a', 800)
    begin('b', 300, MINUTE_MS)
    await clock.pass(5_000)
    expect([status('a'), status('b')]).toEqual(['RUNNING', 'PROVISIONING'])
    expect(world.calls.filter((call) => call.includes('eni:0'))).toHaveLength(1)
    const until = new Date(clock.now() - 5_000 + MINUTE_MS).toISOString()
    expect(queue.waiting('b')).toMatchObject([
      {
        code: 'RESOURCE:CPU',
        reason:
          `waits for room on this host, place 1 of 1, until ${until}. ` +
          'this host has 1000 CPU units for tasks, 800 are in use; the task needs 300',
      },
    ])
    stop('a')
    await clock.pass(10)
    expect(status('b')).toBe('RUNNING')
    expect(queue.waiting('b')).toEqual([])
  })

  // P391
  test('too long stops, and says for what it waited', async () => {
    begin('a', 800)
    begin('b', 300, MINUTE_MS)
    await clock.pass(MINUTE_MS - 1)
    expect(status('b')).toBe('PROVISIONING')
    await clock.pass(1001)
    expect(status('b')).toBe('STOPPED')
    expect(journal.get('b')?.holder.stop).toEqual({
      code: 'TaskFailedToStart',
      reason:
        'RESOURCE:CPU: waited 60 s for room on this host. this host has 1000 CPU units for ' +
        'tasks, 800 are in use; the task needs 300',
    })
    expect(journal.get('b')?.holder.rows).toEqual({})
  })

  // P391
  test('and is stopped stops at once, and nothing of it ever begins', async () => {
    begin('a', 800)
    begin('b', 300, MINUTE_MS)
    stop('b')
    expect([status('b'), reason('b')]).toEqual(['STOPPED', 'asked'])
    stop('a')
    await clock.pass(MINUTE_MS)
    expect(journal.get('b')?.holder.rows).toEqual({})
  })

  // P391
  test('waits on in the next life, in its place and no longer than it may', async () => {
    begin('a', 800)
    begin('b', 300, 2 * MINUTE_MS)
    begin('c', 300, 10 * MINUTE_MS)
    await clock.pass(MINUTE_MS)
    queue.close()
    await runner.close()
    journal = new Journal(db, clock.now)
    live()
    runner.resume()
    queue.look()
    await clock.pass(100)
    expect(queue.waiting('c')[0]?.reason).toContain('place 2 of 2')
    await clock.pass(MINUTE_MS + 1000)
    expect([status('b'), status('c')]).toEqual(['STOPPED', 'PROVISIONING'])
    stop('a')
    await clock.pass(10)
    expect(status('c')).toBe('RUNNING')
  })

  // P391
  test('is not admitted while the host drains, nor without an address, and is once both are over', async () => {
    draining = true
    addresses = 0
    begin('b', 300, 10 * MINUTE_MS)
    await clock.pass(5_000)
    draining = false
    await clock.pass(5_000)
    expect(status('b')).toBe('PROVISIONING')
    expect(queue.waiting('b')).toMatchObject([{ code: 'RESOURCE:ENI' }])
    addresses = 1
    await clock.pass(1_000)
    expect(status('b')).toBe('RUNNING')
  })

  // P389
  test('has room held for it after a minute: whoever does not wait is told so', async () => {
    begin('a', 500)
    begin('big', 900, 10 * MINUTE_MS)
    const small = spec({ cgroup: { cpuUnits: 200 } })
    expect(queue.room(small).taskCount).toBe(2)
    await clock.pass(MINUTE_MS)
    expect(queue.room(small)).toMatchObject({
      ...{ taskCount: 0, reason: 'RESOURCE:CPU' },
      detail:
        'this host has 1000 CPU units for tasks, 500 are in use, 500 are held for a task that waits; the task needs 200',
    })
    stop('a')
    await clock.pass(10)
    expect(status('big')).toBe('RUNNING')
  })

  test('finds a queue that is bounded', () => {
    begin('a', 1000)
    for (let n = 0; n < WAITERS_MAX; n++) {
      expect(queue.isFull).toBe(false)
      begin(`w${n}`, 1, MINUTE_MS)
    }
    expect(queue.isFull).toBe(true)
  })
})

test('where nobody waits nothing is looked at by the clock', async () => {
  begin('a', 800)
  begin('b', 100, MINUTE_MS)
  await clock.pass(10)
  expect(status('b')).toBe('RUNNING')
  let looks = 0
  const { now } = clock
  clock.now = () => {
    looks += 1
    return now()
  }
  await clock.pass(10 * MINUTE_MS)
  clock.now = now
  expect(looks).toBeLessThan(3)
})
