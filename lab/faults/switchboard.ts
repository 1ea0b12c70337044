// The switchboard: which faults are on, which profile holds, and what that makes of a call, of a
// request to IMDS, and of the world. With everything off it is asked one question and says no.
//
//   POST /lab/faults ──▶ add ──▶ met by calls and by IMDS, or done to the world at once
//   EC2 call ──▶ planCall ──▶ carryOut(effect)        IMDS ──▶ imds

import type { Logger } from 'pino'
import type { World } from '../model/world.ts'
import type { Region } from '../region.ts'
import { factsOf, namedEnis } from './call-facts.ts'
import { blankPlan, type CallPlan } from './call-plan.ts'
import { Deeds } from './deeds.ts'
import { type Fault, type FaultOptions, isAbout, type Occasion, strikes } from './fault.ts'
import { ImdsLag } from './imds-lag.ts'
import { durationMs, type ImdsPlan, type Kind } from './kind.ts'
import { KINDS } from './kinds.ts'
import { LatencyPlans } from './latency-plan.ts'
import { noTarget } from './outside-faults.ts'
import { latencyOf, type Profile } from './profile.ts'
import type { Bucket } from './throttle.ts'
import type { Timers } from './timers.ts'

/** What became of one fault: when it struck last, and what. */
export type Hit = { readonly at: string; readonly what: string }

/** A fault as its owner sees it. */
export type FaultView = { readonly id: string; readonly name: string } & FaultOptions & {
    readonly seen: number
    readonly fired: number
    /** The latest, oldest first. */
    readonly hits: readonly Hit[]
  }

/** A fault that is on, with what it needs while it is. */
type Live = {
  fault: Fault
  readonly kind: Kind
  readonly givenAt: Date
  readonly buckets: Map<string, Bucket>
  readonly hits: Hit[]
}

/** What IMDS is to answer from. */
export type ImdsSight = ImdsPlan & {
  readonly world: World
  /** What it announces beside, by path below /latest/. */
  readonly notices: Readonly<Record<string, string>>
}

const HITS_KEPT = 20
const FAST: Profile = { name: 'fast', seed: 1, scale: 1 }

export class Switchboard {
  readonly #region: Region
  readonly #timers: Timers
  readonly #deeds: Deeds
  readonly #live = new Map<string, Live>()
  readonly #imdsLag = new ImdsLag()
  #profile: Profile = FAST
  #latency: LatencyPlans | undefined
  #count = 0

  constructor(region: Region, timers: Timers, log: Logger) {
    this.#region = region
    this.#timers = timers
    this.#deeds = new Deeds(region, timers, log)
  }

