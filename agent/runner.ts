// Carries out what state/task.ts says may be done, and nothing else.
//
//   nextSteps ──▶ began (durable) ──▶ driver ──▶ done | declined | refused | lost (durable) ──▶ again
//
// What begins together, or follows from what was done, is written down with it in one commit: on a
// busy disk each costs milliseconds, and a task has some twenty words to be written.
//
// One step per row is in flight. A crash anywhere leaves the row `unsure`, and the next life calls
// nextSteps like any other turn. Retries are kept in memory only: after a restart, trying at once
// is right.

import { withdrawn } from '../state/amendment.ts'
import { StateFileUnwritable } from '../state/database.ts'
import { consequence } from '../state/exits.ts'
import type { Entry, Journal } from '../state/journal.ts'
import type { HolderId, Json, Spec } from '../state/spec.ts'
import type { Course, Ec2Called, Event, Holder, Others, RowId, Step, Stop } from '../state/task.ts'
import { kindOf, nextSteps, rowState, rows } from '../state/task.ts'
import { CALLS_MAX, isKept } from '../state/timeline.ts'
import type { Clock } from './clock.ts'
import type { Details, Driver, Drivers, Remains } from './drivers/driver.ts'
import { Failure, sentence } from './failure.ts'
import type { Passing } from './fault-point.ts'
import { jobOf } from './job.ts'
import type { Waiting } from './orders.ts'

/** The runner could not go on because of a mistake of ours. */
export type OnDefect = (error: unknown) => void

export type RunnerOptions = {
  readonly journal: Journal
  readonly drivers: Drivers
  /**
   * The choice for a row that has one (a subnet, a device index), undefined for a row without.
   * Throws a Failure `refused` with the numbers when none is left.
   */
  readonly choose: (entry: Entry, row: RowId) => string | undefined
  /** Why a step is not to begin now, if so: shown as waiting, asked again, never past a deadline. */
  readonly hold?: (entry: Entry, step: Step) => Failure | undefined
  readonly clock: Clock
  /** How long an ensure of this kind may go on failing before the task gives up, milliseconds. */
  readonly deadlineMs: Readonly<Record<keyof Drivers, number>>
  readonly onDefect: OnDefect
  /** Told of every moment of every step, so that tests can let us die there. */
  readonly passing?: Passing
}

/** The first pause after a failure, and the longest, milliseconds. */
const BACKOFF_MS = { first: 200, max: 30_000 }
/** When something seen is told again, after it could not be written down, milliseconds. */
const UNWRITABLE_MS = 1000
/** So many holders are taken up without anybody else having a turn: some 10 ms. */
const RESUMED_AT_ONCE = 20
/** However late it is, an attempt has this long, milliseconds: its answer may be there already. */
const ATTEMPT_MS_MIN = 2000

type Try = {
  readonly step: Step
  /** When it first failed for a reason that a deadline counts, by Clock.elapsed. */
  failingSince?: number
  /** Since when whoever was asked is away: that time does not count. */
  awaySince?: number
  /** When the last attempt was made. */
  triedAt: number
  attempt: number
  /** What was wanted when the last attempt was made. */
  spec?: Spec
  /** Whether its beginning is on the disk. */
  began: boolean
  controller: AbortController
  cancel?: () => void
  waiting?: Waiting
  /** Since its beginning is on the disk. */
  retries: number
  waitedMs: number
  calls: Ec2Called[]
}

type Told = { readonly id: HolderId; readonly event: Event }

export class Runner {
  readonly #options: RunnerOptions
  readonly #tries = new Map<HolderId, Map<RowId, Try>>()
  readonly #inFlight = new Set<Promise<void>>()
  #closed = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /**
   * Takes up every holder of the journal. What is local may have changed meanwhile: all of it is
   * doubted before anything is done, so that nothing is started on what was not looked at.
   */
  resume(): void {
    const { journal } = this.#options
    const all = journal.living()
    // In one commit, not in three for each task.
    const unwritten = this.#writeAll(all.flatMap(doubtsOf))
    for (const { id, event } of unwritten) this.#write(id, event, () => this.tell(id, event))
    this.#advanceAll(all.map(({ id }) => id))
  }

