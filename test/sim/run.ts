// One simulated run: a host, some tasks, a life of faults and deaths; then peace, in which it must
// settle; then a stop of everything, after which the world must be empty.
//
//   the real runner, services, sweep, link watch, budget, journal ◀──▶ hands.ts ◀──▶ world.ts
//                                                    checks.ts looks at both from outside

import Sqlite from 'better-sqlite3'
import type { Drain } from '../../agent/drain.ts'
import { watchLinks } from '../../agent/drift.ts'
import { Failure } from '../../agent/failure.ts'
import type { Host } from '../../agent/orders.ts'
import { choose } from '../../agent/placement.ts'
import { Queue } from '../../agent/queue.ts'
import { Reconcile } from '../../agent/reconcile.ts'
import { Runner } from '../../agent/runner.ts'
import type { Services } from '../../agent/services.ts'
import { Spares } from '../../agent/spares.ts'
import { eventOf } from '../../agent/watch.ts'
import { withGroups } from '../../state/amendment.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import type { Entry } from '../../state/journal.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { isSpare } from '../../state/spare.ts'
import type { SpareRules } from '../../state/spare-plan.ts'
import type { HolderId, Spec } from '../../state/spec.ts'
import { lastStatus } from '../../state/status.ts'
import { holdsNothing, isWaiting, kindOf, rowState, rows } from '../../state/task.ts'
import type { VolumeSpec } from '../../state/volume.ts'
import { container, spec } from '../state/specs.ts'
import { Broken, Checks } from './checks.ts'
import { Ending } from './ending.ts'
import type { Faults, Weather } from './hands.ts'
import { calm, Hands, LOCAL_MS, noFaults } from './hands.ts'
import { SimServices } from './services.ts'
import { Chance, drain, LifeClock, Timeline } from './time.ts'
import { INSTANCES, LENT, NO_GROUP, OTHER_GROUPS, OWN_GROUPS, SimWorld } from './world.ts'

/** Groups that EC2 does not know. */
const WRONG = { securityGroupIds: [NO_GROUP] }
const subnetIds = ['subnet-a', 'subnet-b', 'subnet-c']
const deadlineMs = {
  eni: 120_000,
  publicIp: 120_000,
  image: 120_000,
  volume: 120_000,
  cgroup: 120_000,
  sandbox: 120_000,
  attachment: 120_000,
  guard: 120_000,
  link: 180_000,
  created: 120_000,
  container: 120_000,
}
const HOUR_MS = 3_600_000
/** What the simulated machine has. */
const CAPACITY = { cpuUnits: 2048, memoryMiB: 100_000 }
/**
 * It must settle within a day, a step each second: who waits for room is looked at so often, and
 * waits longer where the clock goes back by hours.
 */
const SETTLE_STEPS_MAX = 100_000

/** What a run came to. */
export type Outcome = {
  readonly lifecycles: number
  readonly released: number
  readonly deaths: number
  readonly restarts: number
  /** Tasks that took over a spare, and spares that none did. */
  readonly adopted: number
  readonly idle: number
  /** Tasks that were begun for services. */
  readonly launches: number
  readonly events: number
  /** How tasks ended or stand, for a look at whether the run was worth anything. */
  readonly reasons: Readonly<Record<string, number>>
}

/** Runs one seed to its end. Throws Broken, or a defect of the code under test. */
export async function simulate(seed: number): Promise<Outcome> {
  const simulation = new Simulation(seed)
  try {
    return await simulation.run()
  } finally {
    simulation.close()
  }
}

/** Thrown where the agent dies, so that nothing after it happens. */
class Dead extends Error {}

/** The journal of one life, on a disk that is full now and then. The dead write nothing. */
class MortalJournal extends Journal {
  mayWrite: () => void = () => {}
  override begin(...given: Parameters<Journal['begin']>): Entry {
    this.mayWrite()
    return super.begin(...given)
  }
  override append(...given: Parameters<Journal['append']>): Entry {
    this.mayWrite()
    return super.append(...given)
  }
}

/** Lets one thing happen; where it is a timer of the agent's, that may be the last it does. */
function mortal(step: () => boolean): boolean {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof Dead)) throw error
    return true
  }
}

/** What is asked of an agent that may die of it, or may not be able to write. */
function asked(work: () => void): void {
  try {
    work()
  } catch (error) {
    const isUnwritable =
      error instanceof StateFileUnwritable ||
      (error instanceof Failure && error.code === 'StateFileUnwritable')
    if (!isUnwritable && !(error instanceof Dead)) throw error
  }
}

