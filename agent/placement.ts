// Does one more task fit on this host, and what does it get: numbers over the journal, the machine,
// its ENI slots and the subnets. Every slot that a holder has or will have is counted from the moment it was begun,
// so two RunTasks at once never get the same one.

import type { SubnetFacts } from '../state/allocation.ts'
import { chooseSubnet, freeDeviceIndex } from '../state/allocation.ts'
import type { Entry, Journal } from '../state/journal.ts'
import type { Demand } from '../state/queue.ts'
import { demandOf, fits, less, takenBy } from '../state/queue.ts'
import { isSpare, poolOf } from '../state/spare.ts'
import type { EniSpec, Spec } from '../state/spec.ts'
import type { Holder, RowId, RowState } from '../state/task.ts'
import { isWaiting, kindOf, rowState } from '../state/task.ts'
import { Failure } from './failure.ts'
import { hasAddresses } from './fixed-address.ts'
import type { Capacity, Host, Room } from './orders.ts'
import { ownIndex, ownIndices } from './slots.ts'

export type PlacementFacts = {
  readonly host: Host
  readonly journal: Pick<Journal, 'all'>
  readonly capacity: Capacity
  /** Device indices on card 0 that are not ours: the instance's own, and other people's. */
  readonly foreignIndices: ReadonlySet<number>
  /** What is known of a subnet, or undefined when it was not asked for yet. */
  readonly subnet: (subnetId: string) => SubnetFacts | undefined
}

/**
 * The same as if there were no spares: what a launch can have, once those in its way are given up.
 */
export function withoutSpares(facts: PlacementFacts): PlacementFacts {
  const all = facts.journal.all()
  const spares = all.filter(({ holder }) => isSpare(holder))
  if (spares.length === 0) return facts
  const others = all.filter(({ holder }) => !isSpare(holder))
  const held = spares.filter(({ holder }) => rowState(holder, 'eni:0').is !== 'none')
  return {
    ...facts,
    journal: { all: () => others },
    subnet: (id) => {
      const known = facts.subnet(id)
      const own = held.filter(({ holder }) => poolOf(holder).subnetId === id).length
      return known && { ...known, freeAddressCount: known.freeAddressCount + own }
    },
  }
}

/** How many such tasks fit into what is free (all that is, unless told), and what is short. */
export function room(facts: PlacementFacts, spec: Spec, free: Demand = freeNow(facts)): Room {
  const { capacity, host } = facts
  const demand = demandOf(spec)
  const { cpuUnits, memoryMiB, eniCount } = demand
  const held = less(freeNow(facts), free)
  const counts = {
    'RESOURCE:CPU': times(free.cpuUnits, cpuUnits),
    'RESOURCE:MEMORY': times(free.memoryMiB, memoryMiB),
    'RESOURCE:ENI': Math.min(times(free.eniCount, eniCount), addressCount(facts, spec)),
  }
  const taskCount = Math.min(...Object.values(counts))
  const reasons = Object.keys(counts) as (keyof typeof counts)[]
  const reason = reasons.find((each) => counts[each] === taskCount) ?? 'RESOURCE:ENI'
  const details = {
    'RESOURCE:CPU': numbers('CPU units', capacity.cpuUnits, free.cpuUnits, cpuUnits, held.cpuUnits),
    'RESOURCE:MEMORY': numbers(
      ...(['MiB', capacity.memoryMiB, free.memoryMiB, memoryMiB, held.memoryMiB] as const),
    ),
    'RESOURCE:ENI': eniDetail(facts, spec.enis, held.eniCount),
  }
  const whole = { ...capacity, eniCount: host.eniCountMax - facts.foreignIndices.size }
  return { taskCount, reason, detail: details[reason], isTooBig: !fits(demand, whole) }
}

/** How many times there is so much: any number of times where it is nothing. */
const times = (free: number, demand: number): number =>
  demand === 0 ? Number.MAX_SAFE_INTEGER : Math.floor(free / demand)

function numbers(unit: string, all: number, free: number, need: number, held: number): string {
  const used = all - free - held
  const kept = held === 0 ? '' : `, ${held} are held for a task that waits`
  return `this host has ${all} ${unit} for tasks, ${used} are in use${kept}; the task needs ${need}`
}

function eniDetail(facts: PlacementFacts, enis: readonly EniSpec[], held = 0): string {
  const { host } = facts
  const all = here(facts, [...new Set(enis.flatMap(({ subnetIds }) => subnetIds))])
  const named = all.map(({ subnetId, freeAddressCount: free }) =>
    Number.isFinite(free) ? `${subnetId} ${free}` : `${subnetId} any number (IPv6 alone)`,
  )
  const spareCount = facts.journal
    .all()
    .reduce((sum, { holder }) => sum + (isSpare(holder) ? slotsOf(holder) : 0), 0)
  return (
    `${host.instanceType} carries ${host.eniCountMax} ENIs, ${slotsUsed(facts)} are in use` +
    (spareCount === 0 ? '' : ` (${spareCount} of them by warm spares)`) +
    (held === 0 ? '' : `, ${held} are held for a task that waits`) +
    (enis.length === 1 ? '; ' : `, and the task takes ${enis.length}; `) +
    (all.length === 0
      ? `none of the subnets is in this host's zone ${host.availabilityZone}`
      : `free addresses: ${named.join(', ')}`)
  )
}

