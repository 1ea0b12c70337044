// One AWS account as many agents meet it: EC2's token buckets, which are the account's and not the
// agents', its times, and what becomes of ENIs. An agent here is the real runner, journal and budget
// on virtual time; Docker and the kernel are some milliseconds, and never fail.

import Sqlite from 'better-sqlite3'
import { Budget, launching, type Purpose, releasing, type Turn } from '../../agent/budget.ts'
import { DEADLINE_MS } from '../../agent/deadlines.ts'
import type { Drivers, Job } from '../../agent/drivers/driver.ts'
import { Failure } from '../../agent/failure.ts'
import { Runner } from '../../agent/runner.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { spec } from '../state/specs.ts'
import { Chance, drain, LifeClock, Timeline } from './time.ts'

/** Burst and refill a second: AWS's "Request throttling for the Amazon EC2 API", read by hand. */
const RATES: Readonly<Record<string, readonly [number, number]>> = {
  CreateNetworkInterface: [100, 5],
  DeleteNetworkInterface: [100, 5],
  ModifyNetworkInterfaceAttribute: [100, 5],
  AttachNetworkInterface: [50, 5],
  DetachNetworkInterface: [50, 5],
  DescribeNetworkInterfaces: [100, 20],
}

/** The middle of what EC2 takes, milliseconds: the lab's profile `aws`. */
const LATENCY_MS: Readonly<Record<string, number>> = {
  CreateNetworkInterface: 400,
  DeleteNetworkInterface: 350,
  ModifyNetworkInterfaceAttribute: 450,
  AttachNetworkInterface: 700,
  DetachNetworkInterface: 400,
  DescribeNetworkInterfaces: 120,
}
/** From an answered Detach to an ENI that can be deleted. */
const DETACHING_MS = 3_000
/** What Docker and the kernel take for a step. */
const LOCAL_MS = 60

type Eni = { isAttached: boolean; freeAt: number }

/** EC2, and time. */
export class Account {
  readonly timeline = new Timeline()
  readonly chance: Chance
  readonly enis = new Map<string, Eni>()
  /** Every call that was answered with a throttle: when, and by whom it was made. */
  readonly throttles: { readonly at: number; readonly action: string; readonly by: number }[] = []
  readonly calls = new Map<string, number>()
  readonly #bornAt: number
  readonly #buckets = new Map<string, { tokens: number; asOf: number }>()

  constructor(seed: number) {
    this.chance = new Chance(seed)
    this.#bornAt = this.timeline.now
  }

  /** Milliseconds since the account was opened. */
  get now(): number {
    return this.timeline.now - this.#bornAt
  }

  /** A call reaches EC2. False where it is throttled. */
  admits(action: string, by: number): boolean {
    const [burst, perSecond] = RATES[action] ?? [50, 5]
    const before = this.#buckets.get(action) ?? { tokens: burst, asOf: this.now }
    const refilled = before.tokens + ((this.now - before.asOf) * perSecond) / 1000
    const tokens = Math.min(burst, refilled)
    const isAdmitted = tokens >= 1
    this.#buckets.set(action, { tokens: isAdmitted ? tokens - 1 : tokens, asOf: this.now })
    this.calls.set(action, (this.calls.get(action) ?? 0) + 1)
    if (!isAdmitted) this.throttles.push({ at: this.now, action, by })
    return isAdmitted
  }

  /** Resolves later: half to one and a half times as long as given. */
  takes(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.timeline.after(Math.round(ms * (0.5 + this.chance.next())), resolve)
    return promise
  }

  latencyMs(action: string): number {
    return LATENCY_MS[action] ?? 300
  }

  /** Lets time pass, and everything happen that is due in it. */
  async pass(ms: number): Promise<void> {
    const until = this.timeline.now + ms
    await drain()
    while ((this.timeline.nextAt ?? Number.POSITIVE_INFINITY) <= until) {
      this.timeline.step()
      await drain()
    }
    this.timeline.now = until
  }
}

/** One host of the account. */
export class Agent {
  readonly journal: Journal
  readonly runner: Runner
  readonly budget: Budget
  readonly defects: unknown[] = []
  readonly #account: Account
  readonly #number: number
  #index = 0
  #looking: Promise<void> | undefined

  constructor(account: Account, number: number, share: number) {
    this.#account = account
    this.#number = number
    const clock = new LifeClock(account.timeline, account.chance)
    const db = new Sqlite(':memory:')
    for (const statements of MIGRATIONS) db.exec(statements)
    this.journal = new Journal(db, clock.now)
    this.budget = new Budget({ clock, share })
    this.runner = new Runner({
      journal: this.journal,
      drivers: this.#drivers(),
      choose: (_entry, row) =>
        row === 'eni:0' ? 'subnet-a' : row === 'attachment:0' ? String(++this.#index) : undefined,
      clock,
      deadlineMs: DEADLINE_MS,
      onDefect: (error) => this.defects.push(error),
    })
  }

  start(id: string): void {
    this.journal.begin(id, spec())
    this.runner.advance(id)
  }

  stop(id: string): void {
    this.runner.stop(id, { code: 'UserInitiated', reason: 'asked' })
  }

  async #call(action: string, purpose: Purpose, signal: AbortSignal): Promise<void> {
    await this.#send(action, await this.budget.turn(action, purpose, signal))
  }

