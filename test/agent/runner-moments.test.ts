// Goal: the runner at its edges: the moments of a step in their order, what is awaited at the end,
// what a later life carries over, what happens when nothing can be written down, and what ties a
// guest to a shared ENI. Method: as in runner.test.ts. Most were found by mutants that survived.

import Sqlite from 'better-sqlite3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Drivers, Job } from '../../agent/drivers/driver.ts'
import { Failure } from '../../agent/failure.ts'
import type { Runner, RunnerOptions } from '../../agent/runner.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { lastStatus } from '../../state/status.ts'
import type { Event, RowId } from '../../state/task.ts'
import { rowState } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { hang, newRunner, StillClock, settle, World } from './world.ts'

const stop = { code: 'UserInitiated', reason: 'asked' } as const
const transient = new Failure('transient', 'Slow', 'slow')

let world: World
let clock: StillClock
let db: Sqlite.Database
let journal: Journal
let runner: Runner
let events: Event[]
let defects: unknown[]

function start(change: Partial<RunnerOptions> = {}): void {
  journal = new Journal(db, clock.now)
  journal.follow((_, event) => events.push(event))
  runner = newRunner({ journal, world, clock, defects }, change)
}

function begin(id = 'a', made = spec()): void {
  journal.begin(id, made)
  runner.advance(id)
}

const holder = (id = 'a') => journal.get(id)?.holder ?? expect.fail(`no ${id}`)
const row = (id: RowId) => rowState(holder(), id)
const ensures = (id: RowId) => world.attempts.get(`ensure ${id}`) ?? 0

beforeEach(() => {
  world = new World()
  clock = new StillClock()
  db = new Sqlite(':memory:')
  for (const statements of MIGRATIONS) db.exec(statements)
  events = []
  defects = []
  start()
})

describe('the moments of a step', () => {
  test('are passed in their order, each before or after what it says', async () => {
    const passed: string[] = []
    const isThere = () => world.there.has('a eni:0')
    const has = (type: string) =>
      events.some((e) => e.type === type && 'row' in e && e.row === 'eni:0')
    start({
      passing: (moment, verb, id) => {
        if (id !== 'eni:0') return
        passed.push(`${moment} ${verb}: ${has('began')} ${isThere()} ${has('done')}`)
      },
    })
    begin()
    await settle()
    expect(passed).toEqual([
      'before began ensure: false false false',
      'before effect ensure: true false false',
      'after effect ensure: true true false',
      'after done ensure: true true true',
    ])
  })

  test('while a step is under way nothing is waited for, and of a stranger nothing is known', async () => {
    world.script = ({ job }) => (job.row === 'eni:0' ? hang() : undefined)
    begin()
    await settle()
    expect(runner.waiting('a')).toEqual([])
    expect(runner.waiting('nobody')).toEqual([])
    await runner.close()
  })

  test('a step whose time comes when it is no longer due is not begun', async () => {
    world.script = ({ job, verb }) => {
      if (job.row === 'attachment:0' && verb === 'ensure') throw transient
    }
    begin()
    await settle()
    expect(ensures('attachment:0')).toBe(1)
    journal.append('a', { type: 'stopAsked', stop })
    await clock.pass(60_000)
    expect(ensures('attachment:0')).toBe(1)
    runner.advance('a')
    await settle()
    expect(lastStatus(holder())).toBe('STOPPED')
  })
})

