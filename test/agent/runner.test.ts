// Goal: the runner does what the table says, writes it down before and after, retries what time
// mends and stops what it does not. Method: real journal and core, drivers of memory.

import Sqlite from 'better-sqlite3'
import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import type { Runner, RunnerOptions } from '../../agent/runner.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { lastStatus } from '../../state/status.ts'
import type { Event, RowId } from '../../state/task.ts'
import { rowState } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { hang, holds, newRunner, StillClock, settle, World } from './world.ts'

let world: World
let clock: StillClock
let db: Sqlite.Database
let journal: Journal
let runner: Runner
let events: string[]
let defects: unknown[]

const stop = { code: 'UserInitiated', reason: 'asked' } as const
const deadlineMs = {
  eni: 60_000,
  publicIp: 60_000,
  image: 60_000,
  volume: 60_000,
  cgroup: 60_000,
  sandbox: 60_000,
  attachment: 60_000,
  guard: 60_000,
  link: 60_000,
  created: 60_000,
  container: 60_000,
}

function start(change: Partial<RunnerOptions> = {}): void {
  journal = new Journal(db, clock.now)
  journal.follow((_, event) => events.push(say(event)))
  runner = newRunner({ journal, world, clock, defects }, change)
}

const say = (event: Event): string =>
  'verb' in event ? `${event.type} ${event.verb} ${event.row}` : event.type

function begin(id = 'a', made = spec()): void {
  journal.begin(id, made)
  runner.advance(id)
}

/** From now on: how many events each commit had. */
function committing(watched: Journal): () => number[] {
  const commits: number[] = []
  let together: number | undefined
  const { append, atOnce } = watched
  watched.append = (...given) => {
    if (together === undefined) commits.push(1)
    else together += 1
    return append.apply(watched, given)
  }
  watched.atOnce = (work) => {
    together = 0
    const done = atOnce.call(watched, work) as ReturnType<typeof work>
    commits.push(together)
    together = undefined
    return done
  }
  return () => commits
}

const holder = (id = 'a') => journal.get(id)?.holder ?? expect.fail(`no ${id}`)
const status = (id = 'a') => lastStatus(holder(id))

beforeEach(() => {
  world = new World()
  clock = new StillClock()
  db = new Sqlite(':memory:')
  for (const statements of MIGRATIONS) db.exec(statements)
  events = []
  defects = []
  start()
})

