// Goal: a service keeps its count, never breaks its percentages, and counts each end once. Method: the
// pure core over tasks of plain data: examples with their numbers, and thousands of random lives.

import { describe, expect, test } from 'vitest'
import type { Breaker, Service, TaskSeen } from '../../state/service.ts'
import { deploy, desiredOf, launched } from '../../state/service.ts'
import { observe } from '../../state/service-observe.ts'
import type { HostRoom, Plan } from '../../state/service-plan.ts'
import { BACKOFF, plan } from '../../state/service-plan.ts'
import { failuresAllowed } from '../../state/service-rollout.ts'
import type { Stop } from '../../state/task.ts'
import { Chance } from '../sim/time.ts'
import { deployment, service } from './services.ts'

const BREAKER: Breaker = {
  rollback: true,
  resets: true,
  threshold: { type: 'BOUNDED_PERCENT', value: 50 },
}

type Task = {
  isUp: boolean
  createdAt: number
  startedAt?: number
  health?: 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'
  stop?: Stop
  isProtected: boolean
}

/** A service and its tasks, and the two functions between them as the agent calls them. */
class Life {
  now = 1_000_000
  service: Service
  readonly tasks = new Map<string, Task | 'unreadable'>()
  readonly says: string[] = []
  room: HostRoom = { count: 100, comingFree: 0 }
  last: Plan = { launch: 0, stop: [] }
  #made = 0

  constructor(change: Partial<Service> = {}) {
    this.service = service(change)
  }

  look(): Plan {
    const see = (id: string) => this.tasks.get(id) as TaskSeen | 'unreadable' | undefined
    const { now } = this
    const seen = observe(this.service, { see, now, settleMs: 40_000 })
    const room = () => this.room
    const situation = { see, now, settleMs: 40_000, backoff: BACKOFF, room }
    this.last = plan(seen.service, situation)
    const ids = Array.from({ length: this.last.launch }, () => {
      this.#made += 1
      return `t${this.#made}`
    })
    const begun = ids.length > 0 ? launched(seen.service, ids) : { service: seen.service, says: [] }
    this.service = begun.service
    this.says.push(...seen.says, ...begun.says)
    for (const id of ids) this.tasks.set(id, { isUp: true, createdAt: now, isProtected: false })
    for (const id of this.last.stop) this.end(id, 'ServiceSchedulerInitiated')
    return this.last
  }

  end(id: string, code: Stop['code'], reason = 'x'): void {
    const task = this.tasks.get(id)
    if (task === undefined || task === 'unreadable' || !task.isUp) return
    Object.assign(task, { isUp: false, stop: { code, reason } })
  }

  up(): string[] {
    return [...this.tasks].flatMap(([id, t]) => (t === 'unreadable' || t.isUp ? [id] : []))
  }

  /** Everything that is up runs, and time passes until it counts. */
  settle(ms = 40_000): void {
    for (const task of this.tasks.values()) {
      if (task !== 'unreadable' && task.isUp) task.startedAt ??= this.now
    }
    this.now += ms
  }

  /** Looks until there is nothing to do. */
  rest(): void {
    for (let n = 0; n < 30; n++) {
      const { launch, stop } = this.look()
      this.settle()
      if (launch === 0 && stop.length === 0 && this.service.isSteady) return
    }
  }

  healthy(): string[] {
    const marks = Object.assign({}, ...this.service.deployments.map(({ tasks }) => tasks))
    return this.up().filter((id) => marks[id] === 'healthy')
  }
}

