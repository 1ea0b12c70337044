// One simulated run: a host, some tasks, a life of faults and deaths; then peace, in which it must
// settle; then a stop of everything, after which the world must be empty.
//
//   the real runner, journal and core ◀──▶ SimWorld, with checkers that look from outside

import Sqlite from 'better-sqlite3'
import type { Job } from '../../agent/drivers/driver.ts'
import { Failure } from '../../agent/failure.ts'
import type { Host } from '../../agent/orders.ts'
import { choose } from '../../agent/placement.ts'
import { Reconcile } from '../../agent/reconcile.ts'
import { Runner } from '../../agent/runner.ts'
import { eventOf } from '../../agent/watch.ts'
import { StateFileUnwritable } from '../../state/database.ts'
import type { Entry } from '../../state/journal.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { lastStatus } from '../../state/status.ts'
import { rowState, rows } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { Chance, drain, LifeClock, Timeline } from './time.ts'
import type { Container, Faults } from './world.ts'
import { LOCAL_MS, noFaults, SimWorld } from './world.ts'

const host = {
  instanceId: 'i-1',
  instanceType: 'sim',
  availabilityZone: 'z',
  eniCountMax: 12,
} as Host
const subnetIds = ['subnet-a', 'subnet-b', 'subnet-c']
const deadlineMs = {
  eni: 120_000,
  image: 120_000,
  sandbox: 120_000,
  attachment: 120_000,
  guard: 120_000,
  link: 180_000,
  container: 120_000,
}

/** What a run came to. */
export type Outcome = {
  readonly lifecycles: number
  readonly released: number
  readonly deaths: number
  readonly events: number
  /** How tasks ended or stand, for a look at whether the run was worth anything. */
  readonly reasons: Readonly<Record<string, number>>
}

/** A broken invariant. The message names it and the moment. */
export class Broken extends Error {}

/** Runs one seed to its end. Throws Broken, or a defect of the code under test. */
export async function simulate(seed: number): Promise<Outcome> {
  const simulation = new Simulation(seed)
  try {
    return await simulation.run()
  } finally {
    simulation.close()
  }
}

/** A journal on a disk that is full now and then. */
class FullDiskJournal extends Journal {
  isFull: () => boolean = () => false
  override append(...given: Parameters<Journal['append']>): Entry {
    if (this.isFull()) throw new StateFileUnwritable('the disk is full')
    return super.append(...given)
  }
}

class Simulation {
  readonly #chance: Chance
  readonly #timeline = new Timeline()
  readonly #world: SimWorld
  readonly #db = new Sqlite(':memory:')
  readonly #began: Sqlite.Statement<[string, string]>
  #life: LifeClock
  #journal: Journal
  #runner: Runner
  #reconcile: Reconcile
  #released = 0
  #defect: unknown
  #deaths = 0
  #events = 0
  /** What the journal said had begun, before any effect: read from the disk, not from the runner. */
  readonly #ran = new Set<string>()

  constructor(seed: number) {
    this.#chance = new Chance(seed)
    this.#world = new SimWorld(this.#timeline, this.#chance)
    this.#world.onEffect = (verb, job) => this.#checkEffect(verb, job)
    for (const statements of MIGRATIONS) this.#db.exec(statements)
    this.#began = this.#db.prepare('SELECT 1 FROM events WHERE holder = ? AND event LIKE ? LIMIT 1')
    ;[this.#life, this.#journal, this.#runner, this.#reconcile] = this.#born()
  }

  close(): void {
    this.#life.isOver = true
    this.#db.close()
  }

  #checkOrphan(what: string, id: string): void {
    this.#released += 1
    for (const { id: holderId, holder } of this.#journal.all()) {
      for (const { id: row } of rows(holder.spec)) {
        const { is, details } = rowState(holder, row)
        const known = details as { eniId?: string; containerId?: string } | undefined
        if (is !== 'none' && (known?.eniId === id || known?.containerId === id)) {
          throw new Broken(`sweep: ${what} ${id} is ${is} as ${row} of ${holderId}`)
        }
      }
    }
  }

  async run(): Promise<Outcome> {
    this.#world.onOrphan = (what, id) => this.#checkOrphan(what, id)
    if (!process.env.NO_SWEEP) this.#reconcile.start()
    const taskCount = 1 + this.#chance.below(6)
    this.#world.faults = this.#someFaults()
    for (let n = 0; n < taskCount; n++) {
      this.#timeline.after(this.#chance.below(3000), () => this.#begin(n))
    }
    await this.#live(120 + this.#chance.below(300))
    this.#world.faults = noFaults
    await this.#settle('peace')
    this.#checkPeace()
    for (const { id } of this.#journal.all()) {
      this.#runner.stop(id, { code: 'UserInitiated', reason: 'the end' })
    }
    await this.#settle('the end')
    this.#checkEmpty()
    const reasons: Record<string, number> = {}
    for (const { holder } of this.#journal.all()) {
      const reason = (holder.stop?.reason ?? '').split(':')[0] ?? ''
      reasons[reason] = (reasons[reason] ?? 0) + 1
    }
    return {
      lifecycles: taskCount,
      released: this.#released,
      deaths: this.#deaths,
      events: this.#events,
      reasons,
    }
  }