describe('the straight way', () => {
  // P7
  test('a task climbs to RUNNING, and every step is written down before and after', async () => {
    world.script = ({ verb, job }) => {
      expect(events.at(-1) === `began ${verb} ${job.row}` || events.length > 0).toBe(true)
      expect(events).toContain(`began ${verb} ${job.row}`)
      expect(events).not.toContain(`done ${verb} ${job.row}`)
    }
    begin()
    await settle()
    expect(status()).toBe('RUNNING')
    expect(world.calls).toHaveLength(7)
    expect(world.calls.some((c) => c.endsWith('again'))).toBe(false)
    expect(events).toHaveLength(14)
    expect(defects).toEqual([])
  })

  test('a stop leaves nothing, keeps the details and the log, and says why', async () => {
    begin()
    await settle()
    runner.stop('a', stop)
    runner.stop('a', { code: 'TerminationNotice', reason: 'later' })
    await settle()
    expect(status()).toBe('STOPPED')
    expect([...world.there]).toEqual([])
    expect(holder().stop).toEqual(stop)
    expect(rowState(holder(), 'eni:0').details).toMatchObject({ eniId: 'eni-of-a' })
    expect(journal.keptLog('a', 'web')).toBe('bye')
    expect(events.filter((e) => e === 'stopAsked')).toHaveLength(1)
  })

  test('what is independent happens at the same time', async () => {
    world.script = ({ job }) => (job.row === 'image:web' ? hang() : undefined)
    begin()
    await settle()
    expect(holds(world, 'a', 'link:0')).toBe(true)
    expect(holds(world, 'a', 'container:web')).toBe(false)
    await runner.close()
  })

  // P17
  test('tasks climb side by side, and one that waits holds up no other', async () => {
    world.script = ({ job }) => {
      if (job.holderId === 'slow' && job.row === 'eni:0') {
        throw new Failure('transient', 'RequestLimitExceeded', 'slow down')
      }
      return job.holderId === 'stuck' && job.row === 'attachment:0' ? hang() : undefined
    }
    for (const id of ['stuck', 'slow', 'a', 'b', 'c']) begin(id)
    await settle()
    for (const id of ['a', 'b', 'c']) expect(status(id), id).toBe('RUNNING')
    for (const id of ['stuck', 'slow']) expect(status(id), id).toBe('PROVISIONING')
    runner.stop('a', stop)
    await settle()
    expect(status('a')).toBe('STOPPED')
    await runner.close()
  })

  // P7
  test('the choice is journaled before the call and told to the driver', async () => {
    const seen: (string | undefined)[] = []
    world.script = ({ job }) => {
      if (job.row === 'attachment:0') seen.push(job.choice)
    }
    begin()
    await settle()
    expect(seen).toEqual(['1'])
    expect(rowState(holder(), 'attachment:0').choice).toBe('1')
  })

  test('a container that the driver finds exited is known as exited', async () => {
    const drivers = world.drivers()
    start({
      drivers: {
        ...drivers,
        container: {
          ...drivers.container,
          ensure: async () => ({ containerId: 'c', exit: { exitCode: 5 } }),
        },
      },
    })
    begin()
    await settle()
    expect(status()).toBe('STOPPED')
    expect(holder().stop?.reason).toBe('Essential container in task exited: web (exit code 5)')
  })
})