describe('a service', () => {
  // P420
  test('starts what is missing, replaces what died, and stops what is too many', () => {
    const life = new Life({ desiredCount: 3 })
    expect(life.look().launch).toBe(3)
    expect(life.look()).toEqual({ launch: 0, stop: [] })
    life.rest()
    expect(life.service.isSteady).toBe(true)
    life.end('t2', 'EssentialContainerExited')
    expect(life.look().launch).toBe(1)
    expect(life.up()).toEqual(['t1', 't3', 't4'])
    life.rest()
    life.service = { ...life.service, desiredCount: 1 }
    // The youngest goes first.
    expect(life.look().stop[0]).toBe('t4')
    expect(life.up()).toHaveLength(1)
  })

  test('says in ECS’s words what it does', () => {
    const life = new Life({ desiredCount: 2 })
    life.rest()
    life.service = { ...life.service, desiredCount: 1 }
    life.look()
    life.look()
    expect(life.says).toEqual([
      '(service web) has started 2 tasks: (task t1) (task t2).',
      '(service web) (deployment ecs-svc/1) deployment completed.',
      '(service web) has reached a steady state.',
      expect.stringMatching(/^\(service web\) has stopped 1 running tasks: \(task t[12]\)\.$/),
      '(service web) has reached a steady state.',
    ])
  })

  test('counts a task without a health check after it ran for 40 s, one with a check once it is healthy', () => {
    const life = new Life()
    life.look()
    life.settle(39_999)
    expect(life.look().lookAt).toBe(life.now + 1)
    expect(life.service.isSteady).toBe(false)
    life.now += 1
    life.look()
    expect(life.service.isSteady).toBe(true)

    const checked = new Life()
    checked.look()
    checked.settle(1_000_000)
    Object.assign(checked.tasks.get('t1') ?? {}, { health: 'UNKNOWN' })
    checked.look()
    expect(checked.service.isSteady).toBe(false)
    Object.assign(checked.tasks.get('t1') ?? {}, { health: 'HEALTHY' })
    checked.look()
    expect(checked.service.isSteady).toBe(true)
  })

  // P421
  test('waits longer with each task in a row that fails, up to 27 minutes, and not at all after a good one', () => {
    const life = new Life()
    life.look()
    const pauses: number[] = []
    for (let n = 0; n < 12; n++) {
      life.end(life.up()[0] ?? '', 'TaskFailedToStart', 'CannotPullContainerError: no')
      const { wait, launch } = life.look()
      pauses.push((wait?.until ?? life.now) - life.now)
      expect(launch).toBe(wait === undefined ? 1 : 0)
      if (wait === undefined) continue
      expect(wait.why).toMatch(`${n + 1} tasks in a row failed to start; the last: CannotPull`)
      life.now = (wait.until ?? 0) - 1
      expect(life.look().launch).toBe(0)
      life.now += 1
      expect(life.look().launch).toBe(1)
    }
    expect(pauses.map((ms) => ms / 1000)).toEqual([
      0, 10, 20, 40, 80, 160, 320, 640, 1280, 1620, 1620, 1620,
    ])
    life.rest()
    life.end(life.up()[0] ?? '', 'EssentialContainerExited')
    expect(life.look()).toMatchObject({ launch: 1 })
  })

  test('takes no stop that somebody asked for, and no reboot, for a failure', () => {
    const life = new Life()
    const causes: [Stop['code'], string][] = [
      ['UserInitiated', 'x'],
      ['TerminationNotice', 'x'],
      ['EssentialContainerExited', 'HostRebooted: the host was rebooted'],
    ]
    life.look()
    for (const [code, reason] of causes) {
      life.end(life.up()[0] ?? '', code, reason)
      expect(life.look().launch).toBe(1)
      expect(life.service.deployments[0].failedTasks).toBe(0)
    }
  })

  test('starts another one beside a sick one where the maximum allows it, and stops the sick one first where not', () => {
    const beside = new Life({ desiredCount: 2 })
    beside.rest()
    Object.assign(beside.tasks.get('t1') ?? {}, { health: 'UNHEALTHY' })
    expect(beside.look()).toMatchObject({ launch: 1, stop: [] })
    expect(beside.service.deployments[0].failedTasks).toBe(1)
    beside.settle()
    expect(beside.look().stop).toEqual(['t1'])
    beside.rest()
    expect(beside.service.isSteady).toBe(true)

    const first = new Life({ desiredCount: 2, minimumHealthyPercent: 50, maximumPercent: 100 })
    first.rest()
    Object.assign(first.tasks.get('t1') ?? {}, { health: 'UNHEALTHY' })
    expect(first.look()).toMatchObject({ launch: 0, stop: ['t1'] })
    expect(first.look()).toMatchObject({ launch: 1, stop: [] })
    // One that is well again before its time stays.
    const well = new Life()
    well.rest()
    Object.assign(well.tasks.get('t1') ?? {}, { health: 'UNHEALTHY' })
    well.look()
    Object.assign(well.tasks.get('t1') ?? {}, { health: 'HEALTHY' })
    expect(well.look().stop).toEqual(['t2'])
  })

  test('does not replace a task whose record cannot be read: it may be running', () => {
    const life = new Life({ desiredCount: 2 })
    life.rest()
    life.tasks.set('t1', 'unreadable')
    expect(life.look().launch).toBe(0)
    expect(life.up()).toHaveLength(2)
  })

  test('begins a pause anew where the clock was set back, instead of waiting for it', () => {
    const life = new Life()
    life.look()
    for (let n = 0; n < 2; n++) {
      life.end(life.up()[0] ?? '', 'TaskFailedToStart')
      life.look()
    }
    expect(life.last.wait?.code).toBe('Throttled')
    life.now -= 3_600_000
    expect(life.look().wait?.until).toBe(life.now + 10_000)
    life.now += 10_000
    expect(life.look().launch).toBe(1)
  })

  test('that is deleted stops everything, protected or not, and is INACTIVE then', () => {
    const life = new Life({ desiredCount: 2 })
    life.rest()
    Object.assign(life.tasks.get('t1') ?? {}, { isProtected: true })
    life.service = { ...life.service, status: 'DRAINING' }
    expect(life.look().stop).toHaveLength(2)
    expect(life.service.status).toBe('DRAINING')
    life.look()
    expect(life.service.status).toBe('INACTIVE')
    expect(life.service.endedAt).toBe(life.now)
    expect(life.look()).toEqual({ launch: 0, stop: [] })
  })

  test('of DAEMON kind has one task, whatever its count says', () => {
    const life = new Life({ strategy: 'DAEMON', maximumPercent: 100, minimumHealthyPercent: 0 })
    expect(life.look().launch).toBe(1)
    life.rest()
    life.service = deploy(life.service, deployment('ecs-svc/2'))
    expect(life.look()).toMatchObject({ launch: 0, stop: ['t1'] })
    expect(life.look()).toMatchObject({ launch: 1, stop: [] })
  })
})

