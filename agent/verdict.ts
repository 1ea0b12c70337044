// What follows from a suspect that has been seen so often and for so long. Pure. Doing nothing is
// always safe, so every doubt ends there: one look is no look, EC2 may show an old picture, an effect
// may be under way, and a survey that does not even show this instance is of some other world.

import { kindOf } from '../state/task.ts'
import { awayFrom } from './away.ts'
import type { Survey } from './drivers/survey.ts'
import type { Finding } from './orders.ts'
import type { Suspect } from './suspects.ts'
import { isOfRow, ownerOf } from './suspects.ts'
import { idOf, type Thing } from './thing.ts'

/** Milliseconds. */
export type SweepTimes = {
  /** The first look comes within this time of the start. */
  readonly start: number
  /** Between two looks when nothing is suspected, give or take a fifth. */
  readonly every: number
  /** At least so long between the two looks at an orphan, or at a row that EC2 shows otherwise. */
  readonly orphan: number
  /** Nothing younger is touched: the longest that an effect of ours may be under way. */
  readonly grace: number
  /** At least so long between the two looks at an ENI of an instance that is gone. */
  readonly vanished: number
  /** Each EC2 call of a sweep puts the next one off by so much: one describe a minute at most. */
  readonly perCall: number
}

/**
 * Five minutes is the period of Amazon's own VPC resource controller; EC2 may take "up to minutes"
 * to show what it did (its guide, "Eventual consistency"); an ensure gives up after two.
 */
export const SWEEP_MS: SweepTimes = {
  start: 15_000,
  every: 300_000,
  orphan: 60_000,
  grace: 120_000,
  vanished: 3_600_000,
  perCall: 60_000,
}

/**
 * A suspect from one look to the next. That it has been one for any time at all means that two looks
 * have seen it, and none in between has not.
 */
export type Sighting = {
  /** When the look that first saw it ended (Clock.elapsed). */
  readonly firstAt: number
  /** What the last look that saw it found, and when, milliseconds since the epoch. */
  readonly finding: Finding
  readonly seenAt: number
}
export type Sightings = ReadonlyMap<string, Sighting>

/** The look that a suspect was seen by. */
export type Look = {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** When it was begun and when it was over, by Clock.elapsed: what it saw is of some time between. */
  readonly begunAt: number
  readonly endedAt: number
  /** A person asked for it. */
  readonly isAsked: boolean
  readonly instanceId: string
  /** The instances asked about that exist; undefined where EC2 did not answer. */
  readonly instances: ReadonlySet<string> | undefined
  /** Whether a task's security groups are put back where somebody changed them. */
  readonly keepGroups: boolean
  readonly times: SweepTimes
}

/** Where a suspect was looked for. */
export type Place = 'ec2' | 'docker' | 'kernel'

export function placeOf(suspect: Suspect): Place {
  if (!isOfRow(suspect)) return PLACES[suspect.thing.what]
  return ['sandbox', 'container'].includes(kindOf(suspect.owner.row)) ? 'docker' : 'ec2'
}

const PLACES: { readonly [W in Thing['what']]: Place } = {
  eni: 'ec2',
  container: 'docker',
  volume: 'docker',
  link: 'kernel',
  cgroup: 'kernel',
  address: 'ec2',
}

/** The name under which a suspect is remembered from one look to the next. It begins with its place. */
export function keyOf(suspect: Suspect): string {
  const place = placeOf(suspect)
  if (!isOfRow(suspect)) return `${place} ${suspect.is} ${idOf(suspect.thing)}`
  const { holderId, row, id } = suspect.owner
  return `${place} ${suspect.is} ${holderId} ${row} ${id}`
}

/** Whether judging this suspect takes knowing which instances exist, this one among them. */
export const asksInstances = (suspect: Suspect): boolean =>
  suspect.is === 'stranded' || (suspect.is === 'missing' && placeOf(suspect) === 'ec2')

export type Verdict = Pick<Finding, 'verdict' | 'why'>

/** The verdict on what was seen for so long; undefined where all is well after all. */
export function verdictOf(suspect: Suspect, seenMs: number, look: Look): Verdict | undefined {
  if (suspect.is === 'odd') return { verdict: 'leave', why: suspect.why }
  if (suspect.is === 'changed') return changed(suspect, seenMs, look)
  if (suspect.is === 'late') return late(suspect, seenMs, look)
  const { instances, instanceId } = look
  if (asksInstances(suspect)) {
    if (instances === undefined) {
      return { verdict: 'wait', why: `${suspect.why}; EC2 did not say which instances exist` }
    }
    if (!instances.has(instanceId)) {
      const why = `${suspect.why}; but EC2 does not show this instance either: not believed`
      return { verdict: 'leave', why }
    }
  }
  if (suspect.is === 'orphan') return orphan(suspect, seenMs, look)
  if (suspect.is === 'missing') return missing(suspect, seenMs, look)
  return stranded(suspect, seenMs, look)
}

const again = (why: string, ms: number, then: string): Verdict => ({
  verdict: 'wait',
  why: `${why}; ${then} when it is still so after ${Math.ceil(ms / 1000)} s`,
})