describe('failures', () => {
  const once = (row: RowId, failure: Failure, attempts = 1) => {
    world.script = ({ job, verb, attempt }) => {
      if (job.row === row && verb === 'ensure' && attempt <= attempts) throw failure
    }
  }
  const transient = new Failure('transient', 'RequestLimitExceeded', 'slow down', { hint: 'Wait' })

  // P131
  test('what time mends is tried again, looking first, with a pause that is shown', async () => {
    once('eni:0', transient, 2)
    begin()
    await settle()
    expect(runner.waiting('a')).toEqual([
      {
        row: 'eni:0',
        verb: 'ensure',
        attempt: 1,
        code: 'RequestLimitExceeded',
        reason: 'slow down. Wait',
        nextTryAt: clock.time + 150,
      },
    ])
    await clock.pass(149)
    expect(world.attempts.get('ensure eni:0')).toBe(1)
    await clock.pass(1)
    expect(world.attempts.get('ensure eni:0')).toBe(2)
    await clock.pass(300)
    expect(status()).toBe('RUNNING')
    expect(runner.waiting('a')).toEqual([])
    expect(world.calls.filter((c) => c.startsWith('ensure eni'))).toEqual([
      'ensure eni:0',
      'ensure eni:0 again',
      'ensure eni:0 again',
    ])
    expect(events.filter((e) => e === 'began ensure eni:0')).toHaveLength(1)
  })

  test('what is tried once more says why it failed before, however long the answer takes', async () => {
    world.script = ({ job, attempt }) => {
      if (job.row !== 'eni:0') return undefined
      if (attempt > 1) return hang()
      throw transient
    }
    begin()
    await settle()
    await clock.pass(150)
    expect(world.attempts.get('ensure eni:0')).toBe(2)
    const nextTryAt = clock.time
    expect(runner.waiting('a')).toMatchObject([{ reason: 'slow down. Wait', nextTryAt }])
  })

  // P495
  test('a step is written down with its retries, what it waited, and the latest of its calls', async () => {
    const call = (n: number) => ({ action: 'CreateNetworkInterface', ms: n, requestId: `req-${n}` })
    const looked = { action: 'DescribeNetworkInterfaces', ms: 9, requestId: 'look' }
    world.script = ({ verb, job, attempt }) => {
      if (job.row !== 'eni:0' || verb !== 'ensure') return
      for (const n of [1, 2, 3, 4]) job.onCall?.({ ...call(attempt * 10 + n), waitedMs: 20 })
      job.onCall?.({ ...looked, waitedMs: 20 })
      if (attempt <= 2) throw transient
    }
    begin()
    await clock.pass(1000)
    const step = (row: RowId) => journal.get('a')?.timeline.steps.find((s) => s.row === row)
    const calls = [21, 22, 23, 24, 31, 32, 33, 34].map(call)
    // 150 and 300 ms of pauses, and 15 calls that waited 20 ms each for their turn.
    expect(step('eni:0')).toMatchObject({ attempts: 1, retries: 2, waitedMs: 750, calls })
    for (const key of ['retries', 'waitedMs', 'calls', 'failure', 'gaveUpAt']) {
      expect(step('image:web')).not.toHaveProperty(key)
    }
    const folded = new Journal(db, clock.now).get('a')
    expect(folded?.timeline).toEqual(journal.get('a')?.timeline)
  })

  // P495
  test('one that failed keeps its code and calls, and what its stop cut short is known as that', async () => {
    const refused = new Failure('refused', 'NetworkInterfaceLimitExceeded', 'no more')
    const call = { action: 'AttachNetworkInterface', ms: 5, requestId: 'req', code: refused.code }
    world.script = async ({ verb, job }) => {
      if (verb === 'ensure' && job.row === 'image:web') return hang()
      if (verb !== 'ensure' || job.row !== 'attachment:0') return
      clock.time += 70
      job.onCall?.({ ...call, waitedMs: 0 })
      throw refused
    }
    begin()
    const beganAt = clock.time
    await settle()
    expect(status()).toBe('STOPPED')
    const steps = journal.get('a')?.timeline.steps ?? []
    const of = (row: RowId) => steps.find((s) => s.row === row && s.verb === 'ensure')
    const ended = { gaveUpAt: beganAt + 70 }
    expect(of('attachment:0')).toMatchObject({ ...ended, failure: refused.code, calls: [call] })
    expect(of('image:web')).toMatchObject(ended)
    expect(of('image:web')).not.toHaveProperty('failure')
    expect(of('eni:0')).not.toHaveProperty('gaveUpAt')
  })

  // P131
  test('pauses grow to half a minute and no further', async () => {
    once('eni:0', transient, 1000)
    start({ deadlineMs: { ...deadlineMs, eni: 10 ** 9 } })
    begin()
    await clock.pass(3_600_000)
    const tries = world.attempts.get('ensure eni:0') ?? 0
    expect(tries).toBeGreaterThan(3_600_000 / 30_000)
    expect(tries).toBeLessThan(3_600_000 / 20_000 + 12)
  })

  // P132
  test('past its deadline an ensure gives up, and the task says why and for how long', async () => {
    once('attachment:0', transient, 1000)
    begin()
    await clock.pass(120_000)
    expect(status()).toBe('STOPPED')
    expect(holder().stop?.code).toBe('TaskFailedToStart')
    expect(holder().stop?.reason).toMatch(
      /^RequestLimitExceeded: gave up after (6|7|8)\d s: slow down\. Wait$/,
    )
    expect([...world.there]).toEqual([])
  })

  // P82
  test('while EC2 is away a launch waits as long as it takes, and says for what', async () => {
    const away = new Failure('transient', 'Ec2Unreachable', 'EC2 does not answer', { isAway: true })
    once('eni:0', away, 200)
    begin()
    await clock.pass(1_800_000)
    expect(status()).toBe('PROVISIONING')
    expect(runner.waiting('a')[0]).toMatchObject({ row: 'eni:0', code: 'Ec2Unreachable' })
    world.script = () => {}
    await clock.pass(60_000)
    expect(status()).toBe('RUNNING')
  })

  // P141
  test('the time that EC2 was away is not counted between two failures', async () => {
    const away = new Failure('transient', 'Ec2Unreachable', 'EC2 does not answer', { isAway: true })
    let failure = transient
    world.script = ({ job, verb }) => {
      if (job.row === 'eni:0' && verb === 'ensure') throw failure
    }
    begin()
    await clock.pass(20_000)
    failure = away
    await clock.pass(3_600_000)
    failure = transient
    await clock.pass(30_000)
    expect(status()).toBe('PROVISIONING')
    await clock.pass(60_000)
    expect(holder().stop?.reason).toMatch(/^RequestLimitExceeded: gave up after (6|7|8)\d s/)
  })

  // P102
  test('while the disk is full nothing begins, nothing is forgotten, and it goes on after', async () => {
    begin()
    await settle()
    const append = journal.append.bind(journal)
    journal.append = () => {
      throw new StateFileUnwritable('the state file cannot be written (SQLITE_FULL)')
    }
    expect(() => runner.stop('a', stop)).toThrow('SQLITE_FULL')
    runner.tell('a', { type: 'exited', container: 'web', exitCode: 1 })
    await clock.pass(10_000)
    expect(status()).toBe('RUNNING')
    journal.begin('b', spec())
    runner.advance('b')
    await clock.pass(60_000)
    expect(world.calls.filter((call) => call.includes('release'))).toEqual([])
    expect(world.attempts.get('ensure eni:0')).toBe(1)
    expect(runner.waiting('b')[0]).toMatchObject({ code: 'StateFileUnwritable' })
    journal.append = append
    await clock.pass(60_000)
    expect(status('a')).toBe('STOPPED')
    expect(status('b')).toBe('RUNNING')
    expect(defects).toEqual([])
  })

  test('what the caller must mend stops the task at once', async () => {
    once('eni:0', new Failure('refused', 'InvalidGroup.NotFound', 'no such group'), 99)
    begin()
    await settle()
    expect(status()).toBe('STOPPED')
    expect(holder().stop?.reason).toBe('InvalidGroup.NotFound: no such group')
    expect(world.attempts.get('ensure eni:0')).toBe(1)
  })

  test('a declined choice is struck and the next one tried, without a stop', async () => {
    const tokens: string[] = []
    world.script = ({ job, attempt }) => {
      if (job.row !== 'eni:0') return
      tokens.push(job.token)
      if (attempt === 1) throw new Failure('refused', 'Full', 'no room', { ofChoice: true })
    }
    start({
      choose: ({ holder: h }, row) =>
        row === 'eni:0' ? (rowState(h, row).struck.length ? 'subnet-b' : 'subnet-a') : undefined,
    })
    begin()
    await settle()
    expect(status()).toBe('RUNNING')
    expect(rowState(holder(), 'eni:0')).toMatchObject({ choice: 'subnet-b', struck: ['subnet-a'] })
    expect(new Set(tokens).size).toBe(2)
  })

  test('with no choice left the task is refused before anything was done', async () => {
    start({
      choose: () => {
        throw new Failure('refused', 'RESOURCE:ENI', 'no subnet left')
      },
    })
    begin()
    await settle()
    expect(status()).toBe('STOPPED')
    expect(world.calls.filter((c) => c.includes('eni'))).toEqual([])
    expect(holder().stop?.reason).toBe('RESOURCE:ENI: no subnet left')
  })

  test('a stop that one step causes keeps the steps found beside it from beginning', async () => {
    start({
      choose: (_, row) => {
        if (row !== 'eni:0') return undefined
        throw new Failure('refused', 'RESOURCE:ENI', 'no subnet left')
      },
    })
    begin()
    await settle()
    expect(defects).toEqual([])
    expect(events).toEqual(['refused'])
  })

  test('what is lost on the way up stops the task; lost on the way down is gone', async () => {
    const lost = new Failure('lost', 'InvalidNetworkInterfaceID.NotFound', 'gone')
    world.script = ({ job, verb }) => {
      if (job.row === 'attachment:0' && verb === 'ensure') throw lost
      if (job.row === 'eni:0' && verb === 'release') throw lost
    }
    begin()
    await settle()
    expect(status()).toBe('STOPPED')
    expect(holder().stop?.reason).toBe('InvalidNetworkInterfaceID.NotFound: gone')
  })

  // P133
  test('a release is never given up, whatever it is told', async () => {
    begin()
    await settle()
    world.script = ({ verb, attempt }) => {
      if (verb === 'release' && attempt < 8) throw new Failure('refused', 'AccessDenied', 'no')
    }
    runner.stop('a', stop)
    await clock.pass(60_000)
    expect(status()).toBe('DEPROVISIONING')
    expect(runner.waiting('a')[0]).toMatchObject({ verb: 'release', code: 'AccessDenied' })
    await clock.pass(3_600_000)
    expect(status()).toBe('STOPPED')
  })

  test('a guard that cannot be set is shown and retried, never a stop', async () => {
    once('guard:0', new Failure('refused', 'UnauthorizedOperation', 'not allowed'), 5)
    begin()
    await settle()
    expect(status()).toBe('RUNNING')
    expect(runner.waiting('a')[0]).toMatchObject({ row: 'guard:0', code: 'UnauthorizedOperation' })
    await clock.pass(60_000)
    expect(rowState(holder(), 'guard:0').is).toBe('held')
  })

  // P134
  test('a task that ran is not stopped by a check that is refused, only by what is lost', async () => {
    begin()
    await settle()
    once('link:0', new Failure('refused', 'GatewaySilent', 'no answer'), 3)
    runner.tell('a', { type: 'doubted', row: 'link:0', why: 'drift' })
    world.attempts.clear()
    await settle()
    expect(status()).toBe('RUNNING')
    await clock.pass(60_000)
    expect(rowState(holder(), 'link:0').is).toBe('held')
    once('sandbox', new Failure('lost', 'PauseGone', 'the pause container is dead'), 9)
    runner.tell('a', { type: 'doubted', row: 'sandbox', why: 'event' })
    world.attempts.clear()
    await settle()
    expect(holder().stop).toEqual({
      code: 'EssentialContainerExited',
      reason: 'PauseGone: the pause container is dead',
      row: 'sandbox',
    })
  })

  // P140
  test('a mistake of ours is reported as one, and nothing is made up about the row', async () => {
    world.script = ({ job }) => {
      if (job.row === 'sandbox') throw new TypeError('oops')
    }
    begin()
    await settle()
    expect(defects).toHaveLength(1)
    expect(rowState(holder(), 'sandbox').is).toBe('unsure')
  })
})