describe('a rolling update', () => {
  /** What it did, look by look: how many it started and stopped, and how many stood healthy. */
  function rollOut(
    change: Partial<Service>,
    room?: HostRoom,
  ): (readonly [number, number, number])[] {
    const life = new Life(change)
    life.rest()
    life.service = deploy(life.service, deployment('ecs-svc/2'))
    if (room !== undefined) life.room = room
    const steps: (readonly [number, number, number])[] = []
    for (let n = 0; n < 20 && !life.service.isSteady; n++) {
      const { launch, stop } = life.look()
      if (launch + stop.length > 0) steps.push([launch, stop.length, life.healthy().length])
      life.settle()
    }
    expect(life.service.deployments.map(({ id }) => id)).toEqual(['ecs-svc/2'])
    return steps
  }

  // P422
  test('starts four new ones before the four old ones stop, at 100 and 200 percent', () => {
    expect(rollOut({ desiredCount: 4 })).toEqual([
      [4, 0, 4],
      [0, 4, 4],
    ])
  })

  // P422
  test('stops two of four to make room, at 50 and 100 percent', () => {
    const limits = { minimumHealthyPercent: 50, maximumPercent: 100 }
    expect(rollOut({ desiredCount: 4, ...limits })).toEqual([
      [0, 2, 2],
      [2, 0, 2],
      [0, 2, 2],
      [2, 0, 2],
    ])
  })

  test('stops no old one for room that is coming free already, nor while the host takes no tasks', () => {
    const life = new Life({ desiredCount: 2, minimumHealthyPercent: 0 })
    life.rest()
    life.service = deploy(life.service, deployment('ecs-svc/2'))
    life.room = { count: 0, comingFree: 2, wait: { code: 'NoRoom', why: 'full' } }
    expect(life.look()).toMatchObject({ launch: 0, stop: [], wait: { code: 'NoRoom' } })
    life.room = { count: 0, comingFree: 0, wait: { code: 'HostDraining', why: 'asked' } }
    expect(life.look()).toMatchObject({ launch: 0, stop: [], wait: { code: 'HostDraining' } })
    life.room = { count: 0, comingFree: 0, wait: { code: 'NoRoom', why: 'full' } }
    expect(life.look().stop).toHaveLength(2)
  })

  test('that its percentages make impossible says so', () => {
    // The API refuses 100 and 100, but one of three rounds to as much.
    const limits = { desiredCount: 1, minimumHealthyPercent: 1, maximumPercent: 199 }
    const life = new Life(limits)
    life.rest()
    life.service = deploy(life.service, deployment('ecs-svc/2'))
    expect(life.look()).toMatchObject({ launch: 0, stop: [] })
    expect(life.last.wait).toMatchObject({ code: 'DeploymentConfiguration' })
  })

  test('stops no protected task, and says for what it waits', () => {
    const life = new Life({ minimumHealthyPercent: 0, maximumPercent: 100 })
    life.rest()
    Object.assign(life.tasks.get('t1') ?? {}, { isProtected: true })
    life.service = deploy(life.service, deployment('ecs-svc/2'))
    expect(life.look().stop).toEqual([])
    expect(life.last.wait?.why).toBe('old tasks are protected: t1')
  })
})

