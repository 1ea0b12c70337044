// Who is told of what the journal appends, and when: once it is on the disk. Of a commit of several
// events nothing is told before all of it is there, and nothing where it fails.

import type { Entry } from './ends.ts'
import type { Event } from './task.ts'

/** An event: the entry after it, when it was, and the entry before it. */
export type News = readonly [entry: Entry, event: Event, at: number, before: Entry]
export type Listener = (...news: News) => void

export class Followers {
  readonly #listeners = new Set<Listener>()
  /** What was appended in the commit that is under way. */
  #untold: News[] | undefined

  /** Calls back with all news. Returns the way to stop it. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(...news: News): void {
    if (this.#untold !== undefined) this.#untold.push(news)
    else for (const listener of this.#listeners) listener(...news)
  }

  /** Carries out a commit: what is told meanwhile waits for its end, and is forgotten if it throws. */
  during<T>(commit: () => T): T {
    const outer = this.#untold
    const untold: News[] = []
    this.#untold = untold
    let done: T
    try {
      done = commit()
    } finally {
      this.#untold = outer
    }
    for (const news of untold) this.tell(...news)
    return done
  }
}