  async #send(action: string, turn: Turn): Promise<void> {
    const account = this.#account
    const ms = account.latencyMs(action)
    await account.takes(ms / 4)
    const isAdmitted = account.admits(action, this.#number)
    await account.takes(isAdmitted ? (ms * 3) / 4 : 30)
    if (isAdmitted) return
    turn.throttled()
    throw new Failure('transient', 'RequestLimitExceeded', `${action} was throttled`, {
      isAway: true,
    })
  }

  /** One for all who ask while it waits for its turn (eni-lookup.ts). */
  #look(purpose: Purpose): Promise<void> {
    const { signal } = new AbortController()
    const asked = async () => {
      await this.#account.takes(purpose.priority === 'launch' ? 5 : 200)
      const turn = await this.budget.turn('DescribeNetworkInterfaces', purpose, signal)
      this.#looking = undefined
      await this.#send('DescribeNetworkInterfaces', turn)
    }
    this.#looking ??= asked()
    return this.#looking
  }

  /** As eni.ts, attachment.ts and guard.ts: in doubt they look before they make or delete. */
  #drivers(): Drivers {
    const account = this.#account
    const { enis } = account
    const ec2 =
      (action: string, effect: (job: Job) => object, verb: typeof launching) =>
      async (job: Job, signal: AbortSignal) => {
        if (job.again) await this.#look(verb(job))
        await this.#call(action, verb(job), signal)
        return effect(job)
      }
    const local = async () => {
      await account.takes(LOCAL_MS)
      return {}
    }
    const given = { ensure: local, release: local }
    const eniOf = ({ holderId }: Job): Eni => {
      const eni = enis.get(holderId)
      if (eni === undefined) throw new Failure('lost', 'NotThere', `${holderId} has no ENI`)
      return eni
    }
    const create = (job: Job) => {
      enis.set(job.holderId, { isAttached: false, freeAt: 0 })
      return { eniId: `eni-${job.holderId}` }
    }
    const remove = (job: Job) => {
      const { isAttached, freeAt } = eniOf(job)
      if (isAttached || freeAt > account.now) {
        throw new Failure('transient', 'InvalidParameterValue', 'it is in use')
      }
      enis.delete(job.holderId)
      return {}
    }
    const attach = (job: Job) => {
      eniOf(job).isAttached = true
      return { attachmentId: `eni-attach-${job.holderId}` }
    }
    const detach = (job: Job) => {
      Object.assign(eniOf(job), {
        isAttached: false,
        freeAt: account.now + DETACHING_MS * (0.5 + account.chance.next()),
      })
      return {}
    }
    const drivers = {
      eni: {
        ensure: ec2('CreateNetworkInterface', create, launching),
        release: async (job: Job, signal: AbortSignal) => {
          if (job.again || !this.budget.hasPlenty('DeleteNetworkInterface')) {
            await this.#look(releasing(job))
            if (eniOf(job).freeAt > account.now) {
              throw new Failure('transient', 'EniDetaching', 'it is being detached')
            }
          }
          await this.#call('DeleteNetworkInterface', releasing(job), signal)
          return remove(job)
        },
      },
      attachment: {
        ensure: ec2('AttachNetworkInterface', attach, launching),
        release: ec2('DetachNetworkInterface', detach, releasing),
      },
      guard: {
        ensure: ec2('ModifyNetworkInterfaceAttribute', () => ({}), launching),
        release: async () => undefined,
      },
      ...{ image: given, sandbox: given, link: given, container: given },
      ...{ created: given, cgroup: given, volume: given, publicIp: given },
    }
    // Details are what the real ones are; nobody here reads more of them than these have.
    return drivers as unknown as Drivers
  }

  /** Milliseconds from RunTask to RUNNING of each task that came to run. */
  startsMs(): number[] {
    return this.journal
      .all()
      .flatMap(({ timeline: { createdAt, startedAt } }) =>
        startedAt === undefined ? [] : [startedAt - createdAt],
      )
  }

  /** Milliseconds from StopTask to STOPPED of each that is over. */
  stopsMs(): number[] {
    return this.journal
      .all()
      .flatMap(({ timeline: { stoppingAt, stoppedAt } }) =>
        stoppedAt === undefined || stoppingAt === undefined ? [] : [stoppedAt - stoppingAt],
      )
  }

  /** How many tasks stopped for another reason than that they were asked to. */
  failures(): string[] {
    return this.journal
      .all()
      .flatMap(({ holder: { stop } }) =>
        stop === undefined || stop.reason === 'asked' ? [] : [stop.reason],
      )
  }
}
