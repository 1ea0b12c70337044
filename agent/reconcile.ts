// The sweep: the world compared with the journal, at start and every few minutes. What nobody claims
// is given back; what a task should hold and is not shown is doubted. A late effect of a dead life
// (a container, an ENI) ends here, because its row was released before it came to be.
//
//   survey ─▶ suspects ─▶ verdicts (two looks, far apart) ─▶ still unclaimed? ─▶ release | doubt
//
// Looks are kept in memory only: after a restart everything is looked at twice again.

import type { HolderId } from '../state/spec.ts'
import type { Event } from '../state/task.ts'
import { awayFrom, awayOf } from './away.ts'
import type { Clock } from './clock.ts'
import type { Orphans } from './drivers/orphans.ts'
import type { TakeSurvey } from './drivers/survey.ts'
import { Failure, sentence } from './failure.ts'
import { DETACHING, giveBack, type OfThing } from './give-back.ts'
import type { Finding, Noticed, Sweep } from './orders.ts'
import type { OnDefect } from './runner.ts'
import type { Claims, Suspect } from './suspects.ts'
import {
  eniIdsToLookFor,
  hasAddresses,
  isOfRow,
  isSteady,
  late,
  steady,
  suspectsOf,
  unclaimed,
} from './suspects.ts'
import type { Judged, Sighting, Sightings, SweepTimes } from './verdict.ts'
import { asksInstances, isWaiting, judge, SWEEP_MS, stagesOf } from './verdict.ts'

/** Where the sweep says what it found. pino fits. */
export type SweepLog = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export type ReconcileOptions = {
  readonly journal: Claims
  readonly instanceId: string
  /** When this journal began, milliseconds since the epoch: what runs since before is not its own. */
  readonly journalSince: number
  readonly survey: TakeSurvey
  readonly orphans: Orphans
  /** Writes down that a row is doubted, and acts on it. */
  readonly tell: (id: HolderId, event: Event) => void
  readonly clock: Clock
  readonly log: SweepLog
  readonly onDefect: OnDefect
  /** Whether a task's security groups are put back where somebody changed them: no unless told. */
  readonly keepGroups?: boolean
  /** SWEEP_MS unless told. */
  readonly times?: SweepTimes
}

/** One look, judged. Nothing is remembered of it, and nothing done, before `#sweep` does. */
type Judgement = {
  readonly judged: readonly Judged[]
  readonly sightings: Map<string, Sighting>
  readonly ec2CallCount: number
  readonly sweep: Sweep
}

export class Reconcile {
  readonly #options: ReconcileOptions
  readonly #times: SweepTimes
  readonly #end = new AbortController()
  #sightings = new Map<string, Sighting>()
  #busy: Promise<unknown> = Promise.resolve()
  #cancel = (): void => {}

  constructor(options: ReconcileOptions) {
    this.#options = options
    this.#times = options.times ?? SWEEP_MS
  }

  /** Sweeps soon, and then again and again. */
  start(): void {
    this.#pause(this.#times.start * this.#options.clock.random())
  }

  /** Sweeps now, because a person asks. It takes two looks all the same. */
  sweep(): Promise<Sweep> {
    return this.#inTurn(() => this.#sweep(true))
  }

  /** What `sweep` would find and do at this moment. Looks at the world and remembers nothing. */
  plan(): Promise<Sweep> {
    return this.#inTurn(async () => (await this.#look(true)).sweep)
  }

