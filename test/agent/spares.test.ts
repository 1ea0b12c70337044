// Goal: spares are made behind launches, taken over by them, given up for them, and one that fails
// costs nobody anything. Method: the real journal, runner, queue and keeper over a world in memory;
// the host has eight ENI slots for tasks.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import type { Host, Noticed } from '../../agent/orders.ts'
import type { PlacementFacts } from '../../agent/placement.ts'
import { Queue } from '../../agent/queue.ts'
import type { Runner } from '../../agent/runner.ts'
import { PAUSE_MS } from '../../agent/spare-failures.ts'
import { Spares } from '../../agent/spares.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { isReady, isSpare } from '../../state/spare.ts'
import type { SpareRules } from '../../state/spare-plan.ts'
import type { Spec } from '../../state/spec.ts'
import { lastStatus } from '../../state/status.ts'
import { spec } from '../state/specs.ts'
import { memory } from './journals.ts'
import { newRunner, StillClock, World } from './world.ts'

const host = {
  ...{ instanceId: 'i-1', instanceType: 'm5.4xlarge', availabilityZone: 'z1', eniCountMax: 9 },
} as Host
const POOL = { subnetId: 'subnet-a', securityGroupIds: ['sg-web'] }
const FIVE_S = 5_000

let clock: StillClock
let world: World
let db: ReturnType<typeof memory>['db']
let journal: Journal
let runner: Runner
let queue: Queue
let spares: Spares
let rules: SpareRules
let draining: boolean
let addresses: number
let found: Noticed[]
let defects: unknown[]

beforeEach(() => {
  clock = new StillClock()
  world = new World()
  defects = []
  found = []
  draining = false
  addresses = 100
  rules = named(2)
  ;({ db, journal } = memory(clock.now))
  live()
})
afterEach(() => {
  spares.close()
  queue.close()
  expect(defects).toEqual([])
})

const named = (target: number, max = target): SpareRules => ({
  ...{ target: 0, max: 0 },
  listed: [{ ...POOL, target, max }],
})

/** One life of the agent over this journal. */
function live(): void {
  const onDefect = (error: unknown) => defects.push(error)
  const facts: PlacementFacts = {
    ...{ host, journal, foreignIndices: new Set([0]) },
    capacity: { cpuUnits: 10_000, memoryMiB: 10_000 },
    subnet: (subnetId) => ({ subnetId, availabilityZone: 'z1', freeAddressCount: addresses }),
  }
  runner = newRunner({ journal, world, clock, defects })
  queue = new Queue({ ...{ journal, facts, runner, clock, onDefect }, isDraining: () => draining })
  spares = new Spares({
    ...{ journal, runner, queue, facts, rules, clock, onDefect },
    draining: () => (draining ? { why: 'a person wants it' } : undefined),
    noticed: (id) => found.filter(({ holderId }) => holderId === id),
    log: { info: () => {}, warn: () => {} },
  })
  runner.resume()
  queue.look()
  spares.start()
}

const task = (change: Partial<Spec> = {}): Spec => {
  const eni = { subnetIds: ['subnet-a'], securityGroupIds: ['sg-web'], tags: {} }
  return spec({ enis: [eni], cgroup: {}, ...change })
}
const unfit = () => task({ sandbox: { hostname: 'web' } })

/** As api/launch.ts and agent/services.ts begin them. */
function launch(given: Spec = task(), count = 1): string[] {
  const { taskCount } = queue.room(given)
  const placed = spares.place(given, Math.min(count, taskCount))
  journal.atOnce(() => placed.map((each) => journal.place(each)))
  for (const { id } of placed) {
    queue.look()
    spares.started(id)
    runner.advance(id)
  }
  return placed.map(({ id }) => id)
}

const ready = () => journal.all().flatMap(({ id, holder }) => (isReady(holder) ? [id] : []))
const status = (id: string) => lastStatus(journal.get(id)?.holder ?? expect.fail(id))
const reasonOf = (id: string) => journal.get(id)?.holder.stop?.reason

