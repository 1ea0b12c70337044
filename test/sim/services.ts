// Services of the simulated host: the real Services over the real store, asked for and changed now and
// then as the API does it, and watched from outside: nothing is begun that no service names, no start
// passes the maximum, and in peace each comes to its count or says what it waits for.

import type Sqlite from 'better-sqlite3'
import { Services, type ServicesOptions } from '../../agent/services.ts'
import { Catalog } from '../../state/catalog.ts'
import type { Journal } from '../../state/journal.ts'
import { type Deployment, deploy, type Service, serviceKey } from '../../state/service.ts'
import type { WaitCode } from '../../state/service-plan.ts'
import { ServiceStore } from '../../state/service-store.ts'
import type { HolderId, Spec } from '../../state/spec.ts'
import { lastStatus } from '../../state/status.ts'
import { deployment, service } from '../state/services.ts'
import { Broken } from './checks.ts'
import type { Chance, LifeClock, Timeline } from './time.ts'

/** What may keep a service from its count for good, until somebody acts. */
const WAITS: readonly (WaitCode | undefined)[] = [
  'NoRoom',
  'NeverFits',
  'HostDraining',
  'DeploymentConfiguration',
]

type Options = {
  readonly db: Sqlite.Database
  readonly timeline: Timeline
  readonly chance: Chance
  readonly quarantined: ReadonlySet<HolderId>
}

/** What of one life of the agent the services live on. */
type Life = Pick<
  ServicesOptions,
  'journal' | 'runner' | 'room' | 'place' | 'start' | 'draining' | 'prepare' | 'onDefect'
> & { readonly clock: LifeClock; readonly mayWrite: () => void }

/** The store of one life: it writes nothing when that is over, or when the disk is full. */
class MortalStore extends ServiceStore {
  readonly #life: Pick<Life, 'mayWrite'>
  readonly #written: (before: Service | undefined, after: Service) => void
  constructor(
    ...[db, life, written]: [Sqlite.Database, Life, (b: Service | undefined, a: Service) => void]
  ) {
    super(db, life.clock.now)
    this.#life = life
    this.#written = written
  }
  override put(...given: Parameters<ServiceStore['put']>): void {
    this.#life.mayWrite()
    const before = this.get(serviceKey(given[0]))
    super.put(...given)
    this.#written(before, given[0])
  }
}

