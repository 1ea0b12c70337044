// Keeps the services of this host: looks at each, writes down what follows, and does it by the ways of
// RunTask and StopTask. Nothing awaits between a look and its commit.
//
//   journal ─▶ state/service.ts: observe ─▶ service-plan.ts: plan ─▶ one commit ─▶ runner
//             (what became of its tasks)    (start, stop, wait)     (tasks begun, service as it is)
//
// A look comes 50 ms after the journal tells of anything, when a pause is over, and every few seconds
// while something is missing. Retries need no memory: each look goes by what is written down.

import type { Logger } from 'pino'
import type { Catalog } from '../state/catalog.ts'
import { StateFileUnwritable } from '../state/database.ts'
import type { Journal } from '../state/journal.ts'
import type { Deployment, Service } from '../state/service.ts'
import { launched, SETTLE_MS, serviceKey } from '../state/service.ts'
import { observe } from '../state/service-observe.ts'
import type { HostRoom, Plan, Situation, Wait } from '../state/service-plan.ts'
import { BACKOFF, plan } from '../state/service-plan.ts'
import type { ServiceStore } from '../state/service-store.ts'
import type { Spec } from '../state/spec.ts'
import { lastStatus } from '../state/status.ts'
import type { Clock } from './clock.ts'
import { Failure, sentence } from './failure.ts'
import type { Draining, Orders, Room } from './orders.ts'
import type { Runner } from './runner.ts'
import { seenOf, stopOf, tell } from './service-facts.ts'

/** After a change in the journal: many come together. */
const CHANGE_MS = 50
/** While something is missing, or was not to be written. */
const AGAIN_MS = 5000
/** How often all is looked at where nothing changes: nothing is known to need it. */
const IDLE_MS = 60_000

export type ServicesOptions = {
  readonly journal: Journal
  readonly services: ServiceStore
  readonly catalog: Pick<Catalog, 'tag'>
  readonly runner: Pick<Runner, 'stop'>
  /** How so many tasks begin, and what takes up each that has begun. */
  readonly place: Orders['place']
  readonly start: Orders['start']
  /** Learns of subnets what `room` goes by. Rejects with a Failure while EC2 does not say. */
  readonly prepare: (subnetIds: readonly string[]) => Promise<void>
  readonly room: (spec: Spec) => Room
  readonly draining: () => Draining | undefined
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'warn'>
  readonly onDefect: (error: unknown) => void
  /** Times the pauses of this file's rules; ECS's at 1. */
  readonly timeoutScale?: number
}

export class Services {
  readonly #options: ServicesOptions
  readonly #waits = new Map<string, Wait>()
  /** Subnets that EC2 told of, that it is asked about, and why it did not tell. */
  readonly #subnets = new Map<string, 'known' | 'asked' | Failure>()
  #next: { at: number; cancel: () => void } | undefined
  #unfollow: (() => void) | undefined
  #isClosed = false

  constructor(options: ServicesOptions) {
    this.#options = options
  }

  /** Begins to look: call it when the runner has taken up what there is. */
  start(): void {
    this.#unfollow = this.#options.journal.follow(() => this.#lookIn(CHANGE_MS))
    this.#lookIn(0)
  }

  /** A service was made or changed: looks at once. */
  changed(): void {
    this.#lookIn(0)
  }

  /** What a service waits for, as of the last look. */
  waiting(key: string): Wait | undefined {
    return this.#waits.get(key)
  }

  close(): void {
    this.#isClosed = true
    this.#unfollow?.()
    this.#next?.cancel()
  }

  #lookIn(ms: number): void {
    const { clock, onDefect } = this.#options
    const at = clock.elapsed() + ms
    if (this.#isClosed || (this.#next !== undefined && this.#next.at <= at)) return
    this.#next?.cancel()
    const cancel = clock.after(ms, () => {
      this.#next = undefined
      try {
        this.#lookIn(this.#look())
      } catch (error) {
        onDefect(error)
      }
    })
    this.#next = { at, cancel }
  }