describe('stops that come in between', () => {
  // P135
  test('a stop aborts the ensure in flight, waits for it, then releases what may be there', async () => {
    world.script = ({ job, verb }) =>
      job.row === 'attachment:0' && verb === 'ensure' ? hang() : undefined
    begin()
    await settle()
    runner.stop('a', stop)
    await settle()
    expect(status()).toBe('STOPPED')
    expect(world.calls).toContain('release attachment:0 again')
    expect([...world.there]).toEqual([])
  })

  test('a stop ends a wait at once', async () => {
    world.script = ({ job, verb }) => {
      if (job.row === 'eni:0' && verb === 'ensure') throw new Failure('transient', 'Slow', 'slow')
    }
    begin()
    await settle()
    runner.stop('a', stop)
    await settle()
    expect(status()).toBe('STOPPED')
    await clock.pass(60_000)
    expect(world.attempts.get('ensure eni:0')).toBe(1)
  })

  test('an exit seen from outside stops the task', async () => {
    begin()
    await settle()
    runner.tell('a', { type: 'exited', container: 'web', exitCode: 137 })
    await settle()
    expect(status()).toBe('STOPPED')
    expect(holder().stop?.code).toBe('EssentialContainerExited')
  })
})

describe('another life', () => {
  test('takes up what was left anywhere, doubts what is local, and disturbs nothing', async () => {
    begin()
    await settle()
    await runner.close()
    world.calls.length = 0
    start()
    runner.resume()
    expect(status()).toBe('RUNNING')
    await settle()
    expect(world.calls).toEqual([
      'ensure sandbox again',
      'ensure link:0 again',
      'ensure container:web again',
    ])
    expect(status()).toBe('RUNNING')
  })

  // P483
  test('doubts all that is local in one commit, and takes up a few tasks at a time', async () => {
    for (let n = 0; n < 30; n++) begin(`t${n}`)
    await settle()
    await runner.close()
    world.calls.length = 0
    start()
    const commits = committing(journal)
    runner.resume()
    const events = commits()
    // Three doubts for each of thirty, together; then one beginning for each of the first twenty.
    expect(events.slice(0, 2)).toEqual([90, 1])
    expect(events).toHaveLength(1 + 20)
    await clock.pass(100)
    expect(world.calls.filter((call) => call === 'ensure link:0 again')).toHaveLength(30)
  })

  test('goes on with a stop, and lets a stopped task be', async () => {
    begin('a')
    begin('b')
    await settle()
    runner.stop('b', stop)
    await settle()
    world.script = ({ job, verb }) =>
      job.row === 'link:0' && verb === 'release' ? hang() : undefined
    runner.stop('a', stop)
    await settle()
    await runner.close()
    expect(status('a')).toBe('DEPROVISIONING')
    world.script = () => {}
    world.calls.length = 0
    start()
    runner.resume()
    await settle()
    expect(status('a')).toBe('STOPPED')
    expect(world.calls[0]).toBe('release link:0 again')
    expect([...world.there]).toEqual([])
  })

  // P141, P128
  test('a card that never comes is waited for once, however often the agent dies', async () => {
    const left: number[] = []
    world.script = ({ job, verb }) => {
      if (job.row !== 'link:0' || verb === 'release') return
      left.push(job.leftMs)
      return hang()
    }
    begin()
    for (let life = 0; life < 13; life++) {
      await clock.pass(5_000)
      expect(status()).toBe('PENDING')
      await runner.close()
      start()
      if (life === 12) break
      runner.resume()
    }
    expect(left[0]).toBe(60_000)
    expect(left.at(-1)).toBe(2_000)
    expect(left.slice(1, 12)).toEqual(Array.from({ length: 11 }, (_, n) => 55_000 - 5_000 * n))
    world.script = ({ job, verb }) => {
      const failure = new Failure('transient', 'LinkNotSeen', 'not on this host')
      if (job.row === 'link:0' && verb === 'ensure') throw failure
    }
    runner.resume()
    await settle()
    expect(status()).toBe('STOPPED')
    expect(holder().stop?.reason).toBe('LinkNotSeen: gave up after 60 s: not on this host')
  })

  test('what ran in an earlier life has no deadline to answer for', async () => {
    begin()
    await settle()
    await runner.close()
    clock.time += 3_600_000
    start()
    world.script = ({ job, attempt }) => {
      const failure = new Failure('transient', 'LinkNotSeen', 'not on this host')
      if (job.row === 'link:0' && attempt < 5) throw failure
    }
    runner.resume()
    await clock.pass(60_000)
    expect(status()).toBe('RUNNING')
    expect(rowState(holder(), 'link:0').is).toBe('held')
  })

  test('closed in the middle of a start, it finishes the start, looking first', async () => {
    world.script = ({ job, verb }) =>
      job.row === 'attachment:0' && verb === 'ensure' ? hang() : undefined
    begin()
    await settle()
    await runner.close()
    expect(status()).toBe('PROVISIONING')
    expect(holder().desired).toBe('running')
    world.script = () => {}
    world.calls.length = 0
    start()
    runner.resume()
    await settle()
    expect(status()).toBe('RUNNING')
    expect(world.calls).toContain('ensure attachment:0 again')
    expect(world.calls.some((call) => call.startsWith('ensure eni'))).toBe(false)
  })

  test('begins nothing once it is closed', async () => {
    await runner.close()
    journal.begin('a', spec())
    runner.advance('a')
    runner.tell('a', { type: 'stopAsked', stop })
    await settle()
    expect(world.calls).toEqual([])
    expect(holder().desired).toBe('running')
  })
})

