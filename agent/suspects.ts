// What is in the world and not in the journal, or in the journal and not in the world. Pure: one
// survey and the journal as it stands, no time, nothing remembered. Whether a suspect has been seen
// for long enough, and what is done about it, is for agent/reconcile.ts.
//
//   survey ─▶ claimed by a holder? ── no ──▶ orphan, stranded, odd
//   journal ─▶ held by a running holder, and shown? ── no ──▶ missing
//                                        in its groups? ── no ──▶ changed

import { headOf } from '../state/ends.ts'
import type { Journal } from '../state/journal.ts'
import type { HolderId } from '../state/spec.ts'
import type { Holder, RowId } from '../state/task.ts'
import { isLent, kindOf, makerOf, rowState, rows } from '../state/task.ts'
import type { SeenAddress, SeenEni, Survey } from './drivers/survey.ts'
import { explaining, unheardOf } from './late-attach.ts'
import { changed, missing } from './missing.ts'
import { idOf, inUseSince, type Thing } from './thing.ts'

/** What does not agree, and why. */
export type Suspect =
  /** This instance's, and no holder claims it. `isEarlier`: in use since before this journal. */
  | {
      readonly is: 'orphan'
      readonly thing: Thing
      readonly why: string
      readonly isEarlier: boolean
    }
  /** Attached to nothing, and marked by another instance, which may be gone. */
  | { readonly is: 'stranded'; readonly thing: SeenEni | SeenAddress; readonly why: string }
  /** A lent ENI, plugged in here where a task that is over was to have it: by us, late, or by its owner. */
  | {
      readonly is: 'late'
      readonly thing: SeenEni
      readonly why: string
      readonly owner: Pick<Steady, 'holderId' | 'row'>
    }
  /** Shown, but not as it should be, and not ours to change. */
  | { readonly is: 'odd'; readonly thing: Thing; readonly why: string; readonly owner?: Steady }
  /** Held by a running holder, and not shown. */
  | { readonly is: 'missing'; readonly owner: Steady; readonly why: string }
  /** An ENI that a running holder holds, in other security groups than the task's. */
  | { readonly is: 'changed'; readonly owner: Steady; readonly why: string }

/** A row that a running holder holds, and the id of what it holds: an ENI's, a container's. */
export type Steady = {
  readonly holderId: HolderId
  readonly row: RowId
  readonly id: string
  /** Of a public address: its allocation id. */
  readonly address?: string
}

/** The journal, as far as the sweep reads it. */
export type Claims = Pick<Journal, 'living' | 'ended' | 'get' | 'quarantined'>

export type Asking = {
  readonly journal: Claims
  readonly instanceId: string
  /** When this journal began, milliseconds since the epoch. */
  readonly journalSince: number
}

/** Everything that does not agree. `before`: what was steady before the survey was begun. */
export function suspectsOf(asking: Asking, survey: Survey, before: readonly Steady[]): Suspect[] {
  const { enis, containers, volumes, links, cgroups, addresses } = survey
  const claims = enisClaimed(asking.journal)
  const own = [containers, volumes, links, cgroups].flatMap((place): readonly Thing[] =>
    'seen' in place ? place.seen : [],
  )
  const publicIps = 'seen' in addresses ? addresses.seen : []
  // What came to be, or was doubted, while the survey was under way is not missing from it.
  const now = new Set(steady(asking.journal).map(keyOf))
  const still = before.filter((each) => now.has(keyOf(each)))
  return [
    ...('seen' in enis ? enis.seen : []).flatMap((eni) => suspectEni(asking, eni, claims)),
    ...own.flatMap((thing) => suspectOwn(asking, thing, claims)),
    ...publicIps.flatMap((address) => suspectAddress(asking, address, claims)),
    ...still.flatMap((each) => missing(asking, survey, each)),
    ...still.flatMap((each) => changed(asking.journal, survey, each)),
  ]
}

const keyOf = ({ holderId, row, id }: Steady): string => `${holderId} ${row} ${id}`