function orphan(suspect: Suspect & { is: 'orphan' }, seenMs: number, look: Look): Verdict {
  const { why, thing, isEarlier } = suspect
  const { times, now, isAsked } = look
  if (isEarlier && !isAsked) {
    const remedy = 'it is of another state file, and in use: enid sweep gives it back'
    return { verdict: 'leave', why: `${why}; ${remedy}` }
  }
  if (seenMs < times.orphan) return again(why, times.orphan, 'released')
  // It is at least as old as our first look, whatever the clocks say.
  const madeAt = 'createdAt' in thing ? thing.createdAt : attachedAt(thing)
  const ageMs = Math.max(seenMs, madeAt === undefined ? 0 : now - madeAt)
  if (ageMs < times.grace) return again(`${why}; it is new`, times.grace, 'released')
  return { verdict: 'release', why }
}

const attachedAt = (thing: Thing): number | undefined =>
  thing.what === 'eni' ? thing.attachment?.attachedAt : undefined

function missing(suspect: Suspect & { is: 'missing' }, seenMs: number, look: Look): Verdict {
  const { why } = suspect
  const { orphan: apart } = look.times
  if (placeOf(suspect) === 'ec2' && seenMs < apart) return again(why, apart, 'looked at again')
  return { verdict: 'doubt', why }
}

/** It wears no mark, so a person decides. */
function late({ why }: Suspect & { is: 'late' }, seenMs: number, look: Look): Verdict {
  const { times, isAsked } = look
  if (seenMs < times.orphan) return again(why, times.orphan, isAsked ? 'detached' : 'reported')
  return isAsked
    ? { verdict: 'release', why }
    : { verdict: 'leave', why: `${why}; enid sweep detaches it` }
}

/** Who changed them may have meant it (a quarantine): without the setting a person decides. */
function changed({ why }: Suspect & { is: 'changed' }, seenMs: number, look: Look): Verdict {
  const { keepGroups, times } = look
  if (seenMs < times.orphan) {
    return again(why, times.orphan, keepGroups ? 'put back' : 'reported')
  }
  if (keepGroups) return { verdict: 'doubt', why }
  const remedy = 'put them back in EC2, or have enid do it (ENID_KEEP_GROUPS=true)'
  return { verdict: 'leave', why: `${why}; changed behind our back, and left so: ${remedy}` }
}

function stranded(
  { why, thing }: Suspect & { is: 'stranded' },
  seenMs: number,
  look: Look,
): Verdict | undefined {
  if (look.instances?.has(thing.wears?.instanceId ?? '')) return undefined
  const { vanished } = look.times
  const gone = `${why}; that instance does not exist any more`
  return seenMs < vanished ? again(gone, vanished, 'released') : { verdict: 'release', why: gone }
}

/** A suspect with what follows from it, and its name from one look to the next. */
export type Judged = { readonly suspect: Suspect; readonly finding: Finding; readonly key: string }

/** Judges all suspects of one look. What is remembered afterwards is in `sightings`. */
export function judge(
  suspects: readonly Suspect[],
  survey: Survey,
  before: Sightings,
  look: Look,
): { judged: Judged[]; sightings: Map<string, Sighting> } {
  // A place that is away neither confirms nor clears.
  const silent = awayFrom(survey).map(({ place }) => place)
  const sightings = new Map(
    [...before].filter(([key]) => silent.some((place) => key.startsWith(place))),
  )
  const judged: Judged[] = []
  for (const suspect of suspects) {
    const key = keyOf(suspect)
    const firstAt = before.get(key)?.firstAt ?? look.endedAt
    const verdict = verdictOf(suspect, Math.max(0, look.begunAt - firstAt), look)
    if (verdict === undefined) continue
    // A look that cannot be believed is not the first one.
    const counts = !asksInstances(suspect) || look.instances?.has(look.instanceId) === true
    const finding = { ...subjectOf(suspect), ...verdict }
    if (counts || before.has(key)) sightings.set(key, { firstAt, finding, seenAt: look.now })
    judged.push({ suspect, key, finding })
  }
  return { judged, sightings }
}

function subjectOf(suspect: Suspect): Pick<Finding, 'what' | 'id' | 'holderId' | 'row'> {
  const { holderId, row } = ownerOf(suspect)
  const owner = holderId === undefined || row === undefined ? {} : { holderId, row }
  if (suspect.is === 'missing') return { what: 'row', id: suspect.owner.id, ...owner }
  if (suspect.is === 'changed') return { what: 'eni', id: suspect.owner.id, ...owner }
  return { what: suspect.thing.what, id: idOf(suspect.thing), ...owner }
}

/** Whether another look soon may settle it. A vanished instance takes an hour in any case. */
export const isWaiting = ({ suspect, finding }: Judged): boolean =>
  finding.verdict === 'wait' && suspect.is !== 'stranded'

/** Doubts first, which take no time; then as a task goes down: nothing stands on air. */
export function stagesOf(judged: readonly Judged[]): Judged[][] {
  const stage = ({ finding: { what, row } }: Judged): Stage =>
    what === 'container' && row === 'sandbox' ? 'sandbox' : what
  return STAGES.map((name) => judged.filter((each) => stage(each) === name))
}

const STAGES = [
  'row',
  'container',
  'volume',
  'sandbox',
  'cgroup',
  'link',
  'address',
  'eni',
] as const
type Stage = (typeof STAGES)[number]
