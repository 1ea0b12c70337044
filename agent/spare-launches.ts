// How tasks are launched where there are spares: as which of them, when they ran, and how many were
// served in which way. In memory; what ran before is read off the journal.

import type { Entry, Journal } from '../state/journal.ts'
import type { Fit, Placed, PoolPlace, Way } from '../state/spare.ts'
import { misfit, poolKey, takingOver } from '../state/spare.ts'
import type { Launched } from '../state/spare-plan.ts'
import { LEARNED_MS } from '../state/spare-plan.ts'
import type { HolderId, Spec } from '../state/spec.ts'
import type { Holder } from '../state/task.ts'
import { rowState } from '../state/task.ts'

/** How long a launch waits for the slot of a spare: EC2 takes seconds, and is away now and then. */
const SLOT_WAIT_MS = 600_000
/** So many that are over are read at the start. */
const ENDED_MAX = 100

/** What tasks may take. */
export type Supply = {
  /** The spares that fit, the best first. */
  readonly fits: readonly (Fit & { readonly pool: PoolPlace })[]
  readonly slots: number
  /** For how many such tasks there are addresses. */
  readonly addresses: number
  /** How many more may wait. */
  readonly waiters: number
}

type Served = Readonly<Record<Way, number>>
const NONE: Served = { warm: 0, groups: 0, cold: 0 }

export class SpareLaunches {
  readonly #launched: Launched[] = []
  /** Tasks on their way up, to be counted as launched when they run. */
  readonly #starting = new Set<HolderId>()
  /** The spares as which tasks are being begun. */
  readonly #placed = new Map<HolderId, Supply['fits'][number]>()
  readonly #newId: () => HolderId
  readonly #served = new Map<string, Served>()
  /** When the last one was begun, milliseconds since the epoch. */
  latestAt: number | undefined

  /** `entries`: what there was before. `newId`: of tasks that take over no spare. */
  constructor(entries: readonly Entry[], newId: () => HolderId) {
    this.#newId = newId
    for (const { id, holder, timeline } of entries) {
      if (holder.spec.kind !== 'task' || misfit(holder.spec) !== undefined) continue
      if (timeline.startedAt !== undefined) this.#add(holder, timeline.startedAt)
      else if (holder.desired === 'running') this.#starting.add(id)
    }
  }

  /** What ran within the time that pools are learned from. */
  since(now: number): readonly Launched[] {
    const first = this.#launched.findIndex(({ at }) => now - at < LEARNED_MS)
    this.#launched.splice(0, first < 0 ? this.#launched.length : first)
    return this.#launched
  }

  /**
   * How so many tasks begin: as the best spares there are, then on their own, then, as waiting ones,
   * when a spare has given up its slot. Fewer than asked for where no more may wait.
   */
  place(spec: Spec, count: number, supply: Supply): Placed[] {
    const fits = [...supply.fits]
    let { slots, addresses, waiters } = supply
    const eniCount = spec.enis.length
    this.#placed.clear()
    const placed: Placed[] = []
    for (let n = 0; n < count; n++) {
      const fit = slots >= eniCount - 1 ? fits.shift() : undefined
      if (fit !== undefined) {
        slots -= eniCount - 1
        this.#placed.set(fit.id, fit)
        placed.push({ id: fit.id, spec: takingOver(spec, fit), rows: fit.rows })
        continue
      }
      const id = this.#newId()
      if (slots >= eniCount && addresses > 0) {
        slots -= eniCount
        addresses -= 1
        placed.push({ id, spec })
      } else if (waiters > 0) {
        waiters -= 1
        placed.push({ id, spec: { ...spec, waitMs: Math.max(spec.waitMs ?? 0, SLOT_WAIT_MS) } })
      }
    }
    return placed
  }

  /** A task was begun as it was placed. The pool of the spare that it took over, if it did. */
  started(id: HolderId, holder: Holder, now: number): string | undefined {
    const fit = this.#placed.get(id)
    this.#placed.delete(id)
    this.latestAt = now
    if (misfit(holder.spec) === undefined) this.#starting.add(id)
    const key = poolKey(fit?.pool ?? placeOf(holder))
    const before = this.served(key)
    const way = fit?.way ?? 'cold'
    this.#served.set(key, { ...before, [way]: before[way] + 1 })
    return fit && key
  }

  /** Whether it is one that was begun, and runs now. */
  learn({ id, holder, timeline }: Entry): boolean {
    if (!this.#starting.has(id)) return false
    if (holder.ran || holder.desired === 'stopped') this.#starting.delete(id)
    if (holder.ran) this.#add(holder, timeline.startedAt ?? timeline.createdAt)
    return holder.ran
  }

  /** How launches were served: of one pool, or in all. */
  served(key?: string): Served {
    if (key !== undefined) return this.#served.get(key) ?? NONE
    return [...this.#served.values()].reduce(
      (sum, { warm, groups, cold }) => ({
        warm: sum.warm + warm,
        groups: sum.groups + groups,
        cold: sum.cold + cold,
      }),
      NONE,
    )
  }

  #add(holder: Holder, at: number): void {
    this.#launched.push({ ...placeOf(holder), at })
  }
}

/** The pool that a task is a launch of: its subnet is the one that it got. */
function placeOf(holder: Holder): PoolPlace {
  const { subnetIds = [], securityGroupIds = [] } = holder.spec.enis[0] ?? {}
  return { subnetId: rowState(holder, 'eni:0').choice ?? subnetIds[0] ?? '', securityGroupIds }
}

/** What is left of tasks, and the latest of those that are over: more of them would take long to read. */
export function latestOf(journal: Journal, now: number): Entry[] {
  const ended = journal.ended().filter(({ kind, stoppedAt }) => {
    return kind === 'task' && stoppedAt > now - LEARNED_MS
  })
  return [
    ...journal.living(),
    ...ended.slice(-ENDED_MAX).flatMap(({ id }) => journal.get(id) ?? []),
  ]
}
