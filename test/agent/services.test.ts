// Goal: the agent keeps its services wherever it dies, and says why it cannot. Method: the real loop,
// runner, journal and core over a world in memory; the agent dies at each write in turn.

import { randomBytes } from 'node:crypto'
import type Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { forgetOld } from '../../agent/keep-services.ts'
import type { Runner } from '../../agent/runner.ts'
import type { ServicesOptions } from '../../agent/services.ts'
import { Services } from '../../agent/services.ts'
import { Catalog } from '../../state/catalog.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import type { Service } from '../../state/service.ts'
import { deploy, serviceKey } from '../../state/service.ts'
import { ServiceStore } from '../../state/service-store.ts'
import { lastStatus } from '../../state/status.ts'
import { deployment, service } from '../state/services.ts'
import { container, spec } from '../state/specs.ts'
import { memory } from './journals.ts'
import { holds, newRunner, StillClock, World } from './world.ts'

class Dead extends Error {}

/** The host, which outlives agents; and the agent that lives on it now. */
class Host {
  readonly clock = new StillClock()
  readonly world = new World()
  readonly db: Sqlite.Database
  readonly defects: unknown[] = []
  slots = 100
  subnets: 'known' | Failure = 'known'
  drained = false
  /** How many more writes the agent makes before it dies. */
  writesLeft = Number.POSITIVE_INFINITY
  isUnwritable = false
  isTooBig = false
  exited: string | undefined
  isDead = false
  deaths = 0
  journal!: Journal
  services!: ServiceStore
  runner!: Runner
  keeper!: Services
  /** The most tasks of a service that were meant to run at once, and the fewest that ran healthy. */
  most = 0

  constructor() {
    this.db = memory().db
    this.born()
  }

  born(): void {
    const { clock, db, world } = this
    this.isDead = false
    const journal = new Journal(db, clock.now)
    // Only a commit that returned is on the disk; a write in a commit that does not is undone.
    const write = <T>(work: () => T): T => {
      if (this.isDead) throw new Dead()
      if (this.isUnwritable) throw new StateFileUnwritable('the disk is full')
      this.writesLeft -= 1
      if (this.writesLeft === 0) {
        this.isDead = true
        throw new Dead()
      }
      return work()
    }
    const append = journal.append.bind(journal)
    journal.append = (id, event) => write(() => append(id, event))
    const begin = journal.begin.bind(journal)
    journal.begin = (id, spec) => write(() => begin(id, spec))
    const services = new ServiceStore(db, clock.now)
    const put = services.put.bind(services)
    services.put = (one, says) => write(() => put(one, says))
    const onDefect = (error: unknown) => {
      if (!(error instanceof Dead)) this.defects.push(error)
    }
    this.journal = journal
    this.services = services
    this.runner = newRunner({ journal, world, clock, defects: [] }, { onDefect })
    const options: ServicesOptions = {
      ...{ journal, services, clock, onDefect, runner: this.runner },
      catalog: new Catalog(db, clock.now),
      prepare: async () => {
        if (this.subnets !== 'known') throw this.subnets
      },
      room: () => ({
        ...{
          taskCount: this.isTooBig ? 0 : this.slots - this.held(),
          reason: 'RESOURCE:ENI',
          isTooBig: this.isTooBig,
        },
        detail: 'm5.large carries 3 ENIs',
      }),
      place: (spec, count) =>
        Array.from({ length: count }, () => ({ id: randomBytes(16).toString('hex'), spec })),
      start: (id) => this.runner.advance(id),
      draining: () => (this.drained ? { since: 0, why: 'a person wants it' } : undefined),
      log: { info: () => {}, warn: () => {} },
    }
    this.keeper = new Services(options)
    this.runner.resume()
    this.keeper.start()
    if (this.exited !== undefined) this.exit(this.exited)
  }

  /** ENI slots, as placement counts them. */
  held(): number {
    return this.journal.all().filter(({ holder }) => lastStatus(holder) !== 'STOPPED').length
  }

  /** Time passes; a dead agent is followed by another, a moment later. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.now() + ms
    for (let step = 1000; this.clock.now() < until; step = Math.min(20_000, step * 2)) {
      await this.clock.pass(Math.min(until - this.clock.now(), step))
      this.most = Math.max(this.most, this.up().length)
      if (!this.isDead) continue
      this.deaths += 1
      this.keeper.close()
      await this.runner.close().catch(() => {})
      this.born()
    }
  }

  up(): string[] {
    return this.journal
      .all()
      .filter(({ holder }) => holder.desired === 'running')
      .map(({ id }) => id)
  }

  containers(): number {
    return this.journal.all().filter(({ id }) => holds(this.world, id, 'container:web')).length
  }

  service(): Service {
    const found = this.services.get('default/web')
    if (found === undefined) throw new Error('no service default/web')
    return found
  }

  /** As the API does: one write, and a word to the agent. */
  put(change: (before: Service) => Service, before: Service = this.service()): void {
    const { writesLeft } = this
    this.writesLeft = Number.POSITIVE_INFINITY
    this.services.put(change(before))
    this.writesLeft = writesLeft
    this.keeper.changed()
  }