const here = (facts: PlacementFacts, ids: readonly string[]): SubnetFacts[] =>
  known(facts, ids).filter((s) => s.availabilityZone === facts.host.availabilityZone)

/** How many such tasks find addresses, as far as is known. A lent ENI takes a slot, and no address. */
export function addressCount(facts: PlacementFacts, { enis }: Spec): number {
  const made = enis.filter(({ lentEniId }) => lentEniId === undefined)
  const counts = made.map(({ subnetIds }) => {
    const addresses = here(facts, subnetIds).reduce((sum, s) => sum + s.freeAddressCount, 0)
    // Those of a task that may come from the same subnets share what is free there.
    const sharing = made.filter((other) => other.subnetIds.some((id) => subnetIds.includes(id)))
    return Math.floor(addresses / sharing.length)
  })
  return Math.min(...counts, Number.MAX_SAFE_INTEGER)
}

/** Whether the task's subnets have an address for each of its ENIs, as far as is known. */
export const hasAddress = (facts: PlacementFacts, spec: Spec): boolean =>
  addressCount(facts, spec) > 0

/** What this host has left, for all tasks that are placed. */
export function freeNow(facts: PlacementFacts): Demand {
  const { capacity, host, journal } = facts
  const used = journal.all().map(({ holder }) => takenBy(holder))
  return less(
    { ...capacity, eniCount: host.eniCountMax },
    {
      cpuUnits: used.reduce((sum, { cpuUnits }) => sum + cpuUnits, 0),
      memoryMiB: used.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0),
      eniCount: slotsUsed(facts),
    },
  )
}

/** ENI slots in use or promised: foreign ones, and one per ENI of every holder not yet down. */
export function slotsUsed({ journal, foreignIndices }: PlacementFacts): number {
  return journal.all().reduce((sum, { holder }) => sum + slotsOf(holder), foreignIndices.size)
}

function slotsOf(holder: Holder): number {
  if (isWaiting(holder)) return 0
  if (holder.desired === 'running') return holder.spec.enis.length
  return holder.spec.enis.filter((_, n) => ownIndex(holder, n) !== undefined).length
}

/**
 * The subnet of an `eni` row, the device index of an `attachment` row, undefined for other rows.
 * Throws a Failure `refused` with the numbers when every choice is taken or struck.
 */
export function choose(facts: PlacementFacts, { holder }: Entry, row: RowId): string | undefined {
  const { host } = facts
  const { struck } = rowState(holder, row)
  if (kindOf(row) === 'eni') {
    const eni = holder.spec.enis[Number(row.slice('eni:'.length))]
    // A lent ENI is where it is.
    if (eni === undefined || eni.lentEniId !== undefined) return undefined
    const { subnetIds } = eni
    const unknown = subnetIds.find((id) => facts.subnet(id) === undefined)
    if (unknown !== undefined) {
      throw new Failure('transient', 'SubnetNotKnown', `EC2 was not asked about ${unknown} yet`, {
        hint: 'It is being asked; see that the EC2 endpoint can be reached.',
      })
    }
    const fitting = known(facts, subnetIds).filter((subnet) => hasAddresses(subnet, eni))
    const subnetId = chooseSubnet(fitting, host.availabilityZone, struck)
    if (subnetId !== undefined) return subnetId
    throw new Failure(
      'refused',
      'RESOURCE:ENI',
      `no subnet left to take an address from: ${tried(rowState(holder, row))}; ${eniDetail(facts, [eni])}`,
      {
        hint: `Name a subnet in ${host.availabilityZone} with free addresses`,
      },
    )
  }
  if (kindOf(row) === 'attachment') {
    const index = freeDeviceIndex(host.eniCountMax, indicesTaken(facts), struck)
    if (index !== undefined) return String(index)
    throw new Failure(
      'refused',
      'RESOURCE:ENI',
      `no device index left on ${host.instanceType}: ` +
        `${tried(rowState(holder, row))}; ${slotsUsed(facts)} of ${host.eniCountMax} ENIs are in use`,
      {
        hint: 'Stop a task, or use a larger instance type',
      },
    )
  }
  return undefined
}

const indicesTaken = ({ journal, foreignIndices }: PlacementFacts): Set<number> =>
  new Set([...foreignIndices, ...ownIndices(journal)])

const known = ({ subnet }: PlacementFacts, ids: readonly string[]): SubnetFacts[] =>
  ids.flatMap((id) => subnet(id) ?? [])

/** With EC2's own word for each: a full subnet is another thing than a fragmented one. */
function tried({ struck, struckBy = [] }: Pick<RowState, 'struck' | 'struckBy'>): string {
  const each = struck.map((choice, n) => `${choice} (${struckBy[n]})`)
  return each.length === 0 ? 'none was declined' : `declined were ${each.join(', ')}`
}