  /** A few at a time: each writes down what it begins, and who asks for /status is to wait for none. */
  #advanceAll(ids: readonly HolderId[]): void {
    if (this.#closed) return
    for (const id of ids.slice(0, RESUMED_AT_ONCE)) this.advance(id)
    const rest = ids.slice(RESUMED_AT_ONCE)
    if (rest.length > 0) this.#options.clock.after(0, () => this.#advanceAll(rest))
  }

  /** Writes these down together. Answers those that could not be: all of them, or none. */
  #writeAll(events: readonly Told[]): readonly Told[] {
    const { journal } = this.#options
    try {
      journal.atOnce(() => {
        for (const { id, event } of events) journal.append(id, event)
      })
      return []
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
      return events
    }
  }

  /** Writes down what was seen of a holder, and acts on what follows. */
  tell(id: HolderId, event: Event): void {
    if (this.#write(id, event, () => this.tell(id, event))) this.advance(id)
  }

  /** Whether it was written. Where the disk is full, `again` is called in a moment. */
  #write(id: HolderId, event: Event, again: () => void): boolean {
    const { journal, clock } = this.#options
    if (this.#closed || journal.get(id) === undefined) return false
    try {
      journal.append(id, event)
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
      clock.after(UNWRITABLE_MS, again)
      return false
    }
    return true
  }

  /**
   * Turns desired to stopped. The first reason stands; asking again changes nothing. Throws a
   * Failure `transient` while the state file cannot be written: whoever asks can ask again.
   */
  stop(id: HolderId, stop: Stop): void {
    const { journal } = this.#options
    if (this.#closed || journal.get(id)?.holder.desired !== 'running') return
    try {
      journal.append(id, { type: 'stopAsked', stop })
    } catch (error) {
      throw error instanceof StateFileUnwritable ? unwritable(error) : error
    }
    this.advance(id)
  }

  /**
   * What is wanted of these rows has changed. Written down first; what is under way for the old wish
   * is done again. Throws as `stop` does.
   */
  amend(id: HolderId, spec: Spec, rows: readonly RowId[]): void {
    const { journal } = this.#options
    if (this.#closed || journal.get(id)?.holder.desired !== 'running') return
    try {
      journal.append(id, { type: 'amended', spec, rows })
    } catch (error) {
      throw error instanceof StateFileUnwritable ? unwritable(error) : error
    }
    this.advance(id)
  }

  /** Lets one begin that waited for room. Where that cannot be written down it waits on. */
  admit(id: HolderId): void {
    try {
      if (!this.#closed) this.#options.journal.append(id, { type: 'admitted' })
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
    }
    this.advance(id)
  }

  /** What this holder waits for; while a step is tried once more, why the last attempt failed. */
  waiting(id: HolderId): readonly Waiting[] {
    const tries = [...(this.#tries.get(id)?.values() ?? [])]
    return tries.flatMap(({ waiting }) => (waiting === undefined ? [] : [waiting]))
  }

  /** What any holder waits for at the moment, and whose it is. */
  *waits(): Generator<readonly [HolderId, Waiting]> {
    for (const [id, tries] of this.#tries) {
      for (const { waiting } of tries.values()) if (waiting !== undefined) yield [id, waiting]
    }
  }

  /** Starts every step that may be done now and is not under way. */
  advance(id: HolderId): void {
    const entry = this.#options.journal.get(id)
    if (entry === undefined) return
    const { holder } = entry
    const event = consequence(holder)
    if (event !== undefined) {
      const again = () => this.advance(id)
      if (this.#write(id, event, again)) again()
      return
    }
    if (holder.desired === 'stopped') this.#giveUpEnsures(id)
    this.#goOn(id, this.#beginAll(id))
    for (const step of this.#due(id)) {
      if (!this.#tries.get(id)?.has(step.row)) this.#goOn(id, [this.#newTry(id, step)])
    }
  }

  /** The steps that may be done now and are not under way; `but`: this one is through. */
  #due(id: HolderId, but?: RowId): Step[] {
    const tries = this.#tries.get(id)
    const steps = nextSteps(this.#entry(id).holder, this.#others(id))
    return steps.filter(({ row }) => row === but || !tries?.has(row))
  }

  /**
   * Writes down together the beginning of all that may be done now. They go on when that is on the
   * disk. None begins here where one may not, or cannot be written down: each then says so itself.
   */
  #beginAll(id: HolderId): Try[] {
    if (this.#due(id).length < 2) return []
    try {
      return this.#beginDue(id)
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
      return []
    }
  }

  /** The same as a part of a commit that writes down more, `but` being through with it. */
  #beginDue(id: HolderId, but?: RowId): Try[] {
    if (this.#closed || consequence(this.#entry(id).holder) !== undefined) return []
    try {
      return this.#options.journal.atOnce(() =>
        this.#due(id, but).map((step) => {
          const mine = this.#newTry(id, step)
          this.#begin(id, mine)
          return mine
        }),
      )
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      return []
    }
  }

  #goOn(id: HolderId, fresh: readonly Try[]): void {
    const tries = this.#tries.get(id) ?? new Map<RowId, Try>()
    this.#tries.set(id, tries)
    for (const mine of fresh) tries.set(mine.step.row, mine)
    for (const mine of fresh) this.#try(id, mine)
  }

  /** Lets go: nothing new begins, what is in flight is aborted and awaited. Tasks are not touched. */
  async close(): Promise<void> {
    this.#closed = true
    for (const tries of this.#tries.values()) {
      for (const { controller, cancel } of tries.values()) {
        controller.abort()
        cancel?.()
      }
    }
    await Promise.all(this.#inFlight)
  }

  #giveUpEnsures(id: HolderId): void {
    for (const [row, { step, controller, cancel }] of this.#tries.get(id) ?? []) {
      if (step.verb === 'release') continue
      controller.abort()
      if (cancel === undefined) continue
      cancel()
      this.#settled(id, row)
    }
  }

  #newTry(id: HolderId, step: Step): Try {
    const triedAt = this.#options.clock.elapsed()
    const controller = new AbortController()
    const course = { retries: 0, waitedMs: 0, calls: [] }
    const mine: Try = { step, attempt: 0, began: false, triedAt, controller, ...course }
    const earlierMs = this.#earlierMs(id, step)
    if (earlierMs > 0) mine.failingSince = triedAt - earlierMs
    return mine
  }

  /**
   * How long earlier lives have waited for this network card. Nobody is away when a card does not
   * come, and an agent that dies every few seconds would otherwise wait for it for ever.
   */
  #earlierMs(id: HolderId, { verb, row, again }: Step): number {
    if (kindOf(row) !== 'link' || !again) return 0
    const last = this.#entry(id).timeline.steps.findLast((s) => s.row === row && s.verb === verb)
    if (last === undefined || last.doneAt !== undefined) return 0
    const ms = this.#options.clock.now() - last.beganAt
    return Math.min(Math.max(0, ms), this.#options.deadlineMs.link)
  }

  #try(id: HolderId, mine: Try): void {
    const run = this.#perform(id, mine)
      .catch(this.#options.onDefect)
      .finally(() => this.#inFlight.delete(run))
    this.#inFlight.add(run)
  }

  async #perform(id: HolderId, mine: Try): Promise<void> {
    const { drivers } = this.#options
    const { verb, row } = mine.step
    // Since the step was found, or since its last try, another event may have overtaken it.
    if (!this.#isDue(id, mine.step)) {
      this.#settled(id, row)
      return
    }
    mine.attempt += 1
    mine.triedAt = this.#options.clock.elapsed()
    mine.controller = new AbortController()
    delete mine.cancel
    const driver = drivers[kindOf(row) as keyof Drivers] as Driver<keyof Details>
    const passing = this.#options.passing ?? (() => {})
    try {
      if (mine.began) this.#hold(id, mine)
      else this.#begin(id, mine)
      passing('before effect', verb, row)
      const leftMs = Math.max(ATTEMPT_MS_MIN, this.#deadlineMs(row) - this.#failingMs(mine))
      mine.spec = this.#entry(id).holder.spec
      const onCall = ({ waitedMs, ...call }: Ec2Called & { readonly waitedMs: number }) => {
        mine.waitedMs += waitedMs
        if (isKept(call)) mine.calls = [...mine.calls, call].slice(-CALLS_MAX)
      }
      const job = jobOf(this.#entry(id), mine.step, { retried: mine.attempt > 1, leftMs, onCall })
      const result = await driver[verb](job, mine.controller.signal)
      passing('after effect', verb, row)
      const next = this.#options.journal.atOnce(() => {
        this.#succeed(id, mine, result)
        return this.#beginDue(id, row)
      })
      this.#settled(id, row)
      passing('after done', verb, row)
      this.#goOn(id, next)
    } catch (error) {
      const failure = asFailure(error, mine.controller.signal)
      if (failure === undefined) throw error
      this.#fail(id, mine, failure)
    }
    this.advance(id)
  }

  #settled(id: HolderId, row: RowId): void {
    const tries = this.#tries.get(id)
    tries?.delete(row)
    if (tries?.size === 0) this.#tries.delete(id)
  }

  #isDue(id: HolderId, { verb, row }: Step): boolean {
    const due = nextSteps(this.#entry(id).holder, this.#others(id))
    return !this.#closed && due.some((step) => step.verb === verb && step.row === row)
  }

  /** Throws where the step is not to go on now. */
  #hold(id: HolderId, { step }: Try): void {
    const held = this.#options.hold?.(this.#entry(id), step)
    if (held !== undefined) throw held
  }

  #begin(id: HolderId, mine: Try): void {
    const { step } = mine
    this.#hold(id, mine)
    this.#options.passing?.('before began', step.verb, step.row)
    const entry = this.#entry(id)
    const { is, choice: chosen } = rowState(entry.holder, step.row)
    const choice = is === 'none' ? this.#options.choose(entry, step.row) : chosen
    const event: Event = { type: 'began', verb: step.verb, row: step.row }
    this.#options.journal.append(id, choice === undefined ? event : { ...event, choice })
    mine.began = true
  }

  #succeed(id: HolderId, mine: Try, result: Details[keyof Details] | Remains | undefined) {
    const { journal } = this.#options
    const { verb, row } = mine.step
    const details = verb === 'ensure' ? (result as Details[keyof Details]) : undefined
    const remains = verb === 'release' ? (result as Remains | undefined) : undefined
    const name = row.slice(row.indexOf(':') + 1)
    if (remains?.logTail !== undefined) journal.keepLog(id, name, remains.logTail)
    const exit = (details as Partial<Details['container']>)?.exit ?? remains?.exit
    const isNews = this.#entry(id).holder.facts[name]?.exitCode === undefined
    if (exit !== undefined && isNews) {
      journal.append(id, { type: 'exited', container: name, ...exit })
    }
    const done: Event = { type: 'done', verb, row, ...courseOf(mine) }
    journal.append(id, details === undefined ? done : { ...done, details: details as Json })
    if (verb === 'ensure' && mine.spec !== this.#entry(id).holder.spec) {
      journal.append(id, { type: 'doubted', row, why: 'what is wanted changed meanwhile' })
    }
  }

  #fail(id: HolderId, mine: Try, failure: Failure): void {
    const { journal } = this.#options
    const { holder } = this.#entry(id)
    const { row } = mine.step
    const event = this.#outcome(holder, mine, failure)
    if (event === undefined) {
      this.#wait(id, mine, failure)
      return
    }
    try {
      journal.append(id, event)
      this.#settled(id, row)
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
      this.#wait(id, mine, unwritable(error))
    }
  }

  /** The event that settles this failure, or undefined when the step is to be tried again. */
  #outcome(holder: Holder, mine: Try, failure: Failure): Event | undefined {
    const { verb, row } = mine.step
    const cause = { code: failure.code, message: sentence(failure) }
    const course = courseOf(mine)
    if (verb === 'release') {
      return failure.kind === 'lost' ? { type: 'done', verb, row, ...course } : undefined
    }
    if (holder.desired === 'stopped') return undefined
    if (failure.kind === 'lost') return { type: 'lost', row, cause, ...course }
    // The answer to a wish that is not the present one says nothing about that.
    if (mine.spec !== undefined && mine.spec !== holder.spec) return undefined
    const spec = failure.kind === 'refused' ? withdrawn(holder, row) : undefined
    if (spec !== undefined) return { type: 'amended', spec, rows: [row], cause }
    // What ran is not stopped because a check failed, and nothing stands on a guard. A spare may be.
    const isInUse = holder.ran && holder.spec.kind !== 'spare'
    if (isInUse || kindOf(row) === 'guard') return undefined
    if (failure.ofChoice && rowState(holder, row).choice !== undefined) {
      return { type: 'declined', row, cause, ...course }
    }
    if (failure.kind === 'refused') return { type: 'refused', row, cause, ...course }
    // Our own end is nobody's failure.
    if (this.#closed) return undefined
    if (failure.isAway) {
      mine.awaySince ??= mine.triedAt
      return undefined
    }
    const now = this.#options.clock.elapsed()
    mine.failingSince ??= now
    if (mine.awaySince !== undefined) mine.failingSince += mine.triedAt - mine.awaySince
    delete mine.awaySince
    const spentMs = this.#failingMs(mine)
    if (spentMs < this.#deadlineMs(row)) return undefined
    const message = `gave up after ${Math.round(spentMs / 1000)} s: ${cause.message}`
    return { type: 'refused', row, cause: { code: failure.code, message }, ...course }
  }

  #deadlineMs(row: RowId): number {
    return this.#options.deadlineMs[kindOf(row) as keyof Drivers]
  }

  #failingMs({ failingSince }: Try): number {
    return failingSince === undefined ? 0 : this.#options.clock.elapsed() - failingSince
  }

  #wait(id: HolderId, mine: Try, failure: Failure): void {
    const { clock } = this.#options
    const capMs = Math.min(BACKOFF_MS.max, BACKOFF_MS.first * 2 ** (mine.attempt - 1))
    const delayMs = Math.round(capMs * (0.5 + clock.random() / 2))
    const { verb, row } = mine.step
    const nextTryAt = clock.now() + delayMs
    if (mine.began) {
      mine.retries += 1
      mine.waitedMs += delayMs
    }
    const reason = sentence(failure)
    mine.waiting = { row, verb, attempt: mine.attempt, code: failure.code, reason, nextTryAt }
    mine.cancel = clock.after(delayMs, () => this.#try(id, mine))
  }

  #entry(id: HolderId): Entry {
    const entry = this.#options.journal.get(id)
    if (entry === undefined) throw new Error(`no holder ${id}`)
    return entry
  }

  #others(id: HolderId): Others {
    const { journal } = this.#options
    const guests = () => journal.living().filter(({ holder }) => holder.spec.sharedEni === id)
    // Nobody else has any: to look for them at each step would take longer the more tasks there are.
    const isShared = journal.get(id)?.holder.spec.kind === 'shared'
    return {
      holding: (holderId, row) => {
        const entry = journal.get(holderId)
        return entry === undefined ? 'none' : rowState(entry.holder, row).is
      },
      standsOn: (row) =>
        isShared &&
        row === 'link:0' &&
        guests().some(({ holder }) => rowState(holder, 'address').is !== 'none'),
    }
  }
}