  create(change: Partial<Service> = {}): void {
    this.put((one) => one, service({ createdAt: this.clock.now(), ...change }))
  }

  /** Its container ends; Docker says so once more to an agent that died of hearing it. */
  exit(id: string): void {
    this.exited = id
    try {
      this.runner.tell(id, { type: 'exited', container: 'web', exitCode: 1, exitId: 'x' })
    } catch (error) {
      if (!(error instanceof Dead)) throw error
    }
  }
}

let host: Host
beforeEach(() => {
  host = new Host()
})
afterEach(async () => {
  host.keeper.close()
  await host.runner.close()
  expect(host.defects).toEqual([])
})

describe('the agent', () => {
  // P425
  test('brings up what a service is to have, and replaces what dies', async () => {
    host.create({ desiredCount: 2 })
    await host.pass(60_000)
    expect([host.up().length, host.containers()]).toEqual([2, 2])
    expect(host.service().isSteady).toBe(true)
    const [first = ''] = host.up()
    host.exit(first)
    await host.pass(1000)
    expect(host.up()).toHaveLength(2)
    expect(host.up()).not.toContain(first)
    expect(host.services.events('default/web')[0]?.message).toMatch(/has started 1 tasks/)
  })

  test('stops a task in the service’s name, so that nobody is told that it failed', async () => {
    host.create({ desiredCount: 1 })
    await host.pass(60_000)
    const [id = ''] = host.up()
    host.put((one) => ({ ...one, desiredCount: 0 }))
    await host.pass(1000)
    expect(host.journal.get(id)?.holder.stop).toEqual({
      code: 'ServiceSchedulerInitiated',
      reason: 'Scaling activity initiated by (deployment ecs-svc/1)',
    })
    expect(host.containers()).toBe(0)
    expect(host.service().deployments[0].failedTasks).toBe(0)
  })

  test('starts the oldest service first where not all fit, and those of each host before them', async () => {
    host.slots = 2
    host.create({ name: 'young', createdAt: 3 })
    host.create({ name: 'old', createdAt: 2 })
    host.create({ name: 'each', createdAt: 4, strategy: 'DAEMON' })
    await host.pass(1000)
    const has = (name: string) =>
      Object.keys(host.services.get(`default/${name}`)?.deployments[0].tasks ?? {}).length
    expect([has('each'), has('old'), has('young')]).toEqual([1, 1, 0])
    expect(host.keeper.waiting('default/young')).toEqual({
      code: 'NoRoom',
      why: 'RESOURCE:ENI: m5.large carries 3 ENIs',
    })
    expect(host.services.events('default/young').map(({ message }) => message)).toEqual([
      '(service young) was unable to place a task: RESOURCE:ENI: m5.large carries 3 ENIs',
    ])
    // Said once, and what is freed is used.
    await host.pass(30_000)
    expect(host.services.events('default/young')).toHaveLength(1)
    host.put((one) => ({ ...one, desiredCount: 0 }), host.services.get('default/old'))
    await host.pass(1000)
    expect([has('each'), has('old'), has('young')]).toEqual([1, 0, 1])
    expect(host.keeper.waiting('default/young')).toBeUndefined()
  })

  // P426
  test('waits while EC2 does not tell of a subnet, says why, and goes on when it does', async () => {
    host.subnets = new Failure('transient', 'Ec2Unreachable', 'nobody answers', { isAway: true })
    host.create()
    await host.pass(7000)
    expect(host.up()).toEqual([])
    expect(host.keeper.waiting('default/web')).toEqual({
      code: 'SubnetNotKnown',
      why: 'subnet-a: Ec2Unreachable: nobody answers',
    })
    host.subnets = 'known'
    await host.pass(12_000)
    expect(host.up()).toHaveLength(1)
    expect(host.keeper.waiting('default/web')).toBeUndefined()
  })

  test('starts nothing on a host that is drained, and says so', async () => {
    host.drained = true
    host.create()
    await host.pass(10_000)
    expect(host.up()).toEqual([])
    expect(host.keeper.waiting('default/web')?.why).toBe('this host is DRAINING: a person wants it')
    host.drained = false
    await host.pass(10_000)
    expect(host.up()).toHaveLength(1)
  })

  test('lets a protected task live through a new revision, until its protection is over', async () => {
    host.create({ minimumHealthyPercent: 0, maximumPercent: 100 })
    await host.pass(60_000)
    const [id = ''] = host.up()
    const until = host.clock.now() + 100_000
    host.runner.tell(id, { type: 'protectionSet', until })
    host.put((one) => deploy(one, deployment('ecs-svc/2')))
    await host.pass(60_000)
    expect(host.up()).toEqual([id])
    expect(host.keeper.waiting('default/web')?.code).toBe('TaskProtected')
    await host.pass(120_000)
    expect(host.up()).not.toContain(id)
    expect(host.service().deployments.map((one) => one.id)).toEqual(['ecs-svc/2'])
  })

  test('puts another one in the place of a sick one, which goes when that is healthy', async () => {
    const healthCheck = {
      command: ['CMD', 'x'],
      intervalMs: 1,
      timeoutMs: 1,
      retries: 1,
      startPeriodMs: 0,
    }
    const checked = {
      ...deployment('ecs-svc/1'),
      spec: spec({ containers: [container('web', {}, { healthCheck })] }),
    }
    host.create({ deployments: [checked] })
    await host.pass(10_000)
    const [first = ''] = host.up()
    const say = (id: string, healthy: boolean) =>
      host.runner.tell(id, { type: 'healthSeen', container: 'web', healthy })
    say(first, true)
    await host.pass(1000)
    expect(host.service().isSteady).toBe(true)
    say(first, false)
    await host.pass(1000)
    const [, second = ''] = host.up()
    expect(host.up()).toEqual([first, second])
    say(second, true)
    await host.pass(1000)
    expect(host.up()).toEqual([second])
    expect(host.journal.get(first)?.holder.stop).toEqual({
      code: 'ServiceSchedulerInitiated',
      reason: 'Task failed container health checks',
    })
    expect(host.services.events('default/web').map(({ message }) => message)).toContain(
      `(service web) (task ${first}) failed container health checks.`,
    )
  })

  test('stops nothing for a revision that can never fit, and says so', async () => {
    host.create({ minimumHealthyPercent: 0 })
    await host.pass(60_000)
    const before = host.up()
    host.isTooBig = true
    host.put((one) => deploy(one, deployment('ecs-svc/2')))
    await host.pass(60_000)
    expect(host.up()).toEqual(before)
    expect(host.services.events('default/web')[0]?.message).toMatch(
      /has tasks that can never be placed on this host: RESOURCE:ENI/,
    )
  })

  test('goes on when the state file can be written again', async () => {
    host.create()
    host.isUnwritable = true
    await host.pass(10_000)
    expect(host.up()).toEqual([])
    host.isUnwritable = false
    await host.pass(10_000)
    expect(host.up()).toHaveLength(1)
  })

  test('forgets a deleted service with its events and tags after the retention time', async () => {
    const catalog = new Catalog(host.db, host.clock.now)
    host.create()
    await host.pass(60_000)
    catalog.tag(host.service().arn, { a: '1' })
    host.put((one) => ({ ...one, status: 'DRAINING' }))
    await host.pass(10_000)
    expect(host.service().status).toBe('INACTIVE')
    forgetOld({ services: host.services, catalog }, host.service().endedAt ?? 0)
    expect(host.services.get('default/web')).toBeDefined()
    forgetOld({ services: host.services, catalog }, (host.service().endedAt ?? 0) + 1)
    expect(host.services.all()).toEqual([])
    expect(host.services.events(serviceKey(service()))).toEqual([])
    expect(catalog.tags(service().arn)).toEqual({})
  })
})