  /** What the sweeps so far leave to be said about a holder. Looks at nothing. */
  noticed(id: HolderId): Noticed[] {
    const all = [...this.#sightings.values()].filter(({ finding }) => finding.holderId === id)
    return all.map(({ finding, seenAt }) => ({ ...finding, seenAt }))
  }

  /** Lets go: what is in flight is aborted and awaited, and nothing follows. */
  async close(): Promise<void> {
    this.#end.abort()
    this.#cancel()
    await this.#busy
  }

  /** One at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.then(() => {
      if (!this.#end.signal.aborted) return work()
      throw new Failure('transient', 'Aborted', 'the agent is stopping')
    })
    this.#busy = turn.catch(() => {})
    return turn
  }

  #pause(ms: number): void {
    const { clock, onDefect } = this.#options
    if (this.#end.signal.aborted) return
    this.#cancel()
    this.#cancel = clock.after(Math.round(ms), () => {
      this.#inTurn(() => this.#sweep(false)).catch((error) => {
        if (!this.#end.signal.aborted) onDefect(error)
      })
    })
  }

  async #sweep(isAsked: boolean): Promise<Sweep> {
    const { judged, sightings, ec2CallCount, sweep } = await this.#look(isAsked)
    this.#say(judged, sightings, sweep)
    this.#sightings = sightings
    const findings: Finding[] = []
    for (const stage of stagesOf(judged)) {
      findings.push(...(await Promise.all(stage.map((each) => this.#act(each)))))
    }
    const isOpen =
      sweep.away.length > 0 ||
      judged.some(isWaiting) ||
      findings.some(({ outcome }) => outcome === DETACHING)
    const { every, orphan, perCall } = this.#times
    const random = this.#options.clock.random()
    const pauseMs = isOpen ? orphan * (1 + random / 5) : every * (0.8 + random * 0.4)
    this.#pause(Math.max(pauseMs, ec2CallCount * perCall))
    return { ...sweep, findings }
  }

  async #look(isAsked: boolean): Promise<Judgement> {
    const { journal, instanceId, journalSince, clock, keepGroups = false } = this.#options
    const now = clock.now()
    const begunAt = clock.elapsed()
    const before = steady(journal)
    const whatElse = { addresses: hasAddresses(journal) }
    const survey = await this.#options.survey(eniIdsToLookFor(journal), this.#end.signal, whatElse)
    const suspects = suspectsOf({ journal, instanceId, journalSince }, survey, before)
    const asked = await this.#instances(suspects)
    const { instances } = asked
    const span = { begunAt, endedAt: clock.elapsed() }
    const times = this.#times
    const look = { now, ...span, isAsked, instanceId, instances, keepGroups, times }
    const { judged, sightings } = judge(suspects, survey, this.#sightings, look)
    const away = [...awayFrom(survey), ...asked.away]
    const ec2CallCount = survey.ec2CallCount + asked.callCount
    const sweep = { at: now, findings: judged.map(({ finding }) => finding), away }
    return { judged, sightings, ec2CallCount, sweep }
  }

  /** Which instances exist, where anything depends on it. This one is always asked about. */
  async #instances(suspects: readonly Suspect[]) {
    const { orphans, instanceId } = this.#options
    const asking = suspects.filter(asksInstances)
    if (asking.length === 0) return { instances: new Set<string>(), away: [], callCount: 0 }
    const others = asking.flatMap((s) => (s.is === 'stranded' ? (s.thing.wears ?? []) : []))
    const ids = new Set([instanceId, ...others.map((wearer) => wearer.instanceId)])
    try {
      const instances = await orphans.instancesThatExist([...ids], this.#end.signal)
      return { instances, away: [], callCount: 1 }
    } catch (error) {
      return { instances: undefined, away: [awayOf('ec2', failureOf(error))], callCount: 1 }
    }
  }

  /** Does what the verdict says, if the journal still agrees at this moment. */
  async #act({ suspect, finding, key }: Judged): Promise<Finding> {
    const { journal, tell, log } = this.#options
    if (finding.verdict === 'doubt' && isOfRow(suspect)) {
      const { holderId, row } = suspect.owner
      const still = isSteady(journal, suspect.owner)
      // It is the driver's now; what is still so afterwards is looked at twice again.
      this.#sightings.delete(key)
      if (still) tell(holderId, { type: 'doubted', row, why: finding.why })
      return { ...finding, outcome: still ? 'doubted' : 'settled meanwhile' }
    }
    if (finding.verdict !== 'release' || isOfRow(suspect)) return finding
    if (!this.#isStill(suspect)) {
      return { ...finding, verdict: 'leave', outcome: 'claimed meanwhile' }
    }
    const outcome = await giveBack(this.#options.orphans, suspect, this.#end.signal).catch(
      (error) => sentence(failureOf(error)),
    )
    if (outcome === 'released' || outcome === 'detached') this.#sightings.delete(key)
    log.warn({ ...fieldsOf(finding), outcome }, `sweep: ${finding.what} ${finding.id}: ${outcome}`)
    return { ...finding, outcome }
  }

  /** What was nobody's when it was looked at is so at this moment. */
  #isStill(suspect: OfThing): boolean {
    const asking = this.#options
    if (suspect.is === 'late') return late(asking, suspect.thing).length > 0
    return unclaimed(asking.journal, suspect.thing) !== undefined
  }

  #say(judged: readonly Judged[], sightings: Sightings, { away }: Sweep): void {
    const { log } = this.#options
    for (const { place, code, reason } of away) {
      log.warn({ place, code }, `sweep: ${place} is away, tried again later: ${reason}`)
    }
    for (const { key, finding } of judged) {
      const last = this.#sightings.get(key)?.finding.verdict
      const isNews = last === undefined || (finding.verdict === 'leave' && last !== 'leave')
      if (!isNews || !sightings.has(key)) continue
      const text = `sweep: ${finding.what} ${finding.id}: ${finding.why}`
      if (finding.verdict === 'leave') log.warn(fieldsOf(finding), text)
      else log.info(fieldsOf(finding), text)
    }
  }
}

const fieldsOf = ({ holderId, row, what, id, verdict }: Finding) => ({
  ...{ task: holderId, row, what, id, verdict },
})

/** What is not a Failure is a defect, and goes up. */
function failureOf(error: unknown): Failure {
  if (error instanceof Failure && error.kind !== 'defect') return error
  throw error
}