/** What is local of a task that is to run, doubted. */
function doubtsOf({ id, holder }: Entry): Told[] {
  if (holder.desired === 'stopped') return []
  const isLocal = (row: RowId) =>
    ['cgroup', 'sandbox', 'link', 'created', 'container'].includes(kindOf(row))
  const held = rows(holder.spec).filter((row) => rowState(holder, row.id).is === 'held')
  return held.flatMap(({ id: row }) =>
    isLocal(row) ? [{ id, event: { type: 'doubted', row, why: 'the agent started' } }] : [],
  )
}

/** How the step went, as far as there is something to tell. */
function courseOf({ retries, waitedMs, calls }: Try): { course?: Course } {
  const course = {
    ...(retries > 0 && { retries }),
    ...(waitedMs >= 1 && { waitedMs: Math.round(waitedMs) }),
    ...(calls.length > 0 && { calls }),
  }
  return Object.keys(course).length === 0 ? {} : { course }
}

const unwritable = ({ message }: StateFileUnwritable): Failure =>
  new Failure('transient', 'StateFileUnwritable', message, {
    hint: 'Make room on the disk of the state directory; running tasks are not touched',
    isAway: true,
  })

/** What the step failed with; undefined where it is a mistake of ours. */
function asFailure(error: unknown, signal: AbortSignal): Failure | undefined {
  if (error instanceof Failure) return error.kind === 'defect' ? undefined : error
  if (error instanceof StateFileUnwritable) return unwritable(error)
  if (!signal.aborted) return undefined
  return new Failure('transient', 'Aborted', 'the step was given up')
}