test('containers start in the order of their edges, each when its fact is known', async () => {
  const made = spec({
    containers: [container('web', { db: 'HEALTHY' }), container('db', {}, { essential: false })],
  })
  begin('a', made)
  await settle()
  expect(status()).toBe('ACTIVATING')
  expect(holds(world, 'a', 'container:web')).toBe(false)
  runner.tell('a', { type: 'healthSeen', container: 'db', healthy: true })
  await settle()
  expect(status()).toBe('RUNNING')
})

describe('a container that is started again', () => {
  const restart = { ignoredExitCodes: [], attemptPeriodMs: 60_000 }
  const kept = spec({ containers: [container('web', {}, { restart })] })
  const exited = { type: 'exited', container: 'web', exitCode: 1, ranMs: 60_000 } as const
  const answers: (string | undefined)[] = []

  beforeEach(async () => {
    answers.length = 0
    world.script = ({ verb, job }) => {
      if (job.row === 'container:web' && verb === 'ensure') answers.push(job.answeredExitId)
    }
    begin('a', kept)
    await settle()
    events.length = 0
  })

  test('is ensured again, the driver told for which exit, and its task runs on', async () => {
    runner.tell('a', { ...exited, exitId: 'first' })
    runner.tell('a', { ...exited, exitId: 'first' })
    expect(status()).toBe('RUNNING')
    await settle()
    expect(events.filter((e) => e !== 'exited')).toEqual([
      'restartAsked',
      'began ensure container:web',
      'done ensure container:web',
    ])
    expect(answers).toEqual([undefined, 'first'])
    expect(world.calls.at(-1)).toBe('ensure container:web again')
    expect(status()).toBe('RUNNING')
    runner.tell('a', { ...exited, exitId: 'second', ranMs: 59_999 })
    await settle()
    expect(status()).toBe('STOPPED')
  })

  // P71
  test('is not forgotten over a death between the exit, the restart and the start', async () => {
    await runner.close()
    journal.append('a', { ...exited, exitId: 'first' })
    start()
    runner.resume()
    await settle()
    expect(answers).toEqual([undefined, undefined, 'first'])
    await runner.close()
    journal.append('a', { ...exited, exitId: 'second' })
    journal.append('a', { type: 'restartAsked', container: 'web', exitId: 'second' })
    start()
    runner.resume()
    await settle()
    expect(answers.slice(3)).toEqual(['second'])
    expect(status()).toBe('RUNNING')
    expect(holder().facts.web?.restartCount).toBe(2)
  })

  // P72
  test('that Docker does not start is tried again for ever, and shown; the task runs on', async () => {
    world.script = ({ job }) => {
      if (job.row !== 'container:web' || job.answeredExitId === undefined) return
      throw new Failure('refused', 'CannotStartContainerError', 'no memory')
    }
    runner.tell('a', { ...exited, exitId: 'first' })
    await clock.pass(3_600_000)
    expect(status()).toBe('RUNNING')
    expect(runner.waiting('a')[0]).toMatchObject({ code: 'CannotStartContainerError' })
    world.script = () => {}
    await clock.pass(60_000)
    expect(rowState(holder(), 'container:web').is).toBe('held')
  })

  test('is asked for once the disk has room again, and not once the task is to stop', async () => {
    const append = journal.append.bind(journal)
    const full = () => {
      throw new StateFileUnwritable('SQLITE_FULL')
    }
    journal.append = full
    runner.tell('a', { ...exited, exitId: 'first' })
    await clock.pass(5_000)
    journal.append = append
    await clock.pass(5_000)
    expect(answers).toEqual([undefined, 'first'])
    journal.append = (id, event) => (event.type === 'restartAsked' ? full() : append(id, event))
    runner.tell('a', { ...exited, exitId: 'second' })
    runner.stop('a', stop)
    journal.append = append
    await clock.pass(5_000)
    expect(status()).toBe('STOPPED')
    expect(answers).toHaveLength(2)
    expect(events.filter((e) => e === 'restartAsked')).toHaveLength(1)
    expect(defects).toEqual([])
  })
})