  /** Looks at all of them, and answers in how many milliseconds to look again. */
  #look(): number {
    const { clock, services } = this.#options
    let againMs = IDLE_MS
    for (const service of services.all()) {
      try {
        const { lookAt, wait } = this.#step(service)
        if (wait !== undefined) againMs = Math.min(againMs, AGAIN_MS)
        // Never by a clock alone that somebody may set.
        if (lookAt !== undefined) {
          againMs = Math.min(againMs, AGAIN_MS, Math.max(1, lookAt - clock.now()))
        }
      } catch (error) {
        if (!isUnwritable(error)) throw error
        againMs = AGAIN_MS
      }
    }
    return againMs
  }

  #step(before: Service): Plan {
    const { journal, services, catalog, runner, start, log } = this.#options
    const key = serviceKey(before)
    const situation = this.#situation()
    const seen = observe(before, situation)
    const found = plan(seen.service, situation)
    const [{ spec, tags, arnPrefix }] = seen.service.deployments
    const placed = this.#options.place(spec, found.launch)
    const ids = placed.map(({ id }) => id)
    const begun =
      ids.length === 0 ? { service: seen.service, says: [] } : launched(seen.service, ids)
    const { service, says } = tell(begun, found.wait)
    const all = [...seen.says, ...says]
    if (service !== before || all.length > 0) {
      journal.atOnce(() => {
        for (const each of placed) {
          journal.place(each)
          catalog.tag(`${arnPrefix}${each.id}`, tags)
        }
        services.put(service, all)
      })
    }
    for (const message of all) log.info({ service: key }, message)
    if (found.wait === undefined) this.#waits.delete(key)
    else this.#waits.set(key, found.wait)
    for (const id of ids) start(id)
    for (const id of found.stop) runner.stop(id, stopOf(service, id))
    return found
  }

  #situation(): Situation {
    const { journal, clock, timeoutScale: scale = 1 } = this.#options
    const quarantined = new Set(journal.quarantined.map(({ id }) => id))
    return {
      now: clock.now(),
      settleMs: SETTLE_MS * scale,
      backoff: { secondMs: BACKOFF.secondMs * scale, maxMs: BACKOFF.maxMs * scale },
      see: (id) => {
        const entry = journal.get(id)
        if (entry !== undefined) return seenOf(entry, clock.now())
        return quarantined.has(id) ? 'unreadable' : undefined
      },
      room: (deployment) => this.#room(deployment),
    }
  }

  #room({ spec }: Deployment): HostRoom {
    const { draining, room, journal } = this.#options
    const why = draining()?.why
    if (why !== undefined) {
      const wait: Wait = { code: 'HostDraining', why: `this host is DRAINING: ${why}` }
      return { count: 0, comingFree: 0, wait }
    }
    const unknown = this.#unknownSubnet(spec)
    if (unknown !== undefined) return { count: 0, comingFree: 0, ...unknown }
    const { taskCount, reason, detail, isTooBig } = room(spec)
    // A subnet that was full may not be so any more: EC2 is asked now and then.
    if (taskCount <= 0) this.#ask(spec.enis.flatMap(({ subnetIds }) => subnetIds))
    const comingFree = journal
      .living()
      .filter(({ holder }) => holder.desired === 'stopped' && lastStatus(holder) !== 'STOPPED')
    const wait: Wait = { code: isTooBig ? 'NeverFits' : 'NoRoom', why: `${reason}: ${detail}` }
    return { count: taskCount, comingFree: comingFree.length, ...(taskCount <= 0 ? { wait } : {}) }
  }

  /**
   * Why it is not known what its subnets have left; EC2 is asked meanwhile, and once more each look
   * while it does not answer. Undefined where it is known.
   */
  #unknownSubnet(spec: Spec): { wait?: Wait } | undefined {
    for (const id of new Set(spec.enis.flatMap(({ subnetIds }) => subnetIds))) {
      const known = this.#subnets.get(id)
      if (known === 'known') continue
      if (known !== 'asked') {
        this.#subnets.set(id, 'asked')
        this.#ask([id])
      }
      if (!(known instanceof Failure)) return {}
      return { wait: { code: 'SubnetNotKnown', why: `${id}: ${known.code}: ${sentence(known)}` } }
    }
    return undefined
  }

  #ask(ids: readonly string[]): void {
    const { prepare, onDefect } = this.#options
    const answered = (is: 'known' | Failure) => {
      const news = ids.filter((id) => this.#subnets.get(id) === 'asked')
      for (const id of news) this.#subnets.set(id, is)
      if (news.length > 0) this.#lookIn(CHANGE_MS)
    }
    prepare(ids).then(
      () => answered('known'),
      (error) => {
        if (this.#isClosed) return
        if (error instanceof Failure) answered(error)
        else onDefect(error)
      },
    )
  }
}

const isUnwritable = (error: unknown): boolean =>
  error instanceof StateFileUnwritable ||
  (error instanceof Failure && error.code === 'StateFileUnwritable')