/** Whether it still is. */
export const isSteady = (journal: Claims, owner: Steady): boolean =>
  steady(journal).some((each) => keyOf(each) === keyOf(owner))

/** What a survey should show: the rows of running holders. */
export function steady(journal: Claims): Steady[] {
  return journal.living().flatMap(({ id: holderId, holder }) => {
    if (holder.desired !== 'running') return []
    return rows(holder.spec).flatMap(({ id: row }) => {
      // EC2 may show an old picture of what has just been made; Docker shows what is.
      const isShown = holder.ran || ['sandbox', 'container'].includes(kindOf(row))
      const isHeld = isShown && rowState(holder, row).is === 'held'
      const id = isHeld ? heldId(holder, row) : undefined
      const address = kindOf(row) === 'publicIp' ? knownId(holder, row) : undefined
      return id === undefined ? [] : [{ holderId, row, id, ...(address && { address }) }]
    })
  })
}

/** Whether a task has, or had, a public address that was allocated for it. */
export const hasAddresses = (journal: Claims): boolean =>
  [...journal.living().map(headOf), ...journal.ended()].some(({ hadAddress }) => hadAddress)

/** The id of what a row holds: of an attachment or a guard that of its ENI. */
function heldId(holder: Holder, row: RowId): string | undefined {
  const kind = kindOf(row)
  if (kind === 'sandbox') return knownId(holder, row)
  if (kind === 'container') {
    const hasExited = holder.facts[row.slice('container:'.length)]?.exitCode !== undefined
    return hasExited ? undefined : knownId(holder, row)
  }
  if (!['eni', 'publicIp', 'attachment', 'guard'].includes(kind)) return undefined
  return knownId(holder, `eni:${Number(row.split(':')[1])}`)
}

function knownId(holder: Holder, row: RowId): string | undefined {
  const details = rowState(holder, row).details as Readonly<Record<string, string>> | undefined
  return details?.eniId ?? details?.containerId ?? details?.volumeName ?? details?.allocationId
}

/** The ids of all ENIs that some holder still claims. */
export const claimedEniIds = (journal: Claims): string[] => [...enisClaimed(journal).keys()]

/** Those that a survey looks for by id: what is claimed, and what may be attached late. */
export const eniIdsToLookFor = (journal: Claims): string[] => [
  ...new Set([...claimedEniIds(journal), ...unheardOf(journal).map(({ eniId }) => eniId)]),
]

/** Every ENI that a holder knows and has not given back, and whose it is. */
type EnisClaimed = ReadonlyMap<string, Steady>

function enisClaimed(journal: Claims): EnisClaimed {
  const claims = new Map<string, Steady>()
  for (const { id: holderId, holder } of journal.living()) {
    for (const n of holder.spec.enis.keys()) {
      const row: RowId = `eni:${n}`
      const id = rowState(holder, row).is === 'none' ? undefined : knownId(holder, row)
      if (id !== undefined) claims.set(id, { holderId, row, id })
    }
  }
  return claims
}

/**
 * Why nobody claims this thing of ours, or undefined where somebody does. A row that is held claims
 * what it holds; one in doubt, or of a holder that is to run, all that wears its mark, because an
 * effect may be under way. What cannot be read (quarantined) claims everything of its own.
 */
export function unclaimed(
  journal: Claims,
  thing: Thing,
  claims: EnisClaimed = enisClaimed(journal),
): string | undefined {
  const id = idOf(thing)
  if (thing.wears === undefined || claims.has(id)) return undefined
  const { holderId, row } = thing.wears
  if (journal.quarantined.some((each) => each.id === holderId)) return undefined
  const holder = journal.get(holderId)?.holder
  if (holder === undefined) return `no task ${holderId} is known here`
  const maker = makerOf(holder.spec, row)
  const { is } = rowState(holder, maker)
  if (is === 'unsure') return undefined
  if (is === 'none') {
    return holder.desired === 'running' ? undefined : `its task is over and gave ${row} back`
  }
  const held = knownId(holder, maker)
  if (held === undefined || held === id) return undefined
  return `its task holds ${held} as ${row}, and one is enough`
}

