// Goal: a host that is drained stays so until somebody takes that back, and a termination notice
// stops tasks in time and leaves to EC2 what EC2 deletes. Method: the real runner, journal and
// catalog, drivers and an IMDS of memory, a clock that moves when it is told.

import { beforeEach, describe, expect, test } from 'vitest'
import { Drain, stopDrained } from '../../agent/drain.ts'
import { graceMs } from '../../agent/drivers/container.ts'
import { Failure } from '../../agent/failure.ts'
import { LOOK_MS, watchNotices } from '../../agent/notice.ts'
import type { Runner, RunnerOptions } from '../../agent/runner.ts'
import type { Catalog } from '../../state/catalog.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import type { Journal } from '../../state/journal.ts'
import { lastStatus } from '../../state/status.ts'
import { rowState } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { memory } from './journals.ts'
import { hang, holds, newRunner, StillClock, settle, World } from './world.ts'

const SPOT = 'meta-data/spot/instance-action'
const TARGET = 'meta-data/autoscaling/target-lifecycle-state'
const away = new Failure('transient', 'MetadataServiceUnreachable', 'IMDS does not answer')

let world: World
let clock: StillClock
let journal: Journal
let catalog: Catalog
let runner: Runner
let drain: Drain
let imds: Record<string, string | Failure | Promise<undefined>>
let asked: string[]
let said: string[]
let isFull: boolean
let close: () => Promise<void>
const defects: unknown[] = []

/** A life of the agent over the same state file. */
async function born(bootId = 'boot-1'): Promise<void> {
  const facts: Pick<Catalog, 'jsonFact' | 'putFact' | 'forgetFact'> = {
    jsonFact: (name) => catalog.jsonFact(name),
    forgetFact: (name) => catalog.forgetFact(name),
    putFact(name, value) {
      if (isFull) throw new StateFileUnwritable('the disk is full')
      catalog.putFact(name, value)
    },
  }
  drain = new Drain({ catalog: facts, clock, bootId })
  const hold: RunnerOptions['hold'] = (entry, step) => drain.hold(entry, step)
  runner = newRunner({ journal, world, clock, defects }, { hold })
  const end = await watchNotices({
    imds: {
      async find(path) {
        asked.push(path)
        const answer = await imds[path]
        if (answer instanceof Failure) throw answer
        return answer
      },
    },
    drain,
    enforce,
    clock,
    log: { info: (_, text) => said.push(text), warn: (_, text) => said.push(text) },
    onDefect: (error) => defects.push(error),
  })
  runner.resume()
  close = async () => {
    await runner.close()
    await end()
  }
}

const enforce = () => stopDrained(drain, journal, runner, clock.now())

/** Somebody drains the host, as POST /drain does. */
function order(stopTasks: boolean): void {
  drain.ask({ why: 'kernel update', stopTasks })
  enforce()
}

async function begin(id = 'a', made = spec()): Promise<void> {
  journal.begin(id, made)
  runner.advance(id)
  await settle()
}

const holder = (id = 'a') => journal.get(id)?.holder ?? expect.fail(`no ${id}`)
const status = (id = 'a') => lastStatus(holder(id))
const left = () => [...world.there].map((key) => key.slice(2)).sort()
const inMs = (ms: number) => new Date(clock.time + ms).toISOString()
const spot = (ms: number, action = 'terminate') =>
  JSON.stringify({ action, time: inMs(ms).replace(/\.\d+Z$/, 'Z') })
const ENIS = ['attachment:0', 'eni:0', 'guard:0']

beforeEach(async () => {
  world = new World()
  clock = new StillClock()
  ;({ journal, catalog } = memory(clock.now))
  imds = {}
  asked = []
  said = []
  isFull = false
  defects.length = 0
  await born()
})