describe('a pool', () => {
  test('fills, and after a launch fills again, half a second behind it', async () => {
    await clock.pass(FIVE_S)
    const before = ready()
    expect(before).toHaveLength(2)
    const [id = ''] = launch()
    expect(before).toContain(id)
    await clock.pass(100)
    expect([status(id), ready().length]).toEqual(['RUNNING', 1])
    await clock.pass(FIVE_S)
    expect(ready()).toHaveLength(2)
    expect(spares.view().pools[0]?.served).toEqual({ warm: 1, groups: 0, cold: 0 })
  })

  test('is learned from what ran, follows the launches up to its maximum, and shrinks again', async () => {
    rules = { target: 1, max: 3, listed: [] }
    spares.close()
    live()
    await clock.pass(FIVE_S)
    expect(spares.view()).toMatchObject({ isOn: true, pools: [] })
    launch(task(), 4)
    await clock.pass(30_000)
    expect(ready()).toHaveLength(3)
    expect(spares.view().pools).toMatchObject([{ ...POOL, target: 1, max: 3, wanted: 3 }])
    await clock.pass(601_000)
    expect([ready().length, spares.view().givenUpCount]).toEqual([1, 2])
    await clock.pass(3_600_000)
    expect([ready(), spares.view().pools]).toEqual([[], []])
  })

  test('outlives a restart: what was ready is made sure of, and is the same', async () => {
    await clock.pass(FIVE_S)
    const before = ready()
    spares.close()
    await runner.close()
    journal = new Journal(db, clock.now)
    live()
    await clock.pass(FIVE_S)
    expect(ready()).toEqual(before)
    expect(world.calls).toContain('ensure link:0 again')
  })

  test('that is none any more after a restart is given up', async () => {
    await clock.pass(FIVE_S)
    spares.close()
    await runner.close()
    rules = { target: 0, max: 0, listed: [] }
    journal = new Journal(db, clock.now)
    live()
    await clock.pass(FIVE_S)
    expect(journal.all().map(({ id }) => status(id))).toEqual(['STOPPED', 'STOPPED'])
    expect(spares.view()).toMatchObject({ isOn: false, pools: [] })
  })

  test('takes no last address of a subnet', async () => {
    addresses = 1
    spares.close()
    live()
    await clock.pass(60_000)
    expect(journal.all()).toEqual([])
  })
})

describe('launches', () => {
  // P455
  test('that fit no spare wait for the slots of spares, in which they run; no launch is refused', async () => {
    rules = named(4)
    spares.close()
    live()
    await clock.pass(FIVE_S)
    expect(ready()).toHaveLength(4)
    // Four slots are free, and four are the spares'.
    const ids = launch(unfit(), 8)
    expect(ids).toHaveLength(8)
    expect(queue.waiting(ids[7] ?? '')[0]?.reason).toContain('A warm spare is given up for it')
    expect(
      journal.all().filter(({ holder }) => isSpare(holder) && holder.desired === 'running'),
    ).toEqual([])
    await clock.pass(FIVE_S)
    expect(ids.map(status)).toEqual(ids.map(() => 'RUNNING'))
    expect(queue.room(unfit())).toMatchObject({ taskCount: 0, reason: 'RESOURCE:ENI' })
    expect(launch(unfit())).toEqual([])
  })

  test('in other groups take a spare over, and their ENI is made sure of', async () => {
    await clock.pass(FIVE_S)
    world.calls.length = 0
    const other = { subnetIds: ['subnet-a'], securityGroupIds: ['sg-db'], tags: {} }
    const [id = ''] = launch(task({ enis: [other] }))
    await clock.pass(100)
    expect(status(id)).toBe('RUNNING')
    expect(world.calls.slice(0, 4).toSorted()).toEqual([
      'ensure cgroup again',
      'ensure eni:0 again',
      'ensure image:web',
      'ensure link:0 again',
    ])
    expect(world.calls).not.toContain('ensure attachment:0')
    expect(spares.view().served).toEqual({ warm: 0, groups: 1, cold: 0 })
  })

  test('take no spare of which the sweep has found something, and it is given back once that is sure', async () => {
    await clock.pass(FIVE_S)
    const [odd = '', other = ''] = ready()
    const finding = {
      what: 'eni',
      id: 'eni-1',
      holderId: odd,
      why: 'wears others',
      seenAt: 0,
    } as const
    found = [{ ...finding, verdict: 'wait' }]
    expect(spares.place(task(), 2).map(({ id }) => id)).toContain(other)
    expect(spares.place(task(), 2).map(({ id }) => id)).not.toContain(odd)
    found = [{ ...finding, verdict: 'leave' }]
    await clock.pass(10_000)
    expect(reasonOf(odd)).toBe('eni eni-1: wears others')
    expect(spares.view().pools[0]?.lastFailure).toMatchObject({ spareId: odd })
  })

  test('that begin at the same moment take different spares', async () => {
    await clock.pass(FIVE_S)
    const before = ready()
    const ids = launch(task(), 3)
    expect(new Set(ids).size).toBe(3)
    expect(ids.slice(0, 2).toSorted()).toEqual(before.toSorted())
  })
})