describe('the circuit breaker', () => {
  test('allows half of the desired count, but three at least and 200 at most; or what it is told', () => {
    const allowed = (type: Breaker['threshold']['type'], value: number, desired: number) =>
      failuresAllowed({ ...BREAKER, threshold: { type, value } }, desired)
    expect([1, 6, 7, 25, 1000].map((n) => allowed('BOUNDED_PERCENT', 50, n))).toEqual([
      3, 3, 4, 13, 200,
    ])
    expect([1, 25, 1000].map((n) => allowed('UNBOUNDED_PERCENT', 50, n))).toEqual([1, 13, 500])
    expect(allowed('COUNT', 2, 1000)).toBe(2)
  })

  function failing(breaker: Breaker): Life {
    const life = new Life({ desiredCount: 2, breaker })
    life.rest()
    life.service = deploy(life.service, deployment('ecs-svc/2'))
    for (let n = 0; n < 20; n++) {
      life.look()
      for (const id of Object.keys(
        life.service.deployments.find((d) => d.id === 'ecs-svc/2')?.tasks ?? {},
      )) {
        life.end(id, 'TaskFailedToStart', 'CannotPullContainerError: gone')
      }
      life.settle()
    }
    return life
  }

  // P423
  test('gives the deployment up after three failures and brings back the one before', () => {
    const life = failing(BREAKER)
    const [primary, ...others] = life.service.deployments
    expect(primary).toMatchObject({ id: 'ecs-svc/1', rollout: 'COMPLETED' })
    expect(others).toEqual([])
    expect(life.up()).toEqual(['t1', 't2'])
    expect(life.says.filter((says) => /deployment|rolling/.test(says))).toEqual([
      '(service web) (deployment ecs-svc/1) deployment completed.',
      '(service web) (deployment ecs-svc/2) deployment failed: tasks failed to start.',
      '(service web) rolling back to deployment ecs-svc/1.',
      '(service web) (deployment ecs-svc/1) deployment completed.',
    ])
  })

  // P423
  test('without rollback starts no more tasks, leaves the old ones, and says so', () => {
    const life = failing({ ...BREAKER, rollback: false })
    expect(life.service.deployments.map(({ id, rollout }) => [id, rollout])).toEqual([
      ['ecs-svc/2', 'FAILED'],
      ['ecs-svc/1', 'COMPLETED'],
    ])
    expect(life.up()).toEqual(['t1', 't2'])
    expect(life.last.wait?.code).toBe('DeploymentFailed')
    life.service = deploy(life.service, deployment('ecs-svc/3'))
    expect(life.look().launch).toBe(2)
  })
})