describe('a host that somebody drains', () => {
  test('stops every task and says why', async () => {
    await begin('a')
    await begin('b')
    order(true)
    await settle()
    expect([status('a'), status('b')]).toEqual(['STOPPED', 'STOPPED'])
    expect(holder().stop).toEqual({
      code: 'UserInitiated',
      reason: 'Host drained: kernel update',
    })
    expect(left()).toEqual([])
  })

  // P352
  test('leaves a protected task until its protection is over, also in a later life', async () => {
    await begin('a')
    await begin('b')
    journal.append('a', { type: 'protectionSet', until: clock.time + 60_000 })
    order(true)
    await settle()
    expect([status('a'), status('b')]).toEqual(['RUNNING', 'STOPPED'])
    await close()
    await born()
    await clock.pass(50_000)
    expect(status('a')).toBe('RUNNING')
    await clock.pass(10_000 + LOOK_MS)
    expect(status('a')).toBe('STOPPED')
  })

  // P352
  test('stops a protected task that gives its protection up, or whose end a person wants', async () => {
    await begin('a')
    await begin('b')
    for (const id of ['a', 'b']) {
      journal.append(id, { type: 'protectionSet', until: clock.time + 3_600_000 })
    }
    order(true)
    journal.append('a', { type: 'protectionSet' })
    runner.stop('b', { code: 'UserInitiated', reason: 'StopTask' })
    await clock.pass(LOOK_MS)
    expect([status('a'), status('b')]).toEqual(['STOPPED', 'STOPPED'])
    expect(holder('b').stop?.reason).toBe('StopTask')
  })

  // P352
  test('and whose end is announced stops protected tasks too', async () => {
    await begin()
    journal.append('a', { type: 'protectionSet', until: clock.time + 3_600_000 })
    imds[SPOT] = spot(120_000)
    await clock.pass(2 * LOOK_MS)
    expect(holder()).toMatchObject({ desired: 'stopped', stop: { code: 'TerminationNotice' } })
  })

  test('leaves tasks alone where it is asked to, also in a later life', async () => {
    await begin()
    order(false)
    await close()
    await born()
    await clock.pass(10 * LOOK_MS)
    expect(status()).toBe('RUNNING')
    expect(drain.view()).toMatchObject({ why: 'kernel update' })
  })

  // P91
  test('stays drained in later lives and after a reboot, until it is taken back', async () => {
    const since = clock.time
    order(true)
    for (const boot of ['boot-1', 'boot-2']) {
      await close()
      await clock.pass(60_000)
      await born(boot)
      expect(drain.view()).toEqual({ since, why: 'kernel update' })
    }
    drain.takeBack()
    expect(drain.view()).toBeUndefined()
    await close()
    await born()
    expect(drain.view()).toBeUndefined()
    expect(drain.stop).toBeUndefined()
  })

  test('a later life stops the tasks that the first could not tell', async () => {
    await begin()
    drain.ask({ why: 'kernel update', stopTasks: true })
    await close()
    await born()
    await settle()
    expect(status()).toBe('STOPPED')
    expect(world.calls.filter((call) => call.includes('again'))).toEqual([])
  })

  test('is not drained where that cannot be written down', () => {
    isFull = true
    expect(() => order(true)).toThrow(StateFileUnwritable)
    expect(drain.view()).toBeUndefined()
  })
})

