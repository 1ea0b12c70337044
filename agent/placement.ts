// Does one more task fit on this host, and what does it get: numbers over the journal, the host and
// the subnets. Every slot that a holder has or will have is counted from the moment it was begun,
// so two RunTasks at once never get the same one.

import type { SubnetFacts } from '../state/allocation.ts'
import { chooseSubnet, freeDeviceIndex } from '../state/allocation.ts'
import type { Entry, Journal } from '../state/journal.ts'
import type { EniSpec } from '../state/spec.ts'
import type { Holder, RowId } from '../state/task.ts'
import { kindOf, rowState } from '../state/task.ts'
import { Failure } from './failure.ts'
import { hasAddresses } from './fixed-address.ts'
import type { Host, Room } from './orders.ts'
import { ownIndex, ownIndices } from './slots.ts'

export type PlacementFacts = {
  readonly host: Host
  readonly journal: Journal
  /** Device indices on card 0 that are not ours: the instance's own, and other people's. */
  readonly foreignIndices: ReadonlySet<number>
  /** What is known of a subnet, or undefined when it was not asked for yet. */
  readonly subnet: (subnetId: string) => SubnetFacts | undefined
}

/** How many tasks with these ENIs fit now, and why not more. A lent ENI takes a slot, and no address. */
export function room(facts: PlacementFacts, enis: readonly EniSpec[]): Room {
  const { host } = facts
  const used = slotsUsed(facts)
  const free = Math.max(0, host.eniCountMax - used)
  const made = enis.filter(({ lentEniId }) => lentEniId === undefined)
  const here = (ids: readonly string[]) =>
    known(facts, ids).filter((s) => s.availabilityZone === host.availabilityZone)
  const fitting = made.map(({ subnetIds }) => {
    const addresses = here(subnetIds).reduce((sum, s) => sum + s.freeAddressCount, 0)
    // Those of a task that may come from the same subnets share what is free there.
    const sharing = made.filter((other) => other.subnetIds.some((id) => subnetIds.includes(id)))
    return Math.floor(addresses / sharing.length)
  })
  const all = here([...new Set(enis.flatMap(({ subnetIds }) => subnetIds))])
  const named = all.map(({ subnetId, freeAddressCount }) => `${subnetId} ${freeAddressCount}`)
  const detail =
    `${host.instanceType} carries ${host.eniCountMax} ENIs, ${used} are in use` +
    (enis.length === 1 ? '; ' : `, and the task takes ${enis.length}; `) +
    (all.length === 0
      ? `none of the subnets is in this host's zone ${host.availabilityZone}`
      : `free addresses: ${named.join(', ')}`)
  return { taskCount: Math.min(Math.floor(free / Math.max(1, enis.length)), ...fitting), detail }
}

/** ENI slots in use or promised: foreign ones, and one per ENI of every holder not yet down. */
export function slotsUsed({ journal, foreignIndices }: PlacementFacts): number {
  return journal.all().reduce((sum, { holder }) => sum + slotsOf(holder), foreignIndices.size)
}

function slotsOf(holder: Holder): number {
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
      `no subnet left to take an address from: ${tried(struck)}; ${room(facts, [eni]).detail}`,
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
        `${tried(struck)}; ${slotsUsed(facts)} of ${host.eniCountMax} ENIs are in use`,
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

const tried = (struck: readonly string[]): string =>
  struck.length === 0 ? 'none was declined' : `declined were ${struck.join(', ')}`