describe('what comes too late', () => {
  test('a step that waits is not tried while what it stands on is in doubt', async () => {
    world.script = ({ job, verb, attempt }) => {
      if (verb === 'ensure' && job.row === 'link:0' && attempt === 1) throw transient
      return verb === 'ensure' && job.row === 'attachment:0' && attempt === 2 ? hang() : undefined
    }
    begin()
    await settle()
    expect(ensures('link:0')).toBe(1)
    runner.tell('a', { type: 'doubted', row: 'attachment:0', why: 'drift' })
    await clock.pass(10_000)
    expect(ensures('attachment:0')).toBe(2)
    expect(ensures('link:0')).toBe(1)
    await runner.close()
  })

  test('a refusal that comes after the stop is no reason, and holds nothing up', async () => {
    const { promise, reject } = Promise.withResolvers<never>()
    const drivers = world.drivers()
    start({ drivers: { ...drivers, image: { ...drivers.image, ensure: () => promise } } })
    begin()
    await settle()
    runner.stop('a', stop)
    await settle()
    reject(new Failure('refused', 'CannotPullContainerError', 'no such image'))
    await settle()
    expect(events.map(({ type }) => type)).not.toContain('refused')
    expect(holder().stop).toEqual(stop)
    expect(lastStatus(holder())).toBe('STOPPED')
  })

  test('an exit that is known already is not told again by whoever takes the container away', async () => {
    const drivers = world.drivers()
    const release = async () => ({ logTail: 'bye', exit: { exitCode: 137 } })
    start({ drivers: { ...drivers, container: { ...drivers.container, release } } })
    begin()
    await settle()
    runner.tell('a', { type: 'exited', container: 'web', exitCode: 3 })
    await settle()
    expect(lastStatus(holder())).toBe('STOPPED')
    expect(events.filter(({ type }) => type === 'exited')).toHaveLength(1)
    expect(holder().facts.web?.exitCode).toBe(3)
    expect(row('container:web').details).not.toHaveProperty('logTail')
  })

  test('a choice that nobody made is not declined: the task is refused', async () => {
    world.script = ({ job }) => {
      if (job.row === 'sandbox') throw new Failure('refused', 'Odd', 'no', { ofChoice: true })
    }
    begin()
    await settle()
    expect(holder().stop?.reason).toBe('Odd: no')
    expect(defects).toEqual([])
  })
})

describe('what cannot be written down', () => {
  const full = () => {
    throw new StateFileUnwritable('the state file cannot be written (SQLITE_FULL)')
  }

  test('the outcome of a refusal waits, is shown, and is written later', async () => {
    const refusal = new Failure('refused', 'InvalidGroup.NotFound', 'no such group')
    const append = journal.append.bind(journal)
    world.script = ({ job, verb }) => {
      if (job.row !== 'eni:0' || verb === 'release') return
      journal.append = full
      throw refusal
    }
    begin()
    await settle()
    expect(holder().desired).toBe('running')
    expect(runner.waiting('a')).toContainEqual(
      expect.objectContaining({ row: 'eni:0', code: 'StateFileUnwritable' }),
    )
    journal.append = append
    world.script = ({ job, verb }) => {
      if (job.row === 'eni:0' && verb === 'ensure') throw refusal
    }
    await clock.pass(1_000)
    expect(holder().stop?.reason).toBe('InvalidGroup.NotFound: no such group')
    expect(defects).toEqual([])
  })

  test('a launch waits for room on the disk as long as it takes, and says so', async () => {
    const append = journal.append.bind(journal)
    journal.append = full
    begin()
    await clock.pass(1_800_000)
    expect(runner.waiting('a')[0]).toMatchObject({
      code: 'StateFileUnwritable',
      reason: expect.stringMatching(/SQLITE_FULL.*Make room on the disk/),
    })
    expect(() => runner.stop('a', stop)).toThrow(
      expect.objectContaining({ kind: 'transient', code: 'StateFileUnwritable' }),
    )
    journal.append = append
    await clock.pass(60_000)
    expect(lastStatus(holder())).toBe('RUNNING')
  })

  test('a doubt of a new life that cannot be written down is written down later', async () => {
    begin()
    await settle()
    await runner.close()
    events.length = 0
    start()
    const append = journal.append.bind(journal)
    journal.append = full
    runner.resume()
    expect(events).toEqual([])
    journal.append = append
    await clock.pass(1_000)
    expect(events.filter(({ type }) => type === 'doubted')).toHaveLength(3)
    expect(row('sandbox').is).toBe('held')
  })

  test('what is seen of somebody who is not known here is nobody’s business', () => {
    runner.tell('nobody', { type: 'exited', container: 'web', exitCode: 0 })
    runner.stop('nobody', stop)
    runner.advance('nobody')
    expect(events).toEqual([])
  })

  test('what is wrong with the journal itself goes up, and is not tried again', async () => {
    begin()
    await settle()
    journal.append = () => {
      throw new TypeError('oops')
    }
    expect(() => runner.tell('a', { type: 'exited', container: 'web', exitCode: 0 })).toThrow(
      'oops',
    )
    expect(() => runner.stop('a', stop)).toThrow('oops')
  })

  test('an outcome that the journal refuses by mistake is a defect, and is not waited out', async () => {
    world.script = ({ job }) => {
      if (job.row !== 'eni:0') return
      journal.append = () => {
        throw new TypeError('oops')
      }
      throw new Failure('refused', 'Refused', 'no')
    }
    begin()
    await settle()
    expect(defects).toContainEqual(new TypeError('oops'))
    expect(defects).toHaveLength(2)
    expect(runner.waiting('a')).toEqual([])
  })
})

