// The lab's region: the world as it is now, and the fabric that follows it. Every change goes
// through one queue: decide (pure) ──▶ the fabric makes it so ──▶ the new world is the world. Where
// the fabric fails, what it did is taken back and the world stays as it was, so an answer of 200
// always means that the packets obey, and that the change is stored. Reading needs no queue.

import type { LabFabric } from './fabric/open.ts'
import { Timers } from './faults/timers.ts'
import { type FabricStep, fabricPlan, perform } from './model/fabric-plan.ts'
import { Refusal } from './model/refusal.ts'
import type { World } from './model/world.ts'
import { Turns } from './turns.ts'

/** The outcome of a decision: the next world, the answer, and what becomes of it by itself. */
export type Change<T> = {
  readonly world: World
  readonly output: T
  /** The transition EC2 makes later by itself (pending → available, attaching → attached …). */
  readonly settle?: (world: World) => World
  /** The same, but not at once: a transition that has a time of its own. */
  readonly later?: readonly Later[]
}

/** A transition and its time. It finds its own in whatever the world is by then, or changes nothing. */
export type Later = { readonly afterMs: number; readonly become: (world: World) => World }

/** A world that was, and until when. */
type Past = { readonly world: World; readonly untilMs: number }

/** Stores what became of a world. Throws when it cannot. */
export type Keep = (before: World, after: World) => void

/** Told of every fabric failure: the caller gets an InternalError, the log gets the cause. */
export type FabricFailure = (step: FabricStep, error: unknown) => void

export class Region {
  #world: World
  readonly #turns = new Turns()
  readonly #fabric: LabFabric
  readonly #onFailure: FabricFailure
  readonly #timers: Timers
  readonly #followers: (() => void)[] = []

  readonly #keep: Keep
  /** The world as it is stored, and the transitions to come, which count there as done. */
  #kept: World
  readonly #coming = new Set<Later['become']>()
  #past: Past[] = []
  #pastMs = 0

  constructor(
    world: World,
    fabric: LabFabric,
    onFailure: FabricFailure,
    timers: Timers = new Timers(),
    keep: Keep = () => {},
  ) {
    this.#world = world
    this.#kept = world
    this.#keep = keep
    this.#fabric = fabric
    this.#onFailure = onFailure
    this.#timers = timers
  }

  /** The world now: immutable, so it may be kept and read at leisure. */
  get world(): World {
    return this.#world
  }

  /** The world as it was so long ago, as far back as it is remembered. */
  worldAgo(ms: number): World {
    const atMs = this.#timers.nowMs() - ms
    return this.#past.find(({ untilMs }) => untilMs > atMs)?.world ?? this.#world
  }

  /** Remembers each world, from now on, for so long after it was replaced; 0 forgets all. */
  remember(ms: number): void {
    this.#pastMs = ms
    this.#forget()
  }

  /** Called after each change, when the new world is the world. */
  onChange(follower: () => void): void {
    this.#followers.push(follower)
  }

  /**
   * Changes the world, one change at a time. Resolves when the kernel enforces the new one and it
   * is stored. Rejects with the decision's own error, or InternalError when the fabric or the store
   * failed; either way nothing has changed.
   */
  change<T>(decide: (world: World) => Change<T>): Promise<T> {
    return this.#turns.take(async () => {
      const before = this.#world
      const { world, output, settle, later = [] } = decide(before)
      await this.#become(world)
      for (const { become } of later) this.#coming.add(become)
      try {
        if (settle !== undefined) await this.#become(settle(world))
        this.#store()
      } catch (error) {
        for (const { become } of later) this.#coming.delete(become)
        await this.#become(before)
        throw error
      }
      for (const { afterMs, become } of later) {
        const forget = (): void => void this.#coming.delete(become)
        this.#timers.after(afterMs, () => this.#changeLater(become), forget)
      }
      return output
    })
  }

  /** A fabric that fails here has been told to `onFailure`, and there is no caller to tell. */
  #changeLater(become: Later['become']): void {
    this.change((world) => {
      this.#coming.delete(become)
      return { world: become(world), output: undefined }
    }).catch(() => undefined)
  }

  /**
   * Stores the world as it will be: a lab that dies has no timers left, so a transition that is
   * under way then is over when the next one starts.
   */
  #store(): void {
    const next = [...this.#coming].reduce((world, become) => become(world), this.#world)
    if (next === this.#kept) return
    try {
      this.#keep(this.#kept, next)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Refusal(
        'InternalError',
        `The lab could not store the change, so nothing was changed: ${reason}`,
        500,
      )
    }
    this.#kept = next
  }

  async #become(next: World): Promise<void> {
    const done: FabricStep[] = []
    for (const step of fabricPlan(this.#world, next)) {
      try {
        await perform(this.#fabric, step.call)
        done.push(step)
      } catch (error) {
        this.#onFailure(step, error)
        await this.#takeBack(done)
        const reason = error instanceof Error ? error.message : String(error)
        throw new Refusal(
          'InternalError',
          `The lab's fabric could not ${step.call.verb}, so nothing was changed: ${reason}`,
          500,
        )
      }
    }
    if (this.#pastMs > 0) {
      this.#past.push({ world: this.#world, untilMs: this.#timers.nowMs() })
      this.#forget()
    }
    this.#world = next
    for (const follower of this.#followers) follower()
  }

  #forget(): void {
    const sinceMs = this.#timers.nowMs() - this.#pastMs
    this.#past = this.#pastMs === 0 ? [] : this.#past.filter(({ untilMs }) => untilMs > sinceMs)
  }

  async #takeBack(done: readonly FabricStep[]): Promise<void> {
    for (const step of done.toReversed()) {
      const { call, undo } = step
      await perform(this.#fabric, undo).catch((error: unknown) => {
        this.#onFailure({ call: undo, undo: call }, error)
      })
    }
  }
}
