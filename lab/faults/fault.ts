// A fault: one way in which the lab misbehaves, while it is switched on. Pure: whether it strikes
// follows from what it was told, how often it was met before, and its seed; never from time.
//
//   occasion ──▶ is it the one meant? (action, ENI, task, subnet) ──▶ seen
//            ──▶ call number, times left, the seed's draw ──▶ fired

import { globMatches } from '../ec2/glob.ts'
import { chance } from './chance.ts'

/** What a fault can be told. Which of it a fault takes, its kind says; the rest is refused. */
export type FaultOptions = {
  /** The EC2 actions it is about; `*` and `?` stand for any text and any one character. */
  readonly action?: string
  /** The numbers of the calls it strikes, among those it is about; the first is 1. */
  readonly calls?: readonly number[]
  /** How often it strikes at most. */
  readonly times?: number
  /** How likely it strikes each time, above 0 and at most 1. */
  readonly likelihood?: number
  readonly seed?: number
  /** A duration; what of, its kind says. */
  readonly seconds?: number
  readonly eni?: string
  /** The holder (a task) that the ENI's tag `enid:holder` names. */
  readonly task?: string
  readonly subnet?: string
  readonly group?: string
  /** The instance whose IMDS it is about. */
  readonly instance?: string
}

/** A fault that is switched on, and its counts. */
export type Fault = {
  readonly faultId: string
  readonly name: string
  readonly options: FaultOptions
  /** How often it was met: calls, requests or ENIs that it is about. */
  readonly seen: number
  /** How often it struck. */
  readonly fired: number
}

/** What a fault is met with: a call, a request to IMDS, or an ENI that something may befall. */
export type Occasion = {
  readonly action?: string
  readonly eniIds: readonly string[]
  readonly holders: readonly string[]
  readonly subnetId?: string
  /** Whose IMDS is asked. */
  readonly instanceId?: string
}

/** The tag in which an agent says whose an ENI is. */
export const HOLDER_TAG = 'enid:holder'

/** Whether the fault is about that occasion at all. */
export function isAbout({ options }: Fault, occasion: Occasion): boolean {
  const { action, eni, task, subnet, instance } = options
  if (action !== undefined && !globMatches(action, occasion.action ?? '')) return false
  if (eni !== undefined && !occasion.eniIds.includes(eni)) return false
  if (task !== undefined && !occasion.holders.includes(task)) return false
  if (instance !== undefined && instance !== occasion.instanceId) return false
  return subnet === undefined || subnet === occasion.subnetId
}

/** Whether it may strike at an occasion that it is about, which has been counted in `seen`. */
export function strikes({ name, options, seen, fired }: Fault): boolean {
  const { calls, times, likelihood = 1, seed = 1 } = options
  if (calls !== undefined && !calls.includes(seen)) return false
  if (times !== undefined && fired >= times) return false
  return likelihood >= 1 || chance(seed, name, seen) < likelihood
}