describe('a termination notice', () => {
  test('is found within one look, and stops the tasks with what was announced', async () => {
    await begin()
    imds[SPOT] = spot(120_000)
    const endsAt = Date.parse(JSON.parse(imds[SPOT]).time)
    await clock.pass(LOOK_MS)
    expect(drain.view()).toMatchObject({ endsAt })
    expect(holder().stop).toEqual({
      code: 'TerminationNotice',
      reason: `EC2 terminates this instance at ${new Date(endsAt).toISOString()} (spot interruption notice)`,
    })
    expect(status()).toBe('DEPROVISIONING')
  })

  test('leaves to EC2 what the guard covers, and says so; all the rest goes', async () => {
    await begin()
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS + 60_000)
    expect(left()).toEqual(ENIS)
    const [waiting, ...more] = runner.waiting('a')
    expect(more).toEqual([])
    expect(waiting).toMatchObject({ row: 'guard:0', verb: 'release', code: 'LeftToEc2' })
    expect(waiting?.reason).toMatch(/^eni-of-a is left to EC2, which deletes it with this instance/)
    expect(world.calls.filter((call) => /release (guard|attachment|eni)/.test(call))).toEqual([])
  })

  // P93
  test('an ENI without its guard is detached and deleted: EC2 would leave it behind', async () => {
    world.script = ({ verb, job }) => {
      if (verb === 'ensure' && job.row.startsWith('guard')) throw away
    }
    await begin()
    expect(status()).toBe('RUNNING')
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS + 1000)
    expect(status()).toBe('STOPPED')
    expect(left()).toEqual([])
  })

  test('nor is an ENI left that was detached by force: its guard went with the attachment', async () => {
    const stopped = Promise.withResolvers<void>()
    world.script = ({ verb, job }) =>
      verb === 'release' && job.row === 'container:web' ? stopped.promise : undefined
    await begin()
    const cause = { code: 'LinkGone', message: 'the card is gone' }
    runner.tell('a', { type: 'lost', row: 'link:0', cause })
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    expect([status(), drain.view() !== undefined]).toEqual(['STOPPING', true])
    stopped.resolve()
    await settle()
    expect([status(), left()]).toEqual(['STOPPED', []])
  })

  test('holds nothing any more once the instance has outlived it by two minutes', async () => {
    await begin()
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    await clock.pass(120_000 + 120_000 - LOOK_MS - 2000)
    expect(left()).toEqual(ENIS)
    await clock.pass(2000 + 30_000)
    expect(left()).toEqual([])
    expect(status()).toBe('STOPPED')
    expect(drain.view(), 'IMDS still announces it').toBeDefined()
    expect(drain.leftMs()).toBeUndefined()
  })

  test('that IMDS takes back is over, after three looks without it', async () => {
    await begin()
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    delete imds[SPOT]
    await clock.pass(2 * LOOK_MS)
    expect(drain.view()).toBeDefined()
    await clock.pass(LOOK_MS)
    expect(drain.view()).toBeUndefined()
    await clock.pass(30_000)
    expect(status()).toBe('STOPPED')
    await begin('b')
    expect(status('b')).toBe('RUNNING')
  })

  test('a person may dismiss it, and the next one counts again', async () => {
    await begin()
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    drain.takeBack()
    await close()
    await born()
    await clock.pass(30_000)
    expect([drain.view(), status()]).toEqual([undefined, 'STOPPED'])
    imds[SPOT] = spot(90_000)
    await clock.pass(LOOK_MS)
    expect(drain.view()).toBeDefined()
  })

  test('holds in a later life of the agent, but not in another boot of the host', async () => {
    await begin()
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    await close()
    imds[SPOT] = away
    await born()
    await clock.pass(LOOK_MS)
    expect(left()).toEqual(ENIS)
    await close()
    await born('boot-2')
    await settle()
    expect(drain.view()).toBeUndefined()
    expect(left()).toEqual([])
  })

  test('that could not be written down is known to a new life before stops go on', async () => {
    await begin()
    isFull = true
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    expect(left()).toEqual(ENIS)
    await close()
    expect(catalog.jsonFact('drain')).toBeUndefined()
    await born()
    await clock.pass(LOOK_MS)
    expect(left()).toEqual(ENIS)
  })

  test('that IMDS is slow to tell keeps a new life waiting for a second, no longer', async () => {
    await close()
    imds[SPOT] = new Promise(() => {}) as never
    let isBorn = false
    const birth = born().then(() => {
      isBorn = true
    })
    await clock.pass(999)
    expect(isBorn).toBe(false)
    await clock.pass(1)
    expect(isBorn).toBe(true)
    await birth
  })

  test('and a drain by a person: the host is drained until both are over', async () => {
    order(false)
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    expect(drain.view()?.why).toContain('spot interruption')
    delete imds[SPOT]
    await clock.pass(3 * LOOK_MS)
    expect(drain.view()).toMatchObject({ why: 'kernel update' })
  })

  test.each(['stop', 'hibernate'])(
    'of a %s holds nothing: EC2 deletes nothing then',
    async (action) => {
      await begin()
      imds[SPOT] = spot(120_000, action)
      await clock.pass(LOOK_MS)
      expect(holder().stop?.reason).toContain(`EC2 ${action}s this instance at`)
      expect([status(), left()]).toEqual(['STOPPED', []])
    },
  )

  test('by Auto Scaling names no time: two minutes are reckoned with', async () => {
    await begin()
    imds[TARGET] = 'InService'
    await clock.pass(2 * LOOK_MS)
    expect(drain.view()).toBeUndefined()
    imds[TARGET] = 'Terminated'
    await clock.pass(LOOK_MS)
    expect(drain.view()?.endsAt).toBe(clock.time + 120_000)
    expect(holder().stop?.reason).toMatch(/^Auto Scaling terminates this instance/)
    const before = drain.view()
    await clock.pass(4 * LOOK_MS)
    expect(drain.view(), 'the same notice, look after look').toEqual(before)
  })

  // P92
  test('no attach begins, and one that is under way is given up', async () => {
    world.script = ({ verb, job }) =>
      verb === 'ensure' && job.row === 'attachment:0' ? hang() : undefined
    await begin('a')
    journal.begin('b', spec())
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    const attaches = () => world.calls.filter((call) => call.startsWith('ensure attachment')).length
    expect(attaches()).toBe(1)
    expect([status('a'), status('b')]).toEqual(['STOPPED', 'STOPPED'])
    await clock.pass(60_000)
    expect(attaches()).toBe(1)
    expect(left()).toEqual([])
  })
})