describe('a later life', () => {
  const doubts = () => events.filter((event) => event.type === 'doubted')

  test('doubts what is held and local of those that are to run, and nothing else', async () => {
    begin('a')
    begin('b')
    await settle()
    runner.tell('a', { type: 'doubted', row: 'link:0', why: 'drift' })
    await runner.close()
    world.script = ({ verb }) => (verb === 'release' ? hang() : undefined)
    start()
    runner.stop('b', stop)
    await settle()
    await runner.close()
    events.length = 0
    start()
    runner.resume()
    expect(doubts().map((event) => 'row' in event && event.row)).toEqual([
      'sandbox',
      'link:0',
      'container:web',
    ])
    expect(doubts()[0]).toMatchObject({ why: 'the agent started' })
  })

  test('what was doubted already is not doubted again', async () => {
    world.script = ({ job, attempt }) =>
      job.row === 'link:0' && attempt === 2 ? hang() : undefined
    begin()
    await settle()
    runner.tell('a', { type: 'doubted', row: 'link:0', why: 'drift' })
    await settle()
    await runner.close()
    events.length = 0
    start()
    runner.resume()
    expect(doubts().map((event) => 'row' in event && event.row)).toEqual([
      'sandbox',
      'container:web',
    ])
  })

  test('only a card that never came has its time counted on; a choice stands, and is not made anew', async () => {
    const left = new Map<string, number>()
    const chosen: string[] = []
    const choose: RunnerOptions['choose'] = (_, id) => {
      if (id === 'eni:0') chosen.push(id)
      return ({ 'eni:0': 'subnet-a', 'attachment:0': '1' } as Record<string, string>)[id]
    }
    world.script = ({ job, verb }) => {
      left.set(`${verb} ${job.row}`, job.leftMs)
      return job.row === 'eni:0' && verb === 'ensure' ? hang() : undefined
    }
    start({ choose })
    begin()
    await clock.pass(20_000)
    await runner.close()
    start({ choose })
    runner.resume()
    await settle()
    expect(left.get('ensure eni:0')).toBe(60_000)
    expect(chosen).toEqual(['eni:0'])
    expect(row('eni:0').choice).toBe('subnet-a')
    await runner.close()
  })

  test('a card that came once, and is doubted before its task ran, has all its time again', async () => {
    const left: number[] = []
    world.script = ({ job, verb }) => {
      if (job.row === 'link:0' && verb === 'ensure') left.push(job.leftMs)
      return job.row === 'container:web' && verb === 'ensure' ? hang() : undefined
    }
    begin()
    await clock.pass(50_000)
    await runner.close()
    clock.time += 50_000
    start()
    runner.resume()
    await settle()
    expect(left).toEqual([60_000, 60_000])
    await runner.close()
  })

  test('a release knows nothing of a deadline that an ensure had', async () => {
    let leftMs = 0
    world.script = ({ job, verb }) => {
      if (job.row !== 'link:0') return
      if (verb === 'release') leftMs = job.leftMs
      return hang()
    }
    begin()
    await clock.pass(30_000)
    await runner.close()
    start()
    runner.stop('a', stop)
    await settle()
    expect(leftMs).toBe(60_000)
    await runner.close()
  })
})

