// Drift: the links of running tasks compared with what they should be, as soon as the kernel tells
// of a change in their namespace, and every ten seconds for what it did not tell. Nothing is decided
// or mended here: the runner is told, and ensures the link again.
//
//   something changed in a namespace ── 30 ms ──▶ look ──▶ doubted, or lost when the card is gone
//
// Our own mending is heard as well: the look that follows finds nothing. Somebody who undoes it again
// and again is answered at once, then twice a second for a while, then every ten seconds.

import type { Entry, Journal } from '../state/journal.ts'
import type { HolderId } from '../state/spec.ts'
import type { Event, Holder, RowId } from '../state/task.ts'
import { kindOf, rowState, rows } from '../state/task.ts'
import type { Clock } from './clock.ts'
import type { Details } from './drivers/driver.ts'
import type { Kernel } from './drivers/kernel/kernel.ts'
import { KernelError } from './drivers/kernel/kernel-error.ts'
import type { LinkExpectation } from './drivers/kernel/link.ts'
import { expectationOf, GONE_MS, linkGone } from './drivers/link.ts'
import { sentence } from './failure.ts'
import { jobOf } from './job.ts'
import type { Host } from './orders.ts'
import { TokenBucket } from './token-bucket.ts'

/** How often the links of running tasks are looked at whatever was heard, milliseconds. */
export const LINK_CHECK_MS = 10_000
/**
 * Many links are looked at less often, so many milliseconds for each: a look takes 0.75 ms of processor
 * time, and at 100 links every ten seconds that was most of what the agent did at rest (0.9 % of a core).
 */
export const LINK_SHARE_MS = 500
/** From the first word of a change to the look: changes come in bunches. Milliseconds. */
export const SETTLE_MS = 30
/** Between two looks at one task for what was heard, milliseconds. */
export const PACE_MS = 500
/** Doubts of one task for what was heard: so many at that pace, then one every ten seconds. */
export const DOUBTS = { burst: 20, perSecond: 1000 / LINK_CHECK_MS }
export type LinkWatchOptions = {
  readonly journal: Journal
  readonly kernel: Pick<Kernel, 'verify' | 'findLink' | 'onChange'>
  readonly host: Host
  readonly clock: Clock
  readonly tell: (id: HolderId, event: Event) => void
  readonly onDefect: (error: unknown) => void
}

/** Watches the links of running tasks until the returned order ends it. */
export function watchLinks(options: LinkWatchOptions): () => void {
  const watch = new LinkWatch(options)
  return () => watch.end()
}

/** A namespace in which something changed. */
type Place = {
  /** When it was looked at last, by the clock that never jumps; never yet is long ago. */
  lookedAt: number
  /** Cancels the look that is to come. */
  cancel: (() => void) | undefined
  readonly doubts: TokenBucket
}

class LinkWatch {
  readonly #options: LinkWatchOptions
  readonly #places = new Map<string, Place>()
  readonly #deafen: () => void
  #cancelRound = () => {}
  #isOver = false

  constructor(options: LinkWatchOptions) {
    this.#options = options
    this.#deafen = options.kernel.onChange((netns) => this.#lookAfter(netns, SETTLE_MS))
    this.#nextRound()
  }