describe('what IMDS says that is no notice', () => {
  const stale = 'one that was outlived before it was seen'
  test.each<[string, () => void]>([
    ['no answer', () => Object.assign(imds, { [SPOT]: away, [TARGET]: away })],
    ['an answer that never comes', () => Object.assign(imds, { [SPOT]: new Promise(() => {}) })],
    ['something that is not JSON', () => Object.assign(imds, { [SPOT]: '<html>' })],
    ['JSON of another kind', () => Object.assign(imds, { [SPOT]: 'null' })],
    ['an action nobody knows', () => Object.assign(imds, { [SPOT]: spot(60_000, 'dance') })],
    ['no time', () => Object.assign(imds, { [SPOT]: '{"action":"terminate","time":"soon"}' })],
    [stale, () => Object.assign(imds, { [SPOT]: spot(-125_000) })],
    ['another target', () => Object.assign(imds, { [TARGET]: 'Standby' })],
  ])('%s', async (_what, say) => {
    await begin()
    say()
    await clock.pass(10 * LOOK_MS)
    expect(drain.view()).toBeUndefined()
    expect(status()).toBe('RUNNING')
    expect(defects).toEqual([])
  })

  // P94
  test('IMDS away takes no notice back', async () => {
    imds[SPOT] = spot(120_000)
    await clock.pass(LOOK_MS)
    for (const answer of [away, 'nonsense']) {
      imds[SPOT] = answer
      await clock.pass(10 * LOOK_MS)
      expect(drain.view()).toBeDefined()
    }
  })

  test('is looked for every 5 s and no more often, and trouble is told once', async () => {
    await settle()
    asked.length = 0
    imds[SPOT] = away
    await clock.pass(60_000)
    expect(asked).toEqual(Array.from({ length: 12 }, () => SPOT))
    expect(said).toHaveLength(1)
    delete imds[SPOT]
    await clock.pass(60_000)
    expect(asked).toHaveLength(12 + 24)
    expect(said.slice(1)).toEqual(['termination notices: looked for again'])
  })

  test('a look that IMDS keeps waiting is not followed by another', async () => {
    imds[SPOT] = new Promise(() => {})
    await clock.pass(60_000)
    expect(asked.filter((path) => path === SPOT)).toHaveLength(2)
  })
})

test('a notice counts while the state file is full, and is written down afterwards', async () => {
  isFull = true
  imds[SPOT] = spot(120_000)
  await clock.pass(LOOK_MS)
  expect(drain.view()).toBeDefined()
  expect(catalog.fact('drain')).toBeUndefined()
  isFull = false
  await clock.pass(LOOK_MS)
  expect(catalog.fact('drain')).toContain('spot')
})

test('a held release is asked about again, and is not begun meanwhile', async () => {
  await begin()
  imds[SPOT] = spot(120_000)
  await clock.pass(LOOK_MS + 30_000)
  expect(runner.waiting('a')[0]?.attempt).toBeGreaterThan(3)
  expect(holds(world, 'a', 'guard:0')).toBe(true)
  expect(rowState(holder(), 'guard:0').is, 'no release was begun').toBe('held')
})

describe('how long a container may take to stop', () => {
  const slow = container('slow', {}, { stopTimeoutMs: 100_000 })
  const chain = [
    container('web', { app: 'START' }, { stopTimeoutMs: 100_000 }),
    container('app', { db: 'HEALTHY', init: 'SUCCESS' }, { stopTimeoutMs: 100_000 }),
    container('db', {}, { stopTimeoutMs: 1_000 }),
    container('init'),
  ] as const

  test('as long as it asks for, where the host lives on', () => {
    expect(graceMs({ containers: [slow] }, slow, undefined)).toBe(100_000)
    expect(graceMs({ containers: [slow] }, slow, 200_000)).toBe(100_000)
  })

  test('what is left to the host, but for ten seconds to kill and take down', () => {
    expect(graceMs({ containers: [slow] }, slow, 40_000)).toBe(30_000)
    expect(graceMs({ containers: [slow] }, slow, 9_000)).toBe(0)
  })

  test('a part of it, where others are stopped after it', () => {
    const graces = chain.map((each) => graceMs({ containers: chain }, each, 70_000))
    expect(graces).toEqual([20_000, 30_000, 1_000, 30_000])
  })
})
