// The end of the instance: announced now and then, and then taken back, or outlived, or true. It says
// what IMDS announces, keeps the drain's facts from life to life, and checks what must come of it.

import { Drain, type Notice, stopDrained } from '../../agent/drain.ts'
import type { Job } from '../../agent/drivers/driver.ts'
import type { Runner } from '../../agent/runner.ts'
import type { Journal } from '../../state/journal.ts'
import type { HolderId, Json } from '../../state/spec.ts'
import type { Verb } from '../../state/task.ts'
import { rowState } from '../../state/task.ts'
import { Broken } from './checks.ts'
import type { Chance, LifeClock, Timeline } from './time.ts'
import type { SimWorld } from './world.ts'

/** EC2's notice before it takes a spot instance, milliseconds. */
const NOTICE_MS = 120_000

/** One life of the agent, as far as its end matters. */
export type Mortal = {
  readonly drain: Drain
  readonly journal: Journal
  readonly runner: Runner
}

export type EndingOptions = {
  readonly world: SimWorld
  readonly timeline: Timeline
  readonly chance: Chance
  readonly quarantined: ReadonlySet<HolderId>
}

export class Ending {
  readonly #facts = new Map<string, string>()
  readonly #options: EndingOptions
  #notice: Notice | undefined
  /** When it is true, in the world's own time. */
  #endsAt = 0
  /** How far the host's clock was off as it was said; and whether somebody set that clock since. */
  #skewMs = 0
  #isClockSet = false
  /** ENIs, by task and number, whose guard was held as it was told to stop: EC2 deletes them. */
  readonly #covered = new Set<string>()

  constructor(options: EndingOptions) {
    this.#options = options
  }

  /** The drain of a new life, over what the earlier ones wrote down. */
  born(clock: LifeClock, mayWrite: () => void): Drain {
    const catalog = {
      jsonFact: (name: string): Json | undefined => {
        const text = this.#facts.get(name)
        return text === undefined ? undefined : (JSON.parse(text) as Json)
      },
      putFact: (name: string, value: string) => {
        mayWrite()
        this.#facts.set(name, value)
      },
      forgetFact: (name: string) => {
        mayWrite()
        this.#facts.delete(name)
      },
    }
    return new Drain({ catalog, clock, bootId: 'boot' })
  }

  announce(actions: readonly Notice['action'][]): void {
    const { timeline, chance } = this.#options
    this.#endsAt = timeline.now + NOTICE_MS
    this.#skewMs = timeline.skewMs
    this.#isClockSet = false
    this.#covered.clear()
    const at = this.#endsAt + timeline.skewMs
    this.#notice = { from: 'spot', action: chance.pick(actions), at }
  }

  withdraw(): void {
    this.#notice = undefined
    this.#covered.clear()
  }

  /** What the agent does at its start, and every five seconds. Throws where the disk is full, as the agent's look does. */
  look({ drain, journal, runner }: Mortal): void {
    const news = this.#notice && drain.announce(this.#notice)
    if (this.#notice === undefined) drain.withdraw()
    this.#cover(journal)
    stopDrained(drain, journal, runner, this.#options.timeline.now)
    // A life that begins with another clock reckons with another end.
    if (this.#options.timeline.skewMs !== this.#skewMs) this.#isClockSet = true
    // By a clock that was set forth it may be an old picture when a life first sees it.
    if (this.#notice === undefined || news === 'outlived') return
    for (const { id, holder } of journal.all()) {
      if (holder.desired === 'running') throw new Broken(`drain: ${id} is still to run`)
    }
  }

  /** Before anybody is told to stop: a release that has begun by now may go on. */
  #cover(journal: Journal): void {
    if (this.#notice?.action !== 'terminate') return
    for (const { id, holder } of journal.all()) {
      for (const n of holder.spec.enis.keys()) {
        // One whose card is gone has lost its guard, for all anybody can tell, where that is why its task stops.
        const isHeld =
          rowState(holder, `guard:${n}`).is === 'held' && holder.stop?.row !== `link:${n}`
        if (isHeld) this.#covered.add(`${id} ${n}`)
      }
    }
  }

  /** EC2 is not called for what it deletes by itself, as long as that may still happen. */
  effect(verb: Verb, { holderId, row }: Job): void {
    const { timeline } = this.#options
    const isOver = timeline.now >= this.#endsAt || this.#isClockSet
    const n = /^(?:eni|attachment|guard):(\d+)$/.exec(row)?.[1]
    if (verb !== 'release' || isOver) return
    if (n !== undefined && this.#covered.has(`${holderId} ${n}`)) {
      throw new Broken(`drain: ${row} of ${holderId} is released, and EC2 deletes it`)
    }
  }

  /** Whether the announced moment has come. */
  get isDue(): boolean {
    return this.#options.timeline.now >= this.#endsAt
  }

  /** The instance is gone, and with it what was guarded. Nothing of ours ran, and nothing is left. */
  checkEnd({ all }: { all: ReturnType<Journal['all']> }): void {
    const { world, quarantined } = this.#options
    const journal = new Map(all.map(({ id, holder }) => [id, holder]))
    /** What came late, after its row was given back, is the sweep's: here, that of another host. */
    const isLate = (id: HolderId, row: string) => {
      const holder = journal.get(id)
      return (
        quarantined.has(id) ||
        holder === undefined ||
        rowState(holder, row as 'sandbox').is === 'none'
      )
    }
    for (const { holderId, row, state } of world.containers.values()) {
      if (state === 'running' && !isLate(holderId, row)) {
        throw new Broken(`drain: ${row} of ${holderId} runs at the end`)
      }
    }
    for (const { eniId, holderId, row, guarded, index, isTheirs } of world.enis.values()) {
      // What is lent outlives whatever it was lent to.
      if (isTheirs) continue
      const isTaken = guarded && index !== undefined
      // What somebody did to it moments before, nobody can have seen; another host's sweep finds it.
      const isSeen = journal.get(holderId)?.stop?.row === row.replace('eni', 'link')
      const isHurt = world.unguarded.has(eniId) || (world.dragged.has(eniId) && !isSeen)
      if (!isTaken && !isHurt && !isLate(holderId, row)) {
        const held = JSON.stringify(journal.get(holderId)?.rows)
        throw new Broken(`drain: ${eniId} of ${holderId} outlives the instance: ${held}`)
      }
    }
  }
}
