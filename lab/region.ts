// The lab's region: the world as it is now, and the fabric that follows it. Every change goes
// through one queue: decide (pure) ──▶ the fabric makes it so ──▶ the new world is the world. Where
// the fabric fails, what it did is taken back and the world stays as it was, so an answer of 200
// always means that the packets obey. Reading needs no queue.

import type { Fabric } from './fabric/fabric.ts'
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
}

/** Told of every fabric failure: the caller gets an InternalError, the log gets the cause. */
export type FabricFailure = (step: FabricStep, error: unknown) => void

export class Region {
  #world: World
  readonly #turns = new Turns()
  readonly #fabric: Fabric
  readonly #onFailure: FabricFailure

  constructor(world: World, fabric: Fabric, onFailure: FabricFailure) {
    this.#world = world
    this.#fabric = fabric
    this.#onFailure = onFailure
  }

  /** The world now: immutable, so it may be kept and read at leisure. */
  get world(): World {
    return this.#world
  }

  /**
   * Changes the world, one change at a time. Resolves when the kernel enforces the new one.
   * Rejects with the decision's own error, or InternalError when the fabric failed; either way
   * nothing has changed.
   */
  change<T>(decide: (world: World) => Change<T>): Promise<T> {
    return this.#turns.take(async () => {
      const { world, output, settle } = decide(this.#world)
      await this.#become(world)
      if (settle !== undefined) await this.#become(settle(world))
      return output
    })
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
    this.#world = next
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