/** A whole life of a service: made, a task of it killed, rolled over, deleted. */
async function life(host: Host): Promise<void> {
  host.create({ desiredCount: 2, minimumHealthyPercent: 50, maximumPercent: 150 })
  await host.pass(60_000)
  host.exit(host.up()[0] ?? '')
  await host.pass(60_000)
  expect(host.service().isSteady).toBe(true)
  host.put((one) => deploy(one, deployment('ecs-svc/2')))
  await host.pass(400_000)
  expect(host.service().isSteady).toBe(true)
  expect(host.service().deployments.map(({ id }) => id)).toEqual(['ecs-svc/2'])
  expect([host.up().length, host.containers()]).toEqual([2, 2])
  host.put((one) => ({ ...one, status: 'DRAINING' }))
  await host.pass(60_000)
  expect(host.service().status).toBe('INACTIVE')
  expect([...host.world.there]).toEqual([])
}

// P427
test('an agent that dies at any write starts no task twice, never passes the maximum, and comes to its end', async () => {
  const whole = host
  whole.writesLeft = 100_000
  await life(whole)
  const writes = 100_000 - whole.writesLeft
  expect(writes).toBeGreaterThan(50)
  expect(whole.most).toBe(3)
  for (let at = 1; at <= writes; at++) {
    const mortal = new Host()
    mortal.writesLeft = at
    await life(mortal)
    expect([at, mortal.deaths, mortal.most <= 3]).toEqual([at, 1, true])
    expect(mortal.defects).toEqual([])
    mortal.keeper.close()
    await mortal.runner.close()
  }
})