  end(): void {
    this.#isOver = true
    this.#deafen()
    this.#cancelRound()
    for (const { cancel } of this.#places.values()) cancel?.()
  }

  #nextRound(): void {
    if (this.#isOver) return
    const count = this.#options.journal.living().flatMap(linksOf).length
    const ms = Math.max(LINK_CHECK_MS, count * LINK_SHARE_MS)
    this.#cancelRound = this.#options.clock.after(ms, () => {
      this.#round().then(() => this.#nextRound(), this.#options.onDefect)
    })
  }

  async #round(): Promise<void> {
    const { journal } = this.#options
    const live = new Set(journal.living().map(({ holder }) => liveNetnsOf(holder)))
    for (const netns of this.#places.keys()) if (!live.has(netns)) this.#places.delete(netns)
    for (const entry of journal.living()) {
      for (const row of linksOf(entry)) await this.#check(entry, row, () => true)
    }
  }

  /** Has the place looked at in so long, and no sooner than its pace allows; once is enough. */
  #lookAfter(netns: string, ms: number): void {
    const { clock, onDefect } = this.#options
    if (this.#isOver) return
    const now = clock.elapsed()
    const place = this.#places.get(netns) ?? {
      lookedAt: Number.NEGATIVE_INFINITY,
      cancel: undefined,
      doubts: new TokenBucket(DOUBTS, 1, now),
    }
    this.#places.set(netns, place)
    place.cancel ??= clock.after(Math.max(ms, place.lookedAt + PACE_MS - now), () => {
      place.cancel = undefined
      place.lookedAt = clock.elapsed()
      this.#look(netns, place).catch(onDefect)
    })
  }

  async #look(netns: string, { doubts }: Place): Promise<void> {
    const { journal, clock } = this.#options
    const entry = entryAt(journal, netns)
    if (entry === undefined) return
    const links = linksOf(entry)
    // What changes while a link is being put right, or before the task runs, is looked at then.
    if (!links.every((row) => isSteady(entry, row))) this.#lookAfter(netns, PACE_MS)
    for (const row of links) {
      if (await this.#check(entry, row, () => doubts.take(clock.elapsed()))) continue
      this.#lookAfter(netns, doubts.msUntil(1, clock.elapsed()))
    }
  }

  /** Looks at one link and tells what follows. False when that is a doubt and there may be none. */
  async #check(entry: Entry, row: RowId, mayDoubt: () => boolean): Promise<boolean> {
    if (!isSteady(entry, row)) return true
    const event = await this.#eventOf(entry, row)
    const now = this.#options.journal.get(entry.id)
    if (event === undefined || now === undefined || this.#isOver || !isSteady(now, row)) return true
    if (event.type === 'doubted' && !mayDoubt()) return false
    this.#options.tell(entry.id, event)
    return true
  }

  async #eventOf(entry: Entry, row: RowId): Promise<Event | undefined> {
    const { kernel, host, clock } = this.#options
    const job = jobOf(entry, { verb: 'ensure', row, again: true })
    const wanted = expectationOf(job, host)
    try {
      const differences = await kernel.verify(wanted)
      if (differences.length === 0) return undefined
      if (differences.some(({ what }) => what === 'mac') && (await this.#isGone(wanted))) {
        await new Promise<void>((resolve) => clock.after(GONE_MS, resolve))
        if (await this.#isGone(wanted)) {
          const failure = linkGone()
          return { type: 'lost', row, cause: { code: failure.code, message: sentence(failure) } }
        }
      }
      const why = differences.map((d) => `${d.what}: ${d.expected}, seen ${d.seen}`).join('; ')
      return { type: 'doubted', row, why }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      return { type: 'doubted', row, why: error.message }
    }
  }

  /** Whether the card is neither in the task nor on the host. */
  async #isGone({ mac, netns }: LinkExpectation): Promise<boolean> {
    const { kernel } = this.#options
    return (await kernel.findLink(mac, netns)) === undefined && !(await kernel.findLink(mac))
  }
}

/** The holder whose namespace this is, as long as it is to run. */
const entryAt = (journal: Journal, netns: string): Entry | undefined =>
  journal.living().find(({ holder }) => liveNetnsOf(holder) === netns)

/** The namespace of a holder that is to run. */
function liveNetnsOf(holder: Holder): string | undefined {
  if (holder.desired !== 'running') return undefined
  return (rowState(holder, 'sandbox').details as Details['sandbox'] | undefined)?.netns
}

const linksOf = ({ holder }: Entry): RowId[] =>
  rows(holder.spec).flatMap(({ id }) => (kindOf(id) === 'link' ? [id] : []))

/** Running, and nothing is being done about this link at the moment. */
const isSteady = ({ holder }: Entry, row: RowId): boolean =>
  holder.ran && holder.desired === 'running' && rowState(holder, row).is === 'held'
