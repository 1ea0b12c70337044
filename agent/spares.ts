// Keeps the warm spares of this host: looks at what there is and what is launched, has
// state/spare-plan.ts say what follows, and begins and stops spares like any other holder. A launch
// takes over the best that fits (`place`), and one that needs a slot is given it.
//
//   launch ─▶ place: warm │ groups │ cold │ waits for a slot that a spare is given up for
//   journal, launches, every ten seconds ─▶ look ─▶ begin, stop

import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { Entry, Journal } from '../state/journal.ts'
import type { Placed, PoolPlace } from '../state/spare.ts'
import { fitsOf, isReady, isSpare, poolOf, spareSpec } from '../state/spare.ts'
import type { SparePlan, SpareRules } from '../state/spare-plan.ts'
import { planSpares } from '../state/spare-plan.ts'
import type { HolderId, Spec } from '../state/spec.ts'
import type { Event, Stop } from '../state/task.ts'
import { holdsNothing, kindOf } from '../state/task.ts'
import type { Clock } from './clock.ts'
import type { Draining, Noticed } from './orders.ts'
import { addressCount, freeNow, type PlacementFacts } from './placement.ts'
import { type Queue, WAITERS_MAX } from './queue.ts'
import type { Runner } from './runner.ts'
import { isUnwritable, SpareFailures, spareFailed } from './spare-failures.ts'
import { latestOf, SpareLaunches } from './spare-launches.ts'
import type { SparesView } from './spare-orders.ts'
import { poolViews } from './spare-view.ts'

/** How often all is looked at where nothing happens: what was launched is longer ago. */
const IDLE_MS = 10_000
/** After something happened: much comes together. */
const CHANGE_MS = 20
const UNWRITABLE_MS = 1000

export type SparesOptions = {
  readonly journal: Journal
  readonly runner: Pick<Runner, 'advance' | 'stop' | 'tell'>
  readonly queue: Pick<Queue, 'left' | 'wanted' | 'waiterCount'>
  readonly facts: PlacementFacts
  readonly rules: SpareRules
  readonly draining: () => Pick<Draining, 'why'> | undefined
  /** What the sweep found about a holder. */
  readonly noticed: (id: HolderId) => readonly Noticed[]
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly onDefect: (error: unknown) => void
  /** By default of random bytes. */
  readonly newId?: () => HolderId
}

export class Spares {
  readonly #options: SparesOptions
  readonly #failures = new SpareFailures()
  readonly #launches: SpareLaunches
  readonly #unfollow: () => void
  #givenUpCount = 0
  #next: { readonly at: number; readonly cancel: () => void } | undefined
  #plan: SparePlan | undefined
  #isStarted = false

  constructor(options: SparesOptions) {
    const { journal, clock } = options
    this.#options = options
    this.#launches = new SpareLaunches(latestOf(journal, clock.now()), this.#newId)
    this.#unfollow = journal.follow((entry, event) => this.#learn(entry, event))
  }

  /** Begins to look: call it when the runner has taken up what there is. */
  start(): void {
    this.#isStarted = true
    this.#lookIn(0)
  }

  close(): void {
    this.#isStarted = false
    this.#unfollow()
    this.#next?.cancel()
  }

