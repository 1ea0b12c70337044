// Who of those that wait for room gets it. Pure. First come, first served, with two exceptions, so
// that nobody waits for ever for somebody else:
//
//   a small one behind a big one that does not fit   passes it, for a while
//   a big one that was passed for that long          room is held for it, for a while, then longer
//
// Room is held for the oldest alone, in turns: a minute in which it may be passed, then a minute in
// which nobody behind it may use what it needs; then one and two, one and four, and so on. A task that
// ends at all therefore makes room for a big one, and no small one waits longer than such a turn.

import type { HolderId, Spec } from './spec.ts'
import type { Holder } from './task.ts'
import { isWaiting, kindOf, rowState, rows } from './task.ts'

/** What a task takes up of its host. */
export type Demand = {
  readonly cpuUnits: number
  readonly memoryMiB: number
  readonly eniCount: number
}

/** One that waits. */
export type Waiter = {
  readonly id: HolderId
  /** Since when, milliseconds since the epoch. */
  readonly since: number
  readonly demand: Demand
  /** Whether a subnet of its has an address: that is not this host's to hold. */
  readonly hasAddress: boolean
}

/** Nobody takes up anything. */
export const NOTHING: Demand = { cpuUnits: 0, memoryMiB: 0, eniCount: 0 }

/** Docker's shares of a container without cpu: it has no part of a CPU to itself. */
const NO_CPU = 2

/** ECS: what the whole task says, else what its containers reserve together. */
export function demandOf({ cgroup, containers, enis }: Spec): Demand {
  const shares = containers.map(({ cpuShares = 0 }) => (cpuShares <= NO_CPU ? 0 : cpuShares))
  const reserved = containers.map((c) => c.memoryReservationMiB ?? c.memoryMiB ?? 0)
  return {
    cpuUnits: cgroup?.cpuUnits ?? sum(shares),
    memoryMiB: cgroup?.memoryMiB ?? sum(reserved),
    eniCount: enis.length,
  }
}

/** CPU and memory that a holder takes up now: until the last of its containers is gone. */
export function takenBy(holder: Holder): Pick<Demand, 'cpuUnits' | 'memoryMiB'> {
  const known = taken.get(holder) ?? reckon(holder)
  taken.set(holder, known)
  return known
}

/** A holder never changes, so neither does what it takes up; all are added up for each launch. */
const taken = new WeakMap<Holder, Pick<Demand, 'cpuUnits' | 'memoryMiB'>>()

function reckon(holder: Holder): Pick<Demand, 'cpuUnits' | 'memoryMiB'> {
  const isGone = rows(holder.spec).every(
    ({ id }) => kindOf(id) !== 'container' || rowState(holder, id).is === 'none',
  )
  const isFree = isWaiting(holder) || (holder.desired === 'stopped' && isGone)
  return isFree ? NOTHING : demandOf(holder.spec)
}

/** Whether there is so much. */
export const fits = (demand: Demand, free: Demand): boolean =>
  demand.cpuUnits <= free.cpuUnits &&
  demand.memoryMiB <= free.memoryMiB &&
  demand.eniCount <= free.eniCount

/** What is left; never less than nothing. */
export const less = (free: Demand, demand: Demand): Demand => ({
  cpuUnits: Math.max(0, free.cpuUnits - demand.cpuUnits),
  memoryMiB: Math.max(0, free.memoryMiB - demand.memoryMiB),
  eniCount: Math.max(0, free.eniCount - demand.eniCount),
})

/** How long the first turns are, milliseconds (judgement: a task takes seconds to start). */
export const TURN_MS = 60_000

/** Whether room is held for one that has waited so long: in turns, each twice as long as the last. */
export function isHeldFor(waitedMs: number): boolean {
  let passed = 0
  for (let turnMs = TURN_MS; ; turnMs *= 2) {
    if (waitedMs < passed + TURN_MS) return false
    if (waitedMs < passed + TURN_MS + turnMs) return true
    passed += TURN_MS + turnMs
  }
}

/** Who is admitted now, oldest first, and what is left for whoever does not wait. */
export function admit(
  waiters: readonly Waiter[],
  free: Demand,
  now: number,
): { readonly admitted: readonly HolderId[]; readonly left: Demand } {
  const admitted: HolderId[] = []
  let left = free
  let isFirst = true
  for (const { id, since, demand, hasAddress } of waiters) {
    if (fits(demand, left)) {
      if (!hasAddress) continue
      admitted.push(id)
      left = less(left, demand)
      continue
    }
    if (isFirst && hasAddress && isHeldFor(now - since)) left = less(left, demand)
    isFirst = false
  }
  return { admitted, left }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