  /** Faults of every size, none at all among them. */
  #someFaults(): Faults {
    const size = this.#chance.pick([0, 0.02, 0.1, 0.3])
    return {
      failBefore: this.#chance.next() * size,
      failAfter: this.#chance.next() * size,
      refuse: this.#chance.happens(0.2) ? 0.05 : 0,
      decline: this.#chance.next() * size,
      latencyMs: this.#chance.pick([1, 50, 1000, 20_000]),
      cardNever: this.#chance.happens(0.1) ? 0.3 : 0,
      diskFull: this.#chance.happens(0.2) ? 0.1 : 0,
      staleMs: this.#chance.pick([0, 0, 30_000, 400_000]),
      lateDocker: this.#chance.happens(0.5),
    }
  }

  #begin(n: number): void {
    const id = n.toString(16).padStart(32, '0')
    const eni = { subnetIds, securityGroupIds: [], tags: {} }
    const containers = this.#chance.pick([
      [container('web')],
      [container('web', { db: 'START' }), container('db')],
      [container('web', { init: 'SUCCESS' }), container('init', {}, { essential: false })],
    ])
    this.#journal.begin(id, spec({ enis: [eni], containers }))
    this.#runner.advance(id)
  }

  /** Lets so many things happen, and the agent die and the world hurt it in between. */
  async #live(stepCount: number): Promise<void> {
    for (let step = 0; step < stepCount; step++) {
      const more = this.#timeline.step()
      await this.#turn()
      if (this.#chance.happens(0.04)) this.#die()
      if (this.#chance.happens(0.02)) this.#hurt()
      if (this.#chance.happens(0.01)) this.#stopOne()
      await this.#turn()
      if (!more) return
    }
  }

  async #settle(name: string): Promise<void> {
    const until = this.#timeline.now + 24 * 3_600_000
    for (let step = 0; step < 5000; step++) {
      this.#tellExits()
      await this.#turn()
      if (this.#isSettled()) return
      this.#timeline.step()
      if (this.#timeline.now > until) break
    }
    throw new Broken(`I8: it does not settle in ${name}: ${this.#says()}`)
  }

  /** What can go on goes on; then the checkers look. */
  async #turn(): Promise<void> {
    await drain()
    this.#tellExits()
    await drain()
    if (this.#defect !== undefined) throw this.#defect
    this.#check()
  }

  /** Docker's events: told as they are seen, to a life that hears them. */
  #tellExits(): void {
    for (const seen of this.#world.containers.values()) {
      if (seen.state === 'running') {
        if (seen.row === 'container:init' && this.#chance.happens(0.3)) this.#world.kill(seen, 0)
        continue
      }
      const event = eventOf(this.#journal, {
        containerId: seen.containerId,
        holderId: seen.holderId,
        row: seen.row as 'sandbox',
        what: 'die',
        exitCode: seen.exitCode ?? 0,
      })
      if (event !== undefined) this.#runner.tell(seen.holderId, event)
    }
  }

  /** SIGKILL, and a new life after as long as a process takes to start; the world goes on. */
  #die(): void {
    this.#deaths += 1
    this.#life.isOver = true
    const bornAt = this.#timeline.now + LOCAL_MS + 1
    while ((this.#timeline.nextAt ?? bornAt) < bornAt) this.#timeline.step()
    this.#timeline.now = Math.max(this.#timeline.now, bornAt)
    ;[this.#life, this.#journal, this.#runner, this.#reconcile] = this.#born()
    this.#runner.resume()
    if (!process.env.NO_SWEEP) this.#reconcile.start()
  }

  #born(): [LifeClock, Journal, Runner, Reconcile] {
    const life = new LifeClock(this.#timeline, this.#chance)
    const journal = new FullDiskJournal(this.#db, () => this.#timeline.now)
    journal.isFull = () => !life.isOver && this.#chance.happens(this.#world.faults.diskFull)
    if (journal.quarantined.length > 0) {
      throw new Broken(`I10: quarantined: ${JSON.stringify(journal.quarantined)}`)
    }
    journal.follow(() => {
      this.#events += 1
    })
    const placement = {
      host,
      journal,
      foreignIndices: new Set([0]),
      subnet: (subnetId: string) => ({ subnetId, availabilityZone: 'z', freeAddressCount: 50 }),
    }
    const runner = new Runner({
      journal,
      drivers: this.#world.drivers(life),
      choose: (entry, row) => choose(placement, entry, row),
      clock: life,
      deadlineMs,
      onDefect: (error) => {
        if (!life.isOver) this.#defect ??= error
      },
    })
    const { survey, orphans } = this.#world.sweepHands(life)
    const reconcile = new Reconcile({
      journal,
      instanceId: 'i-1',
      journalSince: 0,
      survey,
      orphans,
      tell: (id, event) => runner.tell(id, event),
      clock: life,
      log: { info: () => {}, warn: () => {} },
      onDefect: (error) => {
        if (!life.isOver) this.#defect ??= error
      },
    })
    return [life, journal, runner, reconcile]
  }

  /** Somebody kills a container or a pause. */
  #hurt(): void {
    const all = [...this.#world.containers.values()].filter((c) => c.state === 'running')
    if (all.length > 0) this.#world.kill(this.#chance.pick(all) as Container, 137)
  }

  #stopOne(): void {
    const all = this.#journal.all()
    if (all.length === 0) return
    const stop = { code: 'UserInitiated', reason: 'asked' } as const
    try {
      this.#runner.stop(this.#chance.pick(all).id, stop)
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'StateFileUnwritable') throw error
    }
  }

  #leaks(): boolean {
    const isLeak = (holderId: string, row: string) => {
      const holder = this.#journal.get(holderId)?.holder
      return holder === undefined || rowState(holder, row as 'sandbox').is === 'none'
    }
    return (
      [...this.#world.enis.values()].some((e) => isLeak(e.holderId, 'eni:0')) ||
      [...this.#world.containers.values()].some((c) => isLeak(c.holderId, c.row))
    )
  }

  #isSettled(): boolean {
    if (this.#leaks()) return false
    return this.#journal.all().every(({ id, holder }) => {
      if (this.#runner.waiting(id).length > 0) return false
      const all = rows(holder.spec).map(({ id: row }) => rowState(holder, row).is)
      return holder.desired === 'running'
        ? all.every((is) => is === 'held')
        : all.every((is) => is === 'none')
    })
  }

  /** I6, I7: the journal on the disk knew of it before it happened; it stands on something. */
  #checkEffect(verb: 'ensure' | 'release', job: Job): void {
    const pattern = `{"type":"began","verb":"${verb}","row":"${job.row}"%`
    if (this.#began.get(job.holderId, pattern) === undefined)
      throw new Broken(`I6: ${verb} ${job.row} happened and never began`)
    if (verb === 'ensure' && job.row.startsWith('container:')) this.#checkStart(job)
  }

  /** I2: no process of a task starts before its link stands configured in its namespace. */
  #checkStart(job: Job): void {
    const isAgain = [...this.#world.containers.values()].some(
      (c) => c.holderId === job.holderId && c.row === job.row,
    )
    const { netns } = job.details('sandbox', 'sandbox')
    const pauseRuns = this.#world.containers.get(netns)?.state === 'running'
    const eni = this.#world.enis.get(job.known('eni', 'eni:0')?.eniId ?? '')
    if (isAgain || !pauseRuns) return
    if (eni?.card !== netns || !eni.configured) throw new Broken('I2: a process before its link')
  }

  #check(): void {
    const enis = [...this.#world.enis.values()]
    const owners = new Set(this.#journal.all().map(({ id }) => id))
    const taken = (key: 'ipv4' | 'index') => enis.map((e) => e[key]).filter((v) => v !== undefined)
    for (const eni of enis) {
      if (!owners.has(eni.holderId)) throw new Broken(`I1: ${eni.eniId} belongs to nobody`)
    }
    for (const key of ['ipv4', 'index'] as const) {
      const all = taken(key)
      if (new Set(all).size !== all.length) throw new Broken(`I3: one ${key} twice`)
    }
    for (const { id, holder } of this.#journal.all()) {
      if (holder.ran) this.#ran.add(id)
      else if (this.#ran.has(id)) throw new Broken(`I7: ${id} ran, and then never did`)
    }
  }

  /** I4: what is RUNNING has everything, seen from outside. */
  #checkPeace(): void {
    for (const { id, holder } of this.#journal.all()) {
      if (lastStatus(holder) !== 'RUNNING') continue
      const mine = [...this.#world.containers.values()].filter((c) => c.holderId === id)
      const pause = mine.find(({ row }) => row === 'sandbox')
      const [eni, ...more] = [...this.#world.enis.values()].filter((e) => e.holderId === id)
      const isWhole =
        pause?.state === 'running' &&
        eni !== undefined &&
        eni.card === pause.containerId &&
        eni.configured &&
        eni.guarded &&
        more.length === 0 &&
        mine.length === holder.spec.containers.length + 1
      if (!isWhole) {
        const seen = JSON.stringify({ pause, eni, mine })
        throw new Broken(`I4: ${id} is RUNNING and lacks something: ${seen}; ${this.#says()}`)
      }
    }
  }

  #checkEmpty(): void {
    const left = [...this.#world.enis.keys(), ...this.#world.containers.keys()]
    if (left.length > 0) throw new Broken(`I8: left behind: ${left.join(', ')}; ${this.#says()}`)
  }

  #says(): string {
    return this.#journal
      .all()
      .map(({ id, holder }) => {
        const held = rows(holder.spec).map(({ id: row }) => `${row}=${rowState(holder, row).is}`)
        const waits = this.#runner.waiting(id).map(({ reason }) => reason)
        return `${id.slice(-2)} ${holder.desired} ${held.join(' ')} ${waits.join('; ')}`
      })
      .join(' | ')
  }
}
