// What a latency profile writes on a call's plan: its own duration, half of it before the effect and
// half after (a caller that gives up meanwhile cannot know on which side it was), and the durations
// of what follows. The troubles of `hostile` are likelihoods, drawn from the same seed:
//
//   10 %  Describe… hangs                   5 %  Create is done and its answer never comes
//    1 %  the link never appears            5 %  it appears 60 to 150 s late
//   10 %  attached 30 s before the link     5 %  Attach is done and answers "in use"
//   10 %  IMDS knows the MAC only, 30 s    10 %  Modify… is throttled
//   10 %  rules take 10 s                   5 %  detaching takes 200 s
//   10 %  an ENI is refused "in use" at its first three deletes

import { limitExceeded, refuse } from './answer-faults.ts'
import type { CallPlan } from './call-plan.ts'
import { chance } from './chance.ts'
import { type Latency, PENDING_SECONDS, stepOf } from './profile.ts'
import { inUse } from './refusal-faults.ts'

/** How long a call hangs before the lab ends its connection, in seconds: longer than any caller. */
const HANG_SECONDS = 300

/** The latency of one profile, and the ENIs whose deletion it still refuses. */
export class LatencyPlans {
  readonly #latency: Latency
  /** By ENI: how many deletes are still refused. */
  readonly #refusals = new Map<string, number>()

  constructor(latency: Latency) {
    this.#latency = latency
  }

  /** Writes on the plan of a call. */
  write(plan: CallPlan): void {
    const { action } = plan.facts
    const step = stepOf(action)
    const ms = this.#latency.drawMs(step)
    // The lab answers rules when they are in force, and not before.
    plan.beforeMs += step === 'rule' ? ms : ms / 2
    plan.afterMs += step === 'rule' ? 0 : ms / 2
    if (action === 'CreateNetworkInterface') {
      plan.settleMs = this.#latency.scaledMs(PENDING_SECONDS)
    }
    if (action === 'AttachNetworkInterface') {
      plan.settleMs = this.#latency.drawMs('attached')
      plan.linkMs = this.#latency.drawMs('link')
      plan.imdsMs = this.#latency.drawMs('imdsIn')
    }
    if (action === 'DetachNetworkInterface') {
      plan.settleMs = this.#latency.drawMs('detached')
      plan.imdsMs = this.#latency.drawMs('imdsOut')
    }
    if (this.#latency.profile.name === 'hostile') this.#trouble(plan)
  }

  #trouble(plan: CallPlan): void {
    const { action, eniIds } = plan.facts
    switch (action) {
      case 'CreateNetworkInterface':
        if (this.#draws('create hangs', 0.05, plan)) this.#hang(plan)
        return
      case 'AttachNetworkInterface':
        this.#troubleAttach(plan)
        return
      case 'DetachNetworkInterface':
        if (this.#draws('detach slow', 0.05, plan)) plan.settleMs = this.#latency.scaledMs(200)
        return
      case 'DeleteNetworkInterface':
        this.#troubleDelete(plan, eniIds[0] ?? '')
        return
      case 'ModifyNetworkInterfaceAttribute':
        if (this.#draws('throttled', 0.1, plan)) refuse(plan, limitExceeded())
        return
    }
    const step = stepOf(action)
    if (step === 'describe' && this.#draws('describe hangs', 0.1, plan)) this.#hang(plan)
    if (step === 'rule' && this.#draws('rule slow', 0.1, plan)) {
      plan.beforeMs = this.#latency.scaledMs(10)
    }
  }

  #troubleAttach(plan: CallPlan): void {
    if (this.#draws('in-use race', 0.05, plan)) plan.refusalAfter = inUse(plan.facts.eniIds)
    if (this.#draws('IMDS bare', 0.1, plan)) plan.imdsBareMs = this.#latency.scaledMs(30)
    if (this.#draws('attached before link', 0.1, plan)) {
      plan.linkMs = plan.settleMs + this.#latency.scaledMs(30)
    }
    if (this.#draws('link late', 0.05, plan)) {
      plan.linkMs = this.#latency.scaledMs(60 + 90 * this.#chance('how late'))
    }
    if (this.#draws('link never', 0.01, plan)) plan.linkMs = Number.POSITIVE_INFINITY
  }

  #troubleDelete(plan: CallPlan, eniId: string): void {
    const left = this.#refusals.get(eniId) ?? (this.#chance('delete in use') < 0.1 ? 3 : 0)
    // Once it may be deleted, it is gone, or the caller did not mean it.
    this.#refusals.delete(eniId)
    if (left === 0) return
    // A zero is kept: it must not be drawn for again.
    this.#refusals.set(eniId, left - 1)
    plan.hits.push('hostile: delete in use')
    refuse(plan, inUse([eniId]))
  }

  #hang(plan: CallPlan): void {
    plan.afterMs = this.#latency.scaledMs(HANG_SECONDS)
    plan.delivery = 'close'
  }

  #draws(trouble: string, likelihood: number, plan: CallPlan): boolean {
    const strikes = this.#chance(trouble) < likelihood
    if (strikes) plan.hits.push(`hostile: ${trouble}`)
    return strikes
  }

  #chance(purpose: string): number {
    const { seed } = this.#latency.profile
    return chance(seed, purpose, this.#latency.next(purpose))
  }
}
