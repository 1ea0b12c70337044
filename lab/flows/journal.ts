// The lab's memory of flows: the latest ones, and those who follow along. Its size is bounded. One who
// follows is served from the same memory, at the reader's own pace; who falls behind what is still
// remembered is told, and let go.

import { Readable } from 'node:stream'
import type { Lost, Verdict } from '../fabric/verdict.ts'
import { Refusal } from '../model/refusal.ts'
import type { World } from '../model/world.ts'
import { type Flow, flowOf, isWished, type Wish } from './flow.ts'
import { addressBook } from './owners.ts'

/** So many flows are remembered: a few megabytes. */
export const FLOWS_MAX = 10_000
/** They are forgotten by the thousand, which costs less than one by one. */
const FORGET = 1000
/** What waits for a reader beside that, in bytes. */
const STREAM_BYTES = 64 * 1024
const FOLLOWERS_MAX = 16

/** The latest flows and what is known of the others. */
export type Summary = {
  readonly flows: readonly Flow[]
  /** All lines since the lab started, the forgotten ones too. */
  readonly seen: number
  /** Verdicts that the kernel had no room for since the lab started. */
  readonly lost: number
}

/** Who follows: the number of the line that is next, and whether the reader wants it. */
type Follower = { readonly stream: Readable; readonly wish: Wish; next: number; wanting: boolean }

export class FlowJournal {
  readonly #world: () => World
  readonly #owner = addressBook()
  #flows: Flow[] = []
  #seen = 0
  #lost = 0
  readonly #followers = new Set<Follower>()

  constructor(world: () => World) {
    this.#world = world
  }

  /** Remembers verdicts, and tells those who follow. */
  add(heard: readonly (Verdict | Lost)[]): void {
    const world = this.#world()
    const flows = heard.map((each) =>
      flowOf(each, ++this.#seen, (address) => this.#owner(world, address)),
    )
    for (const flow of flows) if ('lost' in flow) this.#lost += flow.lost
    this.#flows.push(...flows)
    if (this.#flows.length > FLOWS_MAX + FORGET) this.#flows = this.#flows.slice(-FLOWS_MAX)
    for (const follower of this.#followers) this.#serve(follower)
  }

  /** The flows that are wished for, oldest first. */
  summary(wish: Wish): Summary {
    const world = this.#world()
    return {
      flows: this.#flows.slice(-FLOWS_MAX).filter((flow) => isWished(flow, wish, world)),
      seen: this.#seen,
      lost: this.#lost,
    }
  }

  /**
   * A stream of JSON lines (the first is empty): the flows there are, then each that comes. It ends when the reader goes
   * or the lab ends, or when the reader falls behind; then its last line says so (`cutOff`).
   */
  follow(wish: Wish): Readable {
    if (this.#followers.size >= FOLLOWERS_MAX) {
      throw new Refusal(
        'TooManyFollowers',
        `${FOLLOWERS_MAX} follow the flows already, and no more may: end one of them.`,
        429,
      )
    }
    const follower: Follower = {
      wish,
      next: this.#first,
      wanting: false,
      stream: new Readable({
        highWaterMark: STREAM_BYTES,
        read: () => {
          follower.wanting = true
          this.#serve(follower)
        },
        destroy: (error, done) => {
          this.#followers.delete(follower)
          done(error)
        },
      }),
    }
    this.#followers.add(follower)
    follower.stream.push('\n') // Has the answer begin, though there may be nothing to tell yet.
    return follower.stream
  }

  /** How many follow. */
  get followers(): number {
    return this.#followers.size
  }

  /** Forgets all flows; their numbers go on, and those who follow stay. */
  clear(): void {
    this.#flows = []
    for (const follower of this.#followers) follower.next = this.#first
  }

  /** Ends every stream. */
  close(): void {
    for (const { stream } of this.#followers) stream.push(null)
    this.#followers.clear()
  }

  /** The number of the oldest flow that is remembered, or of the next where none is. */
  get #first(): number {
    return this.#flows[0]?.number ?? this.#seen + 1
  }

  #serve(follower: Follower): void {
    const { stream, wish } = follower
    const first = this.#first
    const missed = first - follower.next
    if (missed > 0) {
      this.#followers.delete(follower)
      const cutOff = `this reader fell behind: ${missed} lines are forgotten that it has not read`
      stream.push(`${JSON.stringify({ cutOff })}\n`)
      stream.push(null)
      return
    }
    const world = this.#world()
    while (follower.wanting && follower.next <= this.#seen) {
      const flow = this.#flows[follower.next++ - first]
      if (flow === undefined || !isWished(flow, wish, world)) continue
      follower.wanting = stream.push(`${JSON.stringify(flow)}\n`)
    }
  }
}