  /**
   * How so many such tasks begin now. Nothing is changed: whoever asks writes it down before it
   * awaits anything.
   */
  place(spec: Spec, count: number): Placed[] {
    const { journal, facts, queue, noticed } = this.#options
    const fits = fitsOf(spec, journal.living(), (id) => noticed(id).length === 0).flatMap((fit) => {
      const holder = journal.get(fit.id)?.holder
      return holder === undefined ? [] : [{ ...fit, pool: poolOf(holder) }]
    })
    return this.#launches.place(spec, count, {
      fits,
      slots: queue.left.eniCount,
      addresses: addressCount(facts, spec),
      waiters: WAITERS_MAX - queue.waiterCount,
    })
  }

  /** A task was begun as it was placed: what it needs of the spares is given up at once. */
  started(id: HolderId): void {
    const { journal, clock } = this.#options
    const holder = journal.get(id)?.holder
    if (holder === undefined) return
    const pool = this.#launches.started(id, holder, clock.now())
    if (pool !== undefined) this.#failures.isOver(pool)
    this.look()
  }

  /** What was seen of a holder. A spare of which anything is doubted is given back. */
  tell(id: HolderId, event: Event): void {
    const { journal, runner } = this.#options
    const holder = journal.get(id)?.holder
    if (event.type !== 'doubted' || holder === undefined || !isSpare(holder)) runner.tell(id, event)
    else this.#stop(id, spareFailed(`${event.row}: ${event.why}`))
  }

  view(): SparesView {
    const running = this.#running()
    const { limit = 0, why = 'none are asked for: the setting spares is 0' } = this.#plan ?? {}
    const [launches, failures, plan] = [this.#launches, this.#failures, this.#plan]
    return {
      ...{ isOn: this.#isOn, limit, why },
      pools: poolViews({ plan, running, launches, failures }),
      leavingCount: this.#leaving().length,
      givenUpCount: this.#givenUpCount,
      failedCount: failures.count,
      served: launches.served(),
    }
  }

  readonly #newId = (): HolderId => this.#options.newId?.() ?? randomBytes(16).toString('hex')

  get #isOn(): boolean {
    const { max, listed } = this.#options.rules
    return max > 0 || listed.length > 0
  }

  #all(): Entry[] {
    return this.#options.journal.living().filter(({ holder }) => isSpare(holder))
  }

  #running(): Entry[] {
    return this.#all().filter(({ holder }) => holder.desired === 'running')
  }

  /** On their way down, with an ENI that takes a slot until EC2 is done with it. */
  #leaving(): Entry[] {
    return this.#all().filter(({ holder }) => holder.desired === 'stopped' && !holdsNothing(holder))
  }

  #learn(entry: Entry, event: Event): void {
    const { id, holder } = entry
    if (isSpare(holder)) {
      const { clock, log } = this.#options
      const reason = this.#failures.learn(id, holder, clock.now())
      if (reason !== undefined) log.warn({ spare: id, reason }, 'a spare failed')
    }
    const isRoom = event.type === 'done' && event.verb === 'release' && kindOf(event.row) === 'eni'
    if (isSpare(holder) || this.#launches.learn(entry) || isRoom) this.#lookIn(CHANGE_MS)
  }

  #lookIn(ms: number): void {
    const { clock, onDefect } = this.#options
    const at = clock.elapsed() + ms
    if (!this.#isStarted || (this.#next !== undefined && this.#next.at <= at)) return
    this.#next?.cancel()
    const cancel = clock.after(ms, () => {
      this.#next = undefined
      try {
        this.look()
      } catch (error) {
        onDefect(error)
      }
    })
    this.#next = { at, cancel }
  }

  /** Looks now, and again. Without pools, only for as long as spares of an earlier setting are there. */
  look(): void {
    const running = this.#running()
    if (!this.#isStarted || (!this.#isOn && running.length === 0)) return
    this.#giveBackOdd(running)
    const plan = this.#planned()
    this.#plan = plan
    for (const { id, why } of plan.giveUp) {
      const reason = `given up: ${why}`
      const isStopped = this.#stop(id, { code: 'ServiceSchedulerInitiated', reason })
      if (isStopped) this.#givenUpCount += 1
    }
    for (const pool of plan.make) this.#make(pool)
    const laterMs = (plan.lookAt ?? Number.POSITIVE_INFINITY) - this.#options.clock.now()
    this.#lookIn(Math.min(IDLE_MS, Math.max(1, laterMs)))
  }

  #planned(): SparePlan {
    const { facts, queue, rules, draining, clock } = this.#options
    const now = clock.now()
    const { latestAt } = this.#launches
    const { slots: slotsWanted, addresses: addressesWanted } = queue.wanted
    const why = draining()?.why
    return planSpares({
      ...{ now, rules, slotsWanted, addressesWanted, launched: this.#launches.since(now) },
      ...(latestAt === undefined ? {} : { latestLaunchAt: latestAt }),
      spares: this.#running().map(({ id, holder }) => ({
        ...{ id, pool: poolOf(holder), isReady: isReady(holder) },
      })),
      leaving: this.#leaving().map(({ holder }) => poolOf(holder)),
      slots: {
        total: facts.host.eniCountMax - facts.foreignIndices.size,
        free: freeNow(facts).eniCount,
      },
      ...(why === undefined ? {} : { isOff: `this host is DRAINING: ${why}` }),
      notBefore: (pool) => this.#failures.of(pool)?.notBefore,
    })
  }

  /** Those of which the sweep has found something otherwise, and does not wait to see it again. */
  #giveBackOdd(running: readonly Entry[]): void {
    for (const { id } of running) {
      const odd = this.#options.noticed(id).find(({ verdict }) => verdict !== 'wait')
      if (odd !== undefined) this.#stop(id, spareFailed(`${odd.what} ${odd.id}: ${odd.why}`))
    }
  }

  /** The last address of a subnet is left to launches. */
  #make(pool: PoolPlace): void {
    const { journal, runner, facts, log } = this.#options
    const { freeAddressCount = 2 } = facts.subnet(pool.subnetId) ?? {}
    if (freeAddressCount <= 1) return
    const id = this.#newId()
    try {
      journal.begin(id, spareSpec(pool))
    } catch (error) {
      if (!isUnwritable(error)) throw error
      this.#lookIn(UNWRITABLE_MS)
      return
    }
    log.info({ spare: id, subnet: pool.subnetId, groups: pool.securityGroupIds }, 'spare begun')
    runner.advance(id)
  }

  #stop(id: HolderId, stop: Stop): boolean {
    try {
      this.#options.runner.stop(id, stop)
      return true
    } catch (error) {
      if (!isUnwritable(error)) throw error
      this.#lookIn(UNWRITABLE_MS)
      return false
    }
  }
}