/** A random life; what may never be is checked at each look. */
function live(seed: number): void {
  const chance = new Chance(seed)
  const life = new Life({
    desiredCount: chance.below(5),
    minimumHealthyPercent: chance.pick([0, 50, 100]),
    maximumPercent: chance.pick([101, 150, 200]),
    ...(chance.happens(0.5) ? { breaker: { ...BREAKER, rollback: chance.happens(0.5) } } : {}),
  })
  let revision = 1
  const wreck = () => {
    for (const [id, task] of life.tasks) {
      if (task === 'unreadable' || !task.isUp) continue
      if (chance.happens(0.3)) task.startedAt ??= life.now
      if (chance.happens(0.1)) life.end(id, chance.pick(['TaskFailedToStart', 'UserInitiated']))
      if (chance.happens(0.05)) task.isProtected = !task.isProtected
      if (chance.happens(0.05)) task.health = chance.pick(['UNHEALTHY', 'HEALTHY', 'UNKNOWN'])
    }
    life.now += chance.pick([0, 100, 20_000, 60_000])
    if (chance.happens(0.05)) life.now -= 3_600_000
    life.room = chance.pick([
      { count: 100, comingFree: 0 },
      { count: 1, comingFree: 0 },
      { count: 0, comingFree: 1, wait: { code: 'NoRoom', why: 'full' } },
      { count: 0, comingFree: 0, wait: { code: 'NoRoom', why: 'full' } },
      { count: 0, comingFree: 0, wait: { code: 'HostDraining', why: 'asked' } },
    ])
    if (chance.happens(0.1)) life.service = { ...life.service, desiredCount: chance.below(5) }
    if (chance.happens(0.1)) {
      revision += 1
      life.service = deploy(life.service, deployment(`ecs-svc/${revision}`, life.now))
    }
  }
  for (let n = 0; n < 60; n++) {
    wreck()
    check(life, seed)
  }
  // Peace: everything that is started runs and goes on running.
  life.room = { count: 100, comingFree: 0 }
  if (life.service.deployments[0].rollout === 'FAILED') {
    life.service = deploy(life.service, deployment('ecs-svc/last', life.now))
  }
  for (const task of life.tasks.values()) {
    if (task === 'unreadable') continue
    task.isProtected = false
    // The sick stay sick, and what is checked is well sooner or later.
    if (task.health === 'UNKNOWN') task.health = 'HEALTHY'
  }
  for (let n = 0; n < 200 && !life.service.isSteady; n++) {
    check(life, seed)
    life.settle()
  }
  if (life.last.wait?.code === 'DeploymentConfiguration') return
  const broken = (what: string) => new Error(`seed ${seed}, ${what}: ${shown(life)}`)
  if (!life.service.isSteady) throw broken('it does not settle')
  if (life.up().length !== desiredOf(life.service)) throw broken('it settles elsewhere')
  const rollouts = life.service.deployments.map(({ rollout }) => rollout)
  if (rollouts.join() !== 'COMPLETED') throw broken('an old deployment is left')
}

const shown = (life: Life): string => JSON.stringify([life.last, life.service, [...life.tasks]])

function check(life: Life, seed: number): void {
  // What the look is about to find out itself.
  const see = (id: string) => life.tasks.get(id) as TaskSeen | undefined
  life.service = observe(life.service, { see, now: life.now, settleMs: 40_000 }).service
  const before = { up: life.up(), healthy: life.healthy() }
  const safe = life.up().filter((id) => (life.tasks.get(id) as Task).isProtected)
  const { launch, stop } = life.look()
  const desired = desiredOf(life.service)
  const most = Math.floor((desired * life.service.maximumPercent) / 100)
  const least = Math.ceil((desired * life.service.minimumHealthyPercent) / 100)
  const broken = (what: string) => new Error(`seed ${seed}, ${what}: ${shown(life)}`)
  if (launch > 0 && before.up.length + launch > most) throw broken('above the maximum')
  const left = before.healthy.filter((id) => !stop.includes(id)).length
  if (left < Math.min(least, before.healthy.length)) throw broken('below the minimum')
  if (stop.some((id) => safe.includes(id))) throw broken('a protected task is stopped')
  if (stop.length > 0 || life.room.count < 100) return
  // Looked at once more, nothing is missing twice.
  const again = life.look()
  if (again.launch + again.stop.length > 0) throw broken('it is not through after one look')
}

// P424
test('in thousands of random lives it never breaks its percentages, and in peace it comes to its count', () => {
  for (let seed = 1; seed <= 1000; seed++) live(seed)
})
