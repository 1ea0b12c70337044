// What the journal has in memory: holders whole, or of what is over the head alone; and how a commit
// that fails is taken back there. It reads and writes nothing.

import { type Entry, type Head, headOf, isOver } from './ends.ts'
import type { HolderId } from './spec.ts'

/** A holder as it is in memory. */
export type Known = Entry | Head

export class KnownHolders {
  /** All that is remembered, oldest first. */
  readonly #all = new Map<HolderId, Known>()
  /** Those that are not over. */
  readonly #living = new Map<HolderId, Entry>()
  /** What was known before of whatever the attempt under way has changed. */
  #undo: Map<HolderId, Known | undefined> | undefined

  ids(): HolderId[] {
    return [...this.#all.keys()]
  }

  get(id: HolderId): Known | undefined {
    return this.#all.get(id)
  }

  /** Knows it like this from now on; undefined forgets it. */
  set(id: HolderId, now: Known | undefined): void {
    if (this.#undo?.has(id) === false) this.#undo.set(id, this.#all.get(id))
    if (now === undefined) this.#all.delete(id)
    else this.#all.set(id, now)
    if (now !== undefined && 'holder' in now && !isOver(now.holder)) this.#living.set(id, now)
    else this.#living.delete(id)
  }

  /** All that are not over. */
  living(): Entry[] {
    return [...this.#living.values()]
  }

  /** Of all that are over, the heads. */
  ended(): Head[] {
    const ended = [...this.#all].filter(([id]) => !this.#living.has(id))
    return ended.map(([, known]) => ('holder' in known ? headOf(known) : known))
  }

  /** Of what is over and still whole here, so many at most. */
  over(atMost: number): Entry[] {
    const over: Entry[] = []
    for (const [id, known] of this.#all) {
      if (over.length === atMost) break
      if ('holder' in known && !this.#living.has(id)) over.push(known)
    }
    return over
  }

  /** Runs `work`. Where it throws, everything is known as before it. */
  attempt<T>(work: () => T): T {
    const outer = this.#undo
    const undo = new Map<HolderId, Known | undefined>()
    this.#undo = undo
    let done: T
    try {
      done = work()
    } catch (error) {
      this.#undo = undefined
      for (const [id, before] of undo) this.set(id, before)
      throw error
    } finally {
      this.#undo = outer
    }
    for (const [id, before] of undo) if (outer?.has(id) === false) outer.set(id, before)
    return done
  }
}
