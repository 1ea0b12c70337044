// Which device indices of this instance are taken. Ours are in the journal; others' EC2 tells, once
// at the start, and again when a count of ours turns out to be wrong: EC2 refused an Attach for which
// there was a slot, or the host is full of what others may have taken away meanwhile.
//
//   journal ─▶ own, until EC2 is done with the ENI      EC2 ─▶ plugged, but no holder's ─▶ foreign

import type { Catalog } from '../state/catalog.ts'
import { StateFileUnwritable } from '../state/database.ts'
import type { Journal } from '../state/journal.ts'
import type { Holder } from '../state/task.ts'
import { rowState } from '../state/task.ts'
import type { Clock } from './clock.ts'
import type { Ec2 } from './drivers/ec2.ts'
import { pluggedEnis } from './drivers/host.ts'
import { Failure } from './failure.ts'
import { claimedEniIds } from './suspects.ts'

/**
 * The index that the holder's n-th ENI has, or may have. EC2 answers a Detach before it is through,
 * and the slot is free only then: when the ENI could be deleted.
 */
export function ownIndex(holder: Holder, n: number): number | undefined {
  const { is, choice } = rowState(holder, `attachment:${n}`)
  const isGone = is === 'none' && rowState(holder, `eni:${n}`).is === 'none'
  return isGone || choice === undefined ? undefined : Number(choice)
}

/** The indices of all holders. */
export const ownIndices = (journal: Pick<Journal, 'all'>): Set<number> =>
  new Set(
    journal.all().flatMap(({ holder }) => {
      const indices = holder.spec.enis.map((_, n) => ownIndex(holder, n))
      return indices.filter((index) => index !== undefined)
    }),
  )

/**
 * The indices that others use, the instance's own interface (0) always among them, as EC2 tells them
 * now; kept for a start without EC2. Throws the Failure of the describe.
 */
export async function askForeign(
  { ec2, journal, catalog }: { ec2: Ec2; journal: Journal; catalog: Catalog },
  instanceId: string,
  signal: AbortSignal,
): Promise<Set<number>> {
  // EC2's picture is of some time between: what was ours on either side of it was ours in it.
  const before = claimedEniIds(journal)
  const plugged = await pluggedEnis(ec2, instanceId, signal)
  const ours = new Set([...before, ...claimedEniIds(journal)])
  const foreign = plugged.filter(({ eniId }) => !ours.has(eniId))
  const indices = new Set([0, ...foreign.map(({ deviceIndex }) => deviceIndex)])
  try {
    catalog.putFact('foreignIndices', JSON.stringify([...indices]))
  } catch (error) {
    // What cannot be kept now is only not known at a start without EC2.
    if (!(error instanceof StateFileUnwritable)) throw error
  }
  return indices
}

/** No sooner than this is EC2 asked whether others have gone, milliseconds. */
const FULL_MS = 60_000

export type ForeignOptions = {
  readonly first: ReadonlySet<number>
  readonly ask: () => Promise<ReadonlySet<number>>
  readonly clock: Clock
  /** Told why EC2 could not be asked; what was known stands. */
  readonly onFailure: (failure: Failure) => void
  readonly onDefect: (error: unknown) => void
}

/** What is known of the indices that others use. Nobody waits for it: it is asked for beside. */
export class ForeignIndices {
  readonly #options: ForeignOptions
  #known: ReadonlySet<number>
  #askedAt: number
  #isAsking = false

  constructor(options: ForeignOptions) {
    this.#options = options
    this.#known = options.first
    this.#askedAt = options.clock.elapsed()
  }

  get known(): ReadonlySet<number> {
    return this.#known
  }

  /** EC2 refused an Attach at a slot that we took for free. */
  wereMore(): void {
    this.#ask()
  }

  /** There is no room. Where others are part of the reason, they may have gone. */
  mayHaveGone(): void {
    const agoMs = this.#options.clock.elapsed() - this.#askedAt
    if (this.#known.size > 1 && agoMs >= FULL_MS) this.#ask()
  }

  #ask(): void {
    const { ask, clock, onFailure, onDefect } = this.#options
    if (this.#isAsking) return
    this.#isAsking = true
    this.#askedAt = clock.elapsed()
    ask()
      .then((known) => {
        this.#known = known
      })
      .catch((error) => (error instanceof Failure ? onFailure(error) : onDefect(error)))
      .finally(() => {
        this.#isAsking = false
      })
  }
}