  /** The faults that are on, in the order they were switched on. */
  all(): FaultView[] {
    return [...this.#live.values()].map(view)
  }

  get profile(): Profile {
    return this.#profile
  }

  /**
   * Switches a fault on. What is done to the world at once has been done when this resolves; it
   * rejects with NoTarget, switching nothing on, when there is nothing to do it to.
   */
  async add(name: string, options: FaultOptions): Promise<FaultView> {
    const kind = KINDS.get(name)
    if (kind === undefined) throw new Error(`there is no fault ${name}`)
    const faultId = `fault-${++this.#count}`
    const fault = { faultId, name, options, seen: 0, fired: 0 }
    const live: Live = { fault, kind, givenAt: new Date(), buckets: new Map(), hits: [] }
    if (kind.family === 'outside' && options.action === undefined) {
      const meet = (occasion: Occasion, what: string): boolean => meets(live, occasion, what)
      await this.#deeds.doNow(kind, options, meet, () => this.#live.has(faultId))
      if (live.fault.seen === 0 && durationMs(options) === 0) {
        throw noTarget(`no ENI is of that id or task, or such that ${name} changes anything`)
      }
    }
    this.#live.set(faultId, live)
    this.#remember()
    return view(live)
  }

  /** Switches one fault off; says whether it was on. What it did stays done. */
  remove(faultId: string): boolean {
    const was = this.#live.delete(faultId)
    this.#remember()
    return was
  }

  /** Switches every fault off; the profile stays. */
  clear(): void {
    this.#live.clear()
    this.#remember()
  }

  /** Puts a latency profile in place; its draws begin anew. */
  setProfile(profile: Profile): void {
    const latency = latencyOf(profile)
    this.#profile = profile
    this.#latency = latency === undefined ? undefined : new LatencyPlans(latency)
    if (latency === undefined) this.#imdsLag.clear()
  }

  /** Everything off, and nothing more to come. */
  reset(): void {
    this.clear()
    this.setProfile(FAST)
    this.#timers.clear()
  }

  /** What is to become of a call; undefined when nothing is. */
  planCall(action: string, input: object): CallPlan | undefined {
    if (this.#latency === undefined && this.#live.size === 0) return undefined
    const plan = blankPlan(factsOf(action, input, this.#region.world))
    this.#latency?.write(plan)
    for (const live of this.#live.values()) this.#meetCall(live, plan)
    return plan
  }

  /** Carries a call out as planned: the effect is the caller's. Rejects as EC2 is to refuse. */
  async carryOut(plan: CallPlan, effect: () => Promise<object>): Promise<object> {
    await this.#timers.wait(plan.beforeMs)
    if (plan.refusal !== undefined) throw plan.refusal
    for (const deed of plan.deedsBefore) await this.#deeds.perform(deed)
    const before = this.#region.world
    const output = await effect()
    this.#learnImds(plan, before)
    await this.#deeds.follow(plan, output)
    await this.#timers.wait(plan.afterMs)
    if (plan.refusalAfter !== undefined) throw plan.refusalAfter
    return output
  }

  /** What an instance's IMDS is to answer a request from; undefined when it is the world as it is. */
  imds(instanceId: string, path: string): ImdsSight | undefined {
    if (this.#live.size === 0 && this.#imdsLag.empty) return undefined
    const plan: ImdsPlan = { absent: false, failing: false, lagMs: 0, bare: false }
    const notices: Record<string, string> = {}
    for (const live of this.#live.values()) {
      const { kind, givenAt } = live
      if (kind.family !== 'imds' && kind.family !== 'notice') continue
      const { options } = live.fault
      if (kind.family === 'notice') {
        const leaves = kind.leaves(options, givenAt)
        // In a folder it is listed; it is met, and counted, where somebody reads it.
        const occasion = { ...NOBODYS, instanceId }
        const isRead = pathBelowLatest(path) in leaves
        const isSeen = isRead ? meets(live, occasion, path) : isAbout(live.fault, occasion)
        if (isSeen) Object.assign(notices, leaves)
        continue
      }
      // A request is about no ENI: `eni` and `task` say of which ones less is told.
      const { eni, task } = options
      const eniIds = namedEnis(this.#region.world, options)
      const named = { instanceId, eniIds: eni ? [eni] : [], holders: task ? [task] : [] }
      if (meets(live, named, path)) kind.onImds(plan, options, eniIds)
    }
    const nowMs = this.#timers.nowMs()
    const world = this.#imdsLag.view(this.#region.worldAgo(plan.lagMs), nowMs)
    const late = this.#imdsLag.bare(nowMs)
    const bare = plan.bare === true || [...(plan.bare === false ? [] : plan.bare), ...late]
    return { ...plan, bare, world, notices }
  }

  #meetCall(live: Live, plan: CallPlan): void {
    const { kind, fault, buckets } = live
    const what = `${plan.facts.action} ${plan.facts.eniIds.join(' ')}`.trimEnd()
    if (kind.family === 'call') {
      const nowMs = this.#timers.nowMs()
      const act = (): boolean | undefined =>
        kind.onCall({ plan, options: fault.options, nowMs, buckets })
      if (meets(live, plan.facts, what, act)) plan.hits.push(fault.name)
      return
    }
    if (kind.family !== 'outside' || fault.options.action === undefined) return
    if (!meets(live, plan.facts, what)) return
    plan.hits.push(fault.name)
    const { options } = fault
    plan.deedsAfter.push({
      afterMs: durationMs(options),
      deed: (world, eniId) => kind.deed(world, eniId, options),
    })
  }

  #learnImds({ facts, imdsMs, imdsBareMs }: CallPlan, before: World): void {
    if (imdsMs === 0 && imdsBareMs === 0) return
    const nowMs = this.#timers.nowMs()
    for (const eniId of facts.eniIds) {
      const after = this.#region.world.enis.get(eniId)
      const times = { nowMs, lagMs: imdsMs, bareMs: imdsBareMs }
      this.#imdsLag.learn(before.enis.get(eniId), after, times)
    }
  }

  /** The region keeps its past as long as some fault may ask for it. */
  #remember(): void {
    const lags = [...this.#live.values()].map(({ fault: { name, options } }) =>
      LAGGING.has(name) ? durationMs(options) : 0,
    )
    this.#region.remember(Math.max(0, ...lags))
  }
}

/** The faults that look back, by `seconds`. */
const LAGGING = new Set(['stale-describe', 'not-visible-yet', 'imds-stale'])

/** An occasion that is about no ENI and no task. */
const NOBODYS: Occasion = { eniIds: [], holders: [] }

const pathBelowLatest = (path: string): string =>
  (path.split('?', 1)[0] ?? '').replace(/^\/latest\//, '').replace(/\/+$/, '')

/** Meets a fault with an occasion, and counts: seen when it is about it, fired when it struck. */
function meets(
  live: Live,
  occasion: Occasion,
  what: string,
  act: () => boolean | undefined = () => true,
): boolean {
  if (!isAbout(live.fault, occasion)) return false
  const { fault, hits } = live
  live.fault = { ...fault, seen: fault.seen + 1 }
  if (!strikes(live.fault) || act() === false) return false
  live.fault = { ...live.fault, fired: live.fault.fired + 1 }
  hits.push({ at: new Date().toISOString(), what })
  if (hits.length > HITS_KEPT) hits.shift()
  return true
}

const view = ({ fault, hits }: Live): FaultView => {
  const { faultId, name, options, seen, fired } = fault
  return { id: faultId, name, ...options, seen, fired, hits: [...hits] }
}