describe('a spare that fails', () => {
  // P464
  test('is given back, counted and named; the next ones are tried ever later, and launches go on', async () => {
    rules = named(1)
    spares.close()
    world.script = ({ verb, job }) => {
      if (verb === 'ensure' && job.row === 'link:0' && job.spec.kind === 'spare') {
        throw new Failure('refused', 'GatewaySilent', 'no answer')
      }
    }
    live()
    await clock.pass(1_000)
    const pool = () => spares.view().pools[0] ?? expect.fail('no pool')
    expect(pool()).toMatchObject({ ready: [], making: [], failedCount: 1 })
    expect(pool().lastFailure?.reason).toContain('GatewaySilent: no answer')
    await clock.pass(PAUSE_MS.first)
    expect(pool().failedCount).toBe(2)
    await clock.pass(PAUSE_MS.first)
    expect(pool().failedCount).toBe(2)
    await clock.pass(PAUSE_MS.first)
    expect(pool().failedCount).toBe(3)
    const [id = ''] = launch()
    await clock.pass(100)
    expect(status(id)).toBe('RUNNING')
    expect(
      journal
        .all()
        .filter(({ holder }) => isSpare(holder))
        .map((each) => status(each.id)),
    ).toEqual(['STOPPED', 'STOPPED', 'STOPPED'])
  })

  // P457
  test('because something of it is doubted is given back; a doubt of a task is told to the runner', async () => {
    await clock.pass(FIVE_S)
    const [id = ''] = ready()
    const [taskId = ''] = launch(unfit())
    await clock.pass(100)
    const doubted = { type: 'doubted', row: 'link:0', why: 'route: gone' } as const
    spares.tell(id, doubted)
    spares.tell(taskId, doubted)
    await clock.pass(100)
    expect([status(id), reasonOf(id)]).toEqual(['STOPPED', 'link:0: route: gone'])
    expect(status(taskId)).toBe('RUNNING')
    await clock.pass(PAUSE_MS.first)
    expect(ready()).toHaveLength(2)
  })

  test('while it is made for a reason that may pass is tried again, but never past its deadline', async () => {
    rules = named(1)
    spares.close()
    world.script = ({ job }) => {
      if (job.row === 'sandbox' && job.again) throw new Failure('transient', 'Simulated', 'again')
      if (job.row === 'sandbox') throw new Failure('transient', 'Simulated', 'once')
    }
    live()
    await clock.pass(100_000)
    expect(spares.view().pools[0]?.lastFailure?.reason).toContain('gave up after')
  })
})

test('a drained host gives all up, makes none, and fills again when it is taken back', async () => {
  await clock.pass(FIVE_S)
  draining = true
  spares.look()
  await clock.pass(60_000)
  expect(ready()).toEqual([])
  expect(spares.view()).toMatchObject({ limit: 0, why: 'this host is DRAINING: a person wants it' })
  draining = false
  spares.look()
  await clock.pass(FIVE_S)
  expect(ready()).toHaveLength(2)
})

test('while the state file cannot be written nothing is begun, and later it is', async () => {
  spares.close()
  const begin = journal.begin.bind(journal)
  let isFull = true
  journal.begin = (id, given) => {
    if (isFull) throw new StateFileUnwritable('the disk is full')
    return begin(id, given)
  }
  live()
  await clock.pass(FIVE_S)
  expect(journal.all()).toEqual([])
  isFull = false
  await clock.pass(FIVE_S)
  expect(ready()).toHaveLength(2)
})
