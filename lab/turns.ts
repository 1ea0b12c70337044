// One thing at a time: each piece of work begins when all that were asked before it have ended,
// whatever became of them.

export class Turns {
  #tail: Promise<unknown> = Promise.resolve()

  /** Does the work in its turn; resolves or rejects as the work does. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work)
    this.#tail = turn.catch(() => undefined)
    return turn
  }
}