function suspectOwn(
  { journal, journalSince }: Asking,
  thing: Thing,
  claims: EnisClaimed,
): Suspect[] {
  const why = unclaimed(journal, thing, claims)
  if (why === undefined) return []
  const isUnknown = thing.wears !== undefined && journal.get(thing.wears.holderId) === undefined
  const since = inUseSince(thing)
  const isEarlier = isUnknown && since !== undefined && since < journalSince
  return [{ is: 'orphan', thing, why, isEarlier }]
}

function suspectEni(asking: Asking, eni: SeenEni, claims: EnisClaimed): Suspect[] {
  const { journal, instanceId } = asking
  const { wears, attachment } = eni
  const owner = claims.get(eni.eniId)
  const odd = (why: string): Suspect[] => [
    { is: 'odd', thing: eni, why, ...(owner === undefined ? {} : { owner }) },
  ]
  if (wears === undefined) {
    if (isLent(journal.get(owner?.holderId ?? '')?.holder.spec, owner?.row)) return []
    const isUnheard = unheardOf(journal).some(({ eniId }) => eniId === eni.eniId)
    if (owner === undefined && isUnheard) return late(asking, eni)
    return odd(owner === undefined ? 'it wears only a part of our mark' : STRIPPED)
  }
  if (wears.instanceId !== instanceId) {
    if (owner !== undefined) return odd(`it wears the mark of ${wears.instanceId}; ${STRIPPED}`)
    const isFree = eni.status === 'available' && attachment === undefined
    const why = `made by instance ${wears.instanceId}, and attached to nothing`
    return isFree ? [{ is: 'stranded', thing: eni, why }] : []
  }
  const isOurs = attachment === undefined || attachment.instanceId === instanceId
  if (unclaimed(journal, eni, claims) !== undefined) {
    if (!isOurs) return odd(`no task claims it, but ${attachment.instanceId} has it attached`)
    if (attachment?.deviceIndex === 0) return odd('it is the first interface of this instance')
  }
  return suspectOwn(asking, eni, claims)
}

/** Nothing to say of one that is free, or plugged in elsewhere by its owner. */
export function late({ journal, instanceId }: Asking, eni: SeenEni): Suspect[] {
  const owner = explaining(unheardOf(journal), eni, instanceId)
  if (owner === undefined || enisClaimed(journal).has(eni.eniId)) return []
  const why =
    `it is attached at index ${owner.deviceIndex}, which was chosen for its task ${owner.holderId}, ` +
    'now over: by an Attach that EC2 carried out late, or by its owner'
  return [{ is: 'late', thing: eni, why, owner }]
}

/** As an ENI: what another instance allocated is its own, unless it stands for nothing any more. */
function suspectAddress(asking: Asking, address: SeenAddress, claims: EnisClaimed): Suspect[] {
  const { wears, associationId } = address
  if (wears.instanceId === asking.instanceId) return suspectOwn(asking, address, claims)
  const isKnown = asking.journal.get(wears.holderId) !== undefined
  if (isKnown || associationId !== undefined) return []
  const why = `allocated by instance ${wears.instanceId}, and associated with nothing`
  return [{ is: 'stranded', thing: address, why }]
}

const STRIPPED =
  'our tags were taken off: the policy lets us neither delete it nor put them back. ' +
  'Restore enid:instance, enid:holder and enid:row, or delete it when its task is over'

/** The holder and row that a suspect is about, where it says so. */
export function ownerOf(suspect: Suspect): Partial<Pick<Steady, 'holderId' | 'row'>> {
  if (suspect.is === 'missing' || suspect.is === 'changed') return suspect.owner
  if (suspect.is === 'late') return suspect.owner
  return (suspect.is === 'odd' ? suspect.owner : undefined) ?? suspect.thing.wears ?? {}
}

/** Whether it is about a row that a holder holds, rather than about a thing in the world. */
export const isOfRow = (
  suspect: Suspect,
): suspect is Extract<Suspect, { is: 'missing' | 'changed' }> =>
  suspect.is === 'missing' || suspect.is === 'changed'