/** One life of the agent. */
type Life = {
  readonly clock: LifeClock
  readonly journal: Journal
  readonly runner: Runner
  readonly drain: Drain
  readonly queue: Queue
  readonly spares: Spares
  readonly services: Services
  /** A person asks for a sweep. */
  sweep(): void
  start(): void
}

class Simulation {
  readonly #chance: Chance
  readonly #timeline = new Timeline()
  readonly #world: SimWorld
  readonly #weather: Weather = calm()
  readonly #db = new Sqlite(':memory:')
  readonly #checks: Checks
  readonly #ending: Ending
  readonly #services: SimServices
  readonly #host: Host
  readonly #corrupted = new Set<string>()
  #life: Life
  /** How likely the agent dies at any one moment of any step. */
  #mortality = 0
  #defect: unknown
  readonly #spareRules: SpareRules
  #spareSerial = 0
  #adopted = 0
  #toBegin = 0
  #begun = 0
  #deaths = 0
  #events = 0

  constructor(seed: number) {
    this.#chance = new Chance(seed)
    this.#world = new SimWorld(this.#timeline, this.#chance)
    const eniCountMax = this.#chance.pick([12, 12, 12, 4])
    this.#host = {
      instanceId: INSTANCES.own,
      instanceType: 'sim',
      availabilityZone: 'z',
      eniCountMax,
    } as Host
    this.#world.keepGroups = this.#chance.happens(0.5)
    this.#spareRules = someRules(this.#chance)
    for (const statements of MIGRATIONS) this.#db.exec(statements)
    this.#ending = new Ending({
      world: this.#world,
      timeline: this.#timeline,
      chance: this.#chance,
      quarantined: this.#corrupted,
    })
    this.#checks = new Checks({
      world: this.#world,
      timeline: this.#timeline,
      db: this.#db,
      all: () => this.#life.journal.all(),
      quarantined: this.#corrupted,
      ending: this.#ending,
    })
    this.#services = new SimServices({
      ...{ db: this.#db, timeline: this.#timeline, chance: this.#chance },
      quarantined: this.#corrupted,
    })
    this.#life = this.#born()
  }

  close(): void {
    this.#life.clock.isOver = true
    this.#db.close()
  }

  async run(): Promise<Outcome> {
    this.#life.start()
    this.#placeForeign()
    const taskCount = 1 + this.#chance.below(8)
    this.#weather.faults = this.#someFaults()
    this.#mortality = this.#chance.pick([0, 0.003, 0.01, 0.03])
    // Some come while there are spares already.
    const windowMs = this.#chance.pick([3_000, 3_000, 60_000])
    for (let n = 0; n < taskCount; n++) {
      this.#timeline.after(this.#chance.below(windowMs), () => {
        this.#toBegin -= 1
        this.#begin(n)
      })
    }
    this.#toBegin = taskCount
    for (let n = this.#chance.below(3); n > 0; n--) {
      this.#timeline.after(this.#chance.below(1500), () =>
        asked(() => this.#services.create(this.#someSpec())),
      )
    }
    await this.#live(150 + this.#chance.below(350))
    Object.assign(this.#weather, { faults: noFaults, ec2Until: 0, dockerUntil: 0 })
    this.#mortality = 0
    if (this.#life.clock.isOver) this.#rebirth()
    if (this.#chance.happens(0.1)) return await this.#end()
    if (this.#chance.happens(0.5)) this.#ending.withdraw()
    await this.#settle('peace')
    for (const entry of this.#life.journal.all()) {
      if (entry.holder.desired === 'stopped') continue
      this.#checks.obeys(entry)
    }
    if (this.#chance.happens(0.05)) await this.#quiet(3 * HOUR_MS)
    this.#services.end()
    await this.#settle('the end of its services')
    this.#life.spares.close()
    for (const { id } of this.#life.journal.all()) {
      this.#life.runner.stop(id, { code: 'UserInitiated', reason: 'the end' })
    }
    await this.#settle('the end')
    this.#checkEmpty()
    for (const entry of this.#life.journal.all()) this.#checks.remembers(entry)
    return this.#outcome()
  }

  /** The instance is taken away with two minutes' notice, whatever was under way. */
  async #end(): Promise<Outcome> {
    this.#ending.announce(['terminate'])
    while (!this.#ending.isDue && mortal(() => this.#timeline.step())) await this.#turn()
    this.#ending.checkEnd({ all: this.#life.journal.all() })
    return this.#outcome()
  }

  #outcome(): Outcome {
    const reasons: Record<string, number> = {}
    for (const entry of this.#life.journal.all()) {
      const reason = (entry.holder.stop?.reason ?? '').split(':')[0] ?? ''
      reasons[reason] = (reasons[reason] ?? 0) + 1
    }
    const { released, restarts } = this.#checks
    const [deaths, events, adopted] = [this.#deaths, this.#events, this.#adopted]
    const idle = this.#life.journal.all().filter(({ holder }) => isSpare(holder)).length
    const { launches } = this.#services
    const lifecycles = this.#begun + launches
    return { lifecycles, released, deaths, restarts, launches, adopted, idle, events, reasons }
  }

  /** Faults of every size, none at all among them. */
  #someFaults(): Faults {
    const size = this.#chance.pick([0, 0.02, 0.1, 0.3])
    return {
      failBefore: this.#chance.next() * size,
      failAfter: this.#chance.next() * size,
      refuse: this.#chance.happens(0.2) ? 0.05 : 0,
      decline: this.#chance.next() * size,
      throttle: this.#chance.happens(0.3) ? this.#chance.next() * 0.6 : 0,
      latencyMs: this.#chance.pick([1, 50, 1000, 20_000]),
      cardNever: this.#chance.happens(0.1) ? 0.3 : 0,
      diskFull: this.#chance.happens(0.2) ? 0.1 : 0,
      staleMs: this.#chance.pick([0, 0, 30_000, 400_000]),
      lateDocker: this.#chance.happens(0.5),
      forget: this.#chance.happens(0.3) ? 0.05 : 0,
      lateLent: this.#chance.happens(0.3) ? 0.5 : 0,
    }
  }

  /** ENIs of others: without a mark, attached here among them; of a living host; of a dead one. */
  #placeForeign(): void {
    const kinds = [
      {},
      { index: 1 },
      { instanceId: INSTANCES.beside },
      { instanceId: INSTANCES.gone },
    ]
    for (const [n, kind] of kinds.entries()) {
      const eniId = `eni-foreign-${n}`
      if (this.#chance.happens(0.2)) this.#world.foreign.set(eniId, { eniId, ...kind })
    }
    for (const eniId of LENT) this.#world.placeTheirs(eniId)
  }

  /** What a task, or those of a service, may be. */
  #someSpec(): Spec {
    const securityGroupIds = this.#chance.pick([[], [], [], OTHER_GROUPS])
    const eni = { subnetIds, securityGroupIds, tags: {} }
    const restart = { ignoredExitCodes: [], attemptPeriodMs: this.#chance.pick([0, 2000]) }
    const containers = this.#chance.pick([
      [container('web')],
      [container('web', {}, { restart })],
      [container('web', { log: 'START' }), container('log', {}, { essential: false, restart })],
      [container('web', { db: 'START' }), container('db')],
      [container('web', { init: 'SUCCESS' }), container('init', {}, { essential: false })],
    ])
    // One that began before there were cgroups has none.
    const size = this.#chance.pick([{}, {}, { cpuUnits: 512 }, { cpuUnits: 1536 }])
    const around = this.#chance.happens(0.9) ? { cgroup: size } : {}
    const publicIp = this.#chance.happens(0.15) ? { publicIp: 'new' } : {}
    const further = this.#chance.happens(0.2) ? [eni] : []
    return spec({ enis: [{ ...eni, ...publicIp }, ...further], containers, ...around })
  }

  /** As RunTask does: only what fits begins. */
  #begin(n: number): void {
    const { journal, queue, runner, drain, spares } = this.#life
    const borrowed = journal.all().flatMap(({ holder }) => {
      const isOver = holder.desired === 'stopped' && holdsNothing(holder)
      return isOver ? [] : holder.spec.enis.flatMap(({ lentEniId }) => lentEniId ?? [])
    })
    const lentEniId = LENT.find((eniId) => !borrowed.includes(eniId))
    const isLent = this.#chance.happens(0.15) && lentEniId !== undefined
    const isWrong = !isLent && this.#chance.happens(0.1)
    const odd = isLent ? { lentEniId, securityGroupIds: [] } : isWrong ? WRONG : {}
    // By the id, not by chance, as in withVolume.
    const ahead = n % 4 === 0 ? {} : { madeAhead: true as const }
    const one = this.#someSpec()
    const enis = one.enis.map((eni, n) => (n === 0 ? { ...eni, ...odd } : eni))
    const given = { ...one, enis, ...ahead }
    if (drain.view() !== undefined) return
    // What does not fit waits, where whoever asks is willing to.
    const fits = queue.room(given).taskCount > 0
    const waitMs = this.#chance.pick([undefined, 20_000, 600_000])
    if (!fits && (waitMs === undefined || queue.room(given).isTooBig)) return
    const [placed] = fits ? spares.place(given, 1) : [{ spec: { ...given, waitMs } }]
    if (placed === undefined) return
    const rows = 'rows' in placed ? placed.rows : undefined
    const id = 'id' in placed && rows !== undefined ? placed.id : n.toString(16).padStart(32, '0')
    const begun = placed.spec as Spec
    asked(() => {
      const spec = this.#chance.happens(0.3) ? withVolume(id, begun) : begun
      journal.place({ id, spec, ...(rows && { rows }) })
      this.#begun += 1
      queue.look()
      spares.started(id)
      runner.advance(id)
    })
  }

  /** Lets so many things happen, and the agent die and the world hurt it in between. */
  async #live(stepCount: number): Promise<void> {
    for (let step = 0; step < stepCount; step++) {
      const more = mortal(() => this.#timeline.step())
      await this.#turn()
      if (this.#chance.happens(0.008)) this.#life.clock.isOver = true
      if (this.#life.clock.isOver) this.#rebirth()
      if (this.#chance.happens(0.02)) this.#world.mischief()
      if (this.#chance.happens(0.12)) this.#world.crash()
      if (this.#chance.happens(0.01)) this.#stopOne()
      if (this.#chance.happens(0.005)) this.#life.sweep()
      if (this.#chance.happens(0.02)) this.#orderGroups()
      if (this.#chance.happens(0.02)) asked(() => this.#services.change())
      if (this.#chance.happens(0.01)) {
        const n = this.#chance.below(LENT.length)
        this.#world.plugByOwner(LENT[n] ?? '', 90 + n, this.#chance.below(HOUR_MS))
      }
      if (this.#chance.happens(0.003)) this.#timeline.skewMs += this.#chance.pick([-2, 2]) * HOUR_MS
      if (this.#chance.happens(0.004)) this.#goAway('ec2Until')
      if (this.#chance.happens(0.004)) this.#goAway('dockerUntil')
      if (this.#chance.happens(0.001)) this.#ending.announce(['terminate', 'terminate', 'stop'])
      await this.#turn()
      if (!more) break
    }
  }

  #goAway(who: 'ec2Until' | 'dockerUntil'): void {
    this.#weather[who] = this.#timeline.now + this.#chance.below(2 * HOUR_MS)
  }

  async #settle(name: string): Promise<void> {
    const until = this.#timeline.now + 24 * HOUR_MS
    for (let step = 0; step < SETTLE_STEPS_MAX; step++) {
      await this.#turn()
      if (this.#life.drain.view() === undefined) {
        // Somebody else may plug in an ENI of his own.
        this.#checks.waitsInVain(CAPACITY.cpuUnits, this.#host.eniCountMax - 4)
      }
      if (this.#isSettled()) return
      // What EC2 did late to a lent ENI waits for a person.
      if (step % 100 === 99) this.#life.sweep()
      mortal(() => this.#timeline.step())
      if (this.#timeline.now > until) break
    }
    throw new Broken(`I8: it does not settle in ${name}: ${this.#says()}`)
  }

  /** Nothing happens for so long: it stays as it is, and what is stranded is found. */
  async #quiet(ms: number): Promise<void> {
    const until = this.#timeline.now + ms
    while (this.#timeline.now < until && mortal(() => this.#timeline.step())) await this.#turn()
    if (!this.#isSettled()) throw new Broken(`I8: it did not stay settled: ${this.#says()}`)
    const stranded = [...this.#world.foreign.values()].filter(
      (f) => f.instanceId === INSTANCES.gone,
    )
    if (stranded.length > 0) throw new Broken(`I1: ${stranded[0]?.eniId} is stranded for ever`)
  }

  /** What can go on goes on; then the checkers look. */
  async #turn(): Promise<void> {
    await drain()
    this.#tellExits()
    if (!this.#life.clock.isOver) asked(() => this.#ending.look(this.#life))
    await drain()
    if (this.#defect !== undefined) throw this.#defect
    this.#checks.always(CAPACITY.cpuUnits)
    this.#services.always()
  }

  /** Docker's events: told as they are seen, to a life that hears them. */
  #tellExits(): void {
    if (this.#timeline.now < this.#weather.dockerUntil) return
    for (const seen of this.#world.containers.values()) {
      if (seen.state === 'created') continue
      if (seen.state === 'running') {
        if (seen.row === 'container:init' && this.#chance.happens(0.3)) this.#world.exit(seen, 0)
        continue
      }
      if (this.#life.clock.isOver) return
      const event = eventOf(this.#life.journal, {
        containerId: seen.containerId,
        holderId: seen.holderId,
        row: seen.row as 'sandbox',
        what: 'die',
        ...(seen.exit ?? { exitCode: 0 }),
      })
      if (event !== undefined) asked(() => this.#life.runner.tell(seen.holderId, event))
    }
  }

  /** SIGKILL, and a new life after as long as a process takes to start; the world goes on. */
  #rebirth(): void {
    this.#deaths += 1
    const bornAt = this.#timeline.now + LOCAL_MS + 1
    while ((this.#timeline.nextAt ?? bornAt) < bornAt) mortal(() => this.#timeline.step())
    this.#timeline.now = Math.max(this.#timeline.now, bornAt)
    if (this.#chance.happens(0.01)) this.#corruptOne()
    this.#checks.born()
    this.#life = this.#born()
    asked(() => this.#ending.look(this.#life))
    asked(() => {
      this.#life.runner.resume()
      this.#life.start()
    })
  }

  /** One row of one task's journal cannot be read any more. */
  #corruptOne(): void {
    const healthy = this.#life.journal.all().filter(({ id }) => !this.#corrupted.has(id))
    if (healthy.length === 0) return
    const { id } = this.#chance.pick(healthy)
    const last = 'SELECT max(seq) FROM events WHERE holder = ?'
    const { changes } = this.#db
      .prepare(`UPDATE events SET event = '{"type":"be' WHERE seq = (${last})`)
      .run(id)
    if (changes > 0) this.#corrupted.add(id)
  }

  #born(): Life {
    const clock = new LifeClock(this.#timeline, this.#chance)
    const { now } = clock
    const journal = new MortalJournal(this.#db, now)
    const quarantined = journal.quarantined.map(({ id }) => id)
    if (quarantined.some((id) => !this.#corrupted.has(id))) {
      throw new Broken(`I10: quarantined: ${JSON.stringify(journal.quarantined)}`)
    }
    journal.mayWrite = () => {
      if (clock.isOver) throw new Dead()
      if (!this.#chance.happens(this.#weather.faults.diskFull)) return
      throw new StateFileUnwritable('the disk is full')
    }
    journal.follow((entry, event) => {
      this.#events += 1
      if (event.type === 'assigned') this.#adopted += 1
      this.#checks.learned(entry, event)
    })
    const onDefect = (error: unknown) => {
      if (!clock.isOver) this.#defect ??= error
    }
    const hands = new Hands({
      world: this.#world,
      timeline: this.#timeline,
      chance: this.#chance,
      life: clock,
      weather: this.#weather,
      watching: this.#checks,
    })
    // Others' ENIs are asked for at the start, and when an Attach was refused at a free slot.
    const foreignIndices = new Set([0])
    const askForeign = () => {
      for (const { index } of this.#world.foreign.values()) foreignIndices.add(index ?? 0)
    }
    askForeign()
    journal.follow((_entry, event) => {
      if (event.type === 'declined' && kindOf(event.row) === 'attachment') askForeign()
    })
    const placement = {
      host: this.#host,
      journal,
      capacity: CAPACITY,
      foreignIndices,
      subnet: (subnetId: string) => ({ subnetId, availabilityZone: 'z', freeAddressCount: 50 }),
    }
    const ending = this.#ending.born(clock, journal.mayWrite)
    const runner = new Runner({
      journal,
      drivers: hands.drivers,
      choose: (entry, row) => choose(placement, entry, row),
      hold: (entry, step) => ending.hold(entry, step),
      clock,
      deadlineMs,
      onDefect,
      passing: () => {
        if (clock.isOver) throw new Dead()
        if (!this.#chance.happens(this.#mortality)) return
        clock.isOver = true
        throw new Dead()
      },
    })
    const queue = new Queue({
      ...{ journal, facts: placement, runner, clock, onDefect },
      isDraining: () => ending.view() !== undefined,
    })
    const silent = { info: () => {}, warn: () => {} }
    const spares = new Spares({
      ...{ journal, runner, queue, facts: placement, rules: this.#spareRules, clock, onDefect },
      draining: () => ending.view(),
      noticed: (id) => reconcile.noticed(id),
      log: silent,
      newId: () => `5${(++this.#spareSerial).toString(16).padStart(31, '0')}`,
    })
    const tell = spares.tell.bind(spares)
    const reconcile: Reconcile = new Reconcile({
      journal,
      instanceId: INSTANCES.own,
      journalSince: 0,
      survey: hands.survey,
      orphans: hands.orphans,
      tell,
      clock,
      log: silent,
      onDefect,
      keepGroups: this.#world.keepGroups,
    })
    const services = this.#services.born({
      ...{ clock, journal, runner, onDefect, mayWrite: journal.mayWrite },
      prepare: () => hands.describeSubnets(),
      room: (given) => queue.room(given),
      place: (given, count) => spares.place(given, count),
      start: (id) => {
        queue.look()
        spares.started(id)
        runner.advance(id)
      },
      draining: () => ending.view(),
    })
    const sweep = () => {
      reconcile.sweep().catch((error) => {
        if (!(error instanceof Failure)) onDefect(error)
      })
    }
    const start = () => {
      services.start()
      queue.look()
      spares.start()
      reconcile.start()
      watchLinks({ journal, kernel: hands.eyes, host: this.#host, clock, tell, onDefect })
    }
    return { clock, journal, runner, drain: ending, queue, spares, services, sweep, start }
  }

  #stopOne(): void {
    const all = this.#life.journal.all().filter(({ holder }) => !isSpare(holder))
    if (all.length === 0) return
    const stop = { code: 'UserInitiated', reason: 'asked' } as const
    asked(() => this.#life.runner.stop(this.#chance.pick(all).id, stop))
  }

  /** Other groups for a task whose ENI is there: as the API does. */
  #orderGroups(): void {
    const { journal, runner } = this.#life
    const all = journal.all().flatMap(({ id, holder }) =>
      [...holder.spec.enis.keys()].flatMap((n) => {
        const { is, details } = rowState(holder, `eni:${n}`)
        const isThere = holder.desired === 'running' && is !== 'none' && details !== undefined
        return isThere && !isSpare(holder) ? [{ id, holder, n }] : []
      }),
    )
    if (all.length === 0) return
    const { id, holder, n } = this.#chance.pick(all)
    const groups = this.#chance.pick([['sg-x'], ['sg-x', 'sg-y'], OWN_GROUPS, [NO_GROUP]])
    const amended = withGroups(holder, n, groups)
    asked(() => runner.amend(id, amended, [`eni:${n}`]))
    // An order that was not written down was none.
    if (journal.get(id)?.holder.spec === amended) this.#checks.ordered(id, n, groups)
  }

  #isLeak(holderId: string, row: string): boolean {
    if (this.#corrupted.has(holderId)) return false
    const holder = this.#life.journal.get(holderId)?.holder
    return holder === undefined || rowState(holder, row as 'sandbox').is === 'none'
  }

  /** The row that a container is there for. */
  #makerOf({ holderId, row }: { readonly holderId: HolderId; readonly row: string }): string {
    const isAhead = this.#life.journal.get(holderId)?.holder.spec.madeAhead
    return isAhead ? row.replace('container:', 'created:') : row
  }

  #leaks(): string[] {
    const enis = [...this.#world.enis.values()].filter((eni) => {
      const isFree = eni.isTheirs && (eni.index === undefined || eni.pluggedByOwner)
      return !isFree && this.#isLeak(eni.holderId, eni.row)
    })
    const containers = [...this.#world.containers.values()].filter((c) =>
      this.#isLeak(c.holderId, this.#makerOf(c)),
    )
    const volumes = [...this.#world.volumes].filter(([, v]) => this.#isLeak(v.holderId, v.row))
    const cgroups = [...this.#world.cgroups].filter((id) => this.#isLeak(id, 'cgroup'))
    const addresses = [...this.#world.addresses.values()].filter((a) =>
      this.#isLeak(a.holderId, 'publicIp:0'),
    )
    return [
      ...addresses.map(({ allocationId }) => allocationId),
      ...enis.map(({ eniId }) => eniId),
      ...cgroups.map((id) => `cgroup of ${id}`),
      ...containers.map((c) => c.containerId),
      ...volumes.map(([volumeName]) => volumeName),
    ]
  }

  /** Nothing waits, nothing leaks, what is RUNNING is whole as seen from outside, the rest is gone. */
  #isSettled(): boolean {
    if (this.#toBegin > 0 || this.#leaks().length > 0) return false
    if (this.#services.lacks() !== undefined) return false
    return this.#life.journal.all().every((entry) => {
      const { id, holder } = entry
      if (this.#life.runner.waiting(id).length > 0 || isWaiting(holder)) return false
      const all = rows(holder.spec).map(({ id: row }) => rowState(holder, row).is)
      if (holder.desired === 'stopped') return all.every((is) => is === 'none')
      return all.every((is) => is === 'held') && this.#checks.lacks(entry) === undefined
    })
  }

  /** I8, I10: nothing but what is quarantined is left, and that is untouched. */
  #checkEmpty(): void {
    for (const eniId of LENT) {
      if (this.#world.enis.has(eniId) || this.#world.takenAway.has(eniId)) continue
      throw new Broken(`lent: ${eniId} was deleted`)
    }
    const enis = [...this.#world.enis.values()].filter(({ isTheirs }) => !isTheirs)
    const containers = [...this.#world.containers.values()]
    const volumes = [...this.#world.volumes.values()]
    // What dockerd forgot of a task from before there were cgroups is told, and stays.
    const forgotten = [...this.#world.forgotten.values()].filter(({ spec }) => spec.cgroup)
    const addresses = [...this.#world.addresses.values()]
    const cgroups = [...this.#world.cgroups].map((holderId) => ({ holderId, what: 'cgroup' }))
    const left = [
      ...enis,
      ...addresses,
      ...containers,
      ...volumes,
      ...forgotten,
      ...cgroups,
    ].filter(({ holderId }) => !this.#corrupted.has(holderId))
    if (left.length > 0) {
      throw new Broken(`I8: left behind: ${JSON.stringify(left)}; ${this.#says()}`)
    }
  }

  #says(): string {
    const { journal, runner } = this.#life
    const tasks = journal.all().map((entry) => {
      const { id, holder } = entry
      const held = rows(holder.spec).map(({ id: row }) => `${row}=${rowState(holder, row).is}`)
      const waits = runner.waiting(id).map(({ reason }) => reason)
      const lacks = lastStatus(holder) === 'RUNNING' ? `lacks ${this.#checks.lacks(entry)}` : ''
      return `${id.slice(-2)} ${holder.desired} ${held.join(' ')} ${waits.join('; ')} ${lacks}`
    })
    return `${tasks.join(' | ')}; leaks: ${this.#leaks().join(', ')}; services: ${this.#services.lacks()}`
  }
}

/**
 * The same task with a volume of its own, of Docker or of NFS, which all of its containers mount. By
 * the id, not by chance: what chance says next stays what it was.
 */
function withVolume(id: HolderId, given: Spec): Spec {
  const mounts = [{ volume: 'data', path: '/data', readOnly: false }]
  const data: VolumeSpec =
    Number.parseInt(id.slice(-1), 16) % 2 === 0
      ? { name: 'data', kind: 'task', driver: 'local', options: {}, labels: {} }
      : { name: 'data', kind: 'nfs', fileSystemId: 'fs-12345678', rootDirectory: '/' }
  const containers = given.containers.map((one) => ({ ...one, mounts }))
  return { ...given, containers, volumes: [data] }
}

/** No spares in half of the runs; else few or many, of named pools, one of a subnet, or of launches. */
function someRules(chance: Chance): SpareRules {
  const pool = (securityGroupIds: readonly string[]) => ({ subnetId: 'subnet-a', securityGroupIds })
  const target = chance.pick([1, 2, 4])
  const max = target + chance.below(3)
  const none = { target: 0, max: 0 }
  return chance.pick<SpareRules>([
    { ...none, listed: [] },
    { ...none, listed: [] },
    { target, max, listed: [] },
    { ...none, listed: [{ ...pool([]), target, max }] },
    { ...none, listed: [pool([]), pool(OTHER_GROUPS)].map((each) => ({ ...each, target, max })) },
  ])
}