test('the end waits for what is in flight', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let isOver = false
  const drivers = world.drivers()
  const image = { ...drivers.image, ensure: () => promise.then(() => ({ imageId: 'image' })) }
  start({ drivers: { ...drivers, image } })
  begin()
  await settle()
  const closed = runner.close().then(() => {
    isOver = true
  })
  await settle()
  expect(isOver).toBe(false)
  resolve()
  await closed
  expect(row('image:web').is).toBe('held')
})

test('a holder that is forgotten while its last step ends is let be', async () => {
  world.script = ({ job, verb }) => {
    if (verb === 'release' && job.row === 'eni:0') throw new Failure('lost', 'Gone', 'gone')
  }
  begin()
  await settle()
  const forgetting = journal.follow((entry, event) => {
    if (lastStatus(entry.holder) === 'STOPPED' && event.type === 'done') {
      queueMicrotask(() => journal.forget('a'))
    }
  })
  runner.stop('a', stop)
  await settle()
  forgetting()
  expect(journal.get('a')).toBeUndefined()
  expect(defects).toEqual([])
})

describe('a shared ENI', () => {
  /** Drivers that also give addresses of a shared ENI, as prefix modes will have. */
  const withAddresses = () => {
    const drivers = world.drivers()
    return { ...drivers, address: drivers.image } as unknown as Drivers
  }
  const guest = (id: string) => begin(id, spec({ enis: [], sharedEni: 'host' }))

  test('carries its guests, who come up after it, and goes when the last has given its address back', async () => {
    const calls: string[] = []
    world.script = ({ verb, job }: { verb: string; job: Job }) => {
      calls.push(`${verb} ${job.row} of ${job.holderId}`)
    }
    start({ drivers: withAddresses() })
    guest('g')
    await settle()
    expect(calls).toEqual(['ensure image:web of g'])
    begin('other', spec({ kind: 'shared', containers: [] }))
    await settle()
    expect(rowState(holder('g'), 'address').is).toBe('none')
    begin('host', spec({ kind: 'shared', containers: [] }))
    await settle()
    expect(rowState(holder('host'), 'link:0').is).toBe('held')
    runner.advance('g')
    await settle()
    expect(lastStatus(holder('g'))).toBe('RUNNING')

    runner.stop('host', stop)
    await settle()
    expect(rowState(holder('host'), 'link:0').is).toBe('held')
    // Nobody stands on the other one.
    runner.stop('other', stop)
    await settle()
    expect(lastStatus(holder('other'))).toBe('STOPPED')
    runner.stop('g', stop)
    await settle()
    runner.advance('host')
    await settle()
    expect(lastStatus(holder('host'))).toBe('STOPPED')
    expect(defects).toEqual([])
  })

  test('that nobody stands on any more goes, though guests of it once came', async () => {
    start({ drivers: withAddresses() })
    begin('host', spec({ kind: 'shared', containers: [] }))
    await settle()
    guest('g')
    await settle()
    guest('late')
    await settle()
    runner.stop('g', stop)
    runner.stop('host', stop)
    await settle()
    expect(rowState(holder('host'), 'link:0').is).toBe('held')
    runner.stop('late', stop)
    await settle()
    runner.advance('host')
    await settle()
    expect(lastStatus(holder('host'))).toBe('STOPPED')
  })
})