export class SimServices {
  readonly #options: Options
  /** Every task that was begun for a service. */
  readonly #launched = new Map<HolderId, string>()
  #serial = 0
  #journal: Journal | undefined
  #kept: Services | undefined
  /** As the API has it: it writes by the life's store. */
  #store: ServiceStore | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** The services of a new life; not looked at before `start`. */
  born(life: Life): Services {
    const { db, chance } = this.#options
    const services = new MortalStore(db, life, (before, after) => this.#check(before, after))
    const hex = () =>
      chance
        .below(2 ** 32)
        .toString(16)
        .padStart(8, '0')
    const kept = new Services({
      ...{ ...life, services, catalog: new Catalog(db, life.clock.now) },
      log: { info: () => {}, warn: () => {} },
      // It begins with another digit than those of tasks that were run.
      place: (spec, count) =>
        life.place(spec, count).map((each) => {
          if (each.rows !== undefined) return each
          return { ...each, id: `f${hex().slice(1)}${hex()}${hex()}${hex()}` }
        }),
    })
    this.#journal = life.journal
    this.#store = services
    this.#kept = kept
    return kept
  }

  /** Somebody makes a service, of tasks like these. */
  create(spec: Spec): void {
    const { chance, timeline } = this.#options
    const name = `s${this.#serial}`
    const { waitMs: _, ...given } = spec
    this.#put(
      service({
        name,
        arn: `arn:aws:ecs:us-west-2:123456789012:service/default/${name}`,
        desiredCount: 1 + chance.below(3),
        createdAt: timeline.now,
        deployments: [this.#deployment(given)],
        ...chance.pick([
          { minimumHealthyPercent: 100, maximumPercent: 200 },
          { minimumHealthyPercent: 50, maximumPercent: 100 },
          { minimumHealthyPercent: 0, maximumPercent: 150 },
        ]),
      }),
    )
  }

  /** Somebody changes one: its count, its revision, or its end. */
  change(): void {
    const { chance } = this.#options
    const all = this.#all().filter(({ status }) => status === 'ACTIVE')
    if (all.length === 0) return
    const before = chance.pick(all)
    const [{ spec }] = before.deployments
    const deeds: (() => Service)[] = [
      () => ({ ...before, isSteady: false, desiredCount: chance.below(4) }),
      () => deploy(before, this.#deployment(spec)),
      () => ({ ...before, status: 'DRAINING', isSteady: false }),
    ]
    this.#put(chance.pick(deeds)())
  }

  /** How many tasks were begun for them. */
  get launches(): number {
    return this.#launched.size
  }

  /** All of them are deleted, as DeleteService with force does it. */
  end(): void {
    for (const one of this.#all()) {
      if (one.status === 'ACTIVE') this.#put({ ...one, status: 'DRAINING', isSteady: false })
    }
  }

  /** Nothing runs for a service that none has begun. */
  always(): void {
    for (const { id } of this.#journal?.all() ?? []) {
      if (id.startsWith('f') && !this.#launched.has(id)) {
        throw new Broken(`services: ${id} was begun, and no service names it`)
      }
    }
  }

  /** What a service lacks that nothing but time can be waited for; undefined where all have theirs. */
  lacks(): string | undefined {
    for (const one of this.#all()) {
      const key = serviceKey(one)
      if (one.status === 'INACTIVE') continue
      const own = this.#tasksOf(key)
      const isUnread = own.some((id) => this.#options.quarantined.has(id))
      if (isUnread) continue
      if (one.status === 'DRAINING') return `${key} is still DRAINING`
      const up = own.filter((id) => this.#isRunning(id))
      const isThere = up.length === one.desiredCount && one.deployments.length === 1
      const wait = this.#kept?.waiting(key)?.code
      if (!isThere && !WAITS.includes(wait)) {
        return `${key} has ${up.length} of ${one.desiredCount}, ${one.deployments.length} deployments, waits for ${wait}`
      }
    }
    return undefined
  }

  #all(): Service[] {
    return this.#store?.all() ?? []
  }

  #tasksOf(key: string): HolderId[] {
    return [...this.#launched].filter(([, its]) => its === key).map(([id]) => id)
  }

  #isRunning(id: HolderId): boolean {
    const holder = this.#journal?.get(id)?.holder
    return holder?.desired === 'running' && lastStatus(holder) === 'RUNNING'
  }

  #deployment(spec: Spec): Deployment {
    this.#serial += 1
    return { ...deployment(`ecs-svc/${this.#serial}`, this.#options.timeline.now), spec }
  }

  #put(one: Service): void {
    this.#store?.put(one)
    this.#kept?.changed()
  }

  /** What a commit began is there, is new, and is no more than the service may have. */
  #check(before: Service | undefined, after: Service): void {
    const named = (one: Service | undefined) =>
      one?.deployments.flatMap(({ tasks }) => Object.keys(tasks)) ?? []
    const old = new Set(named(before))
    const begun = named(after).filter((id) => !old.has(id))
    const key = serviceKey(after)
    for (const id of begun) {
      if (this.#launched.has(id)) throw new Broken(`services: ${id} was begun twice`)
      if (this.#journal?.get(id) === undefined) throw new Broken(`services: ${id} is not there`)
      this.#launched.set(id, key)
    }
    if (begun.length === 0) return
    if (after.status !== 'ACTIVE') throw new Broken(`services: ${key} is deleted, and starts`)
    const most = Math.floor((after.desiredCount * after.maximumPercent) / 100)
    const up = this.#tasksOf(key).filter(
      (id) => this.#journal?.get(id)?.holder.desired === 'running',
    )
    if (up.length > most) throw new Broken(`services: ${key} has ${up.length} tasks of ${most}`)
  }
}
