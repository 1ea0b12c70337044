// Small numbers for things that have names: each keeps its own as long as it is there, and the lowest
// that is free goes to the next.

export class Numbers {
  readonly #numbers = new Map<string, number>()
  #avoided: readonly number[] = []

  /** None of these is given to anything new until `keep`. */
  avoid(numbers: readonly number[]): void {
    this.#avoided = numbers
  }

  /** The thing has that number already. */
  set(id: string, number: number): void {
    this.#numbers.set(id, number)
  }

  /** The thing's number, from 0 on; a new one where it has none. */
  of(id: string): number {
    const known = this.#numbers.get(id)
    if (known !== undefined) return known
    const taken = new Set([...this.#numbers.values(), ...this.#avoided])
    let number = 0
    while (taken.has(number)) number++
    this.#numbers.set(id, number)
    return number
  }

  /** The numbers of all others are free from now on. */
  keep(ids: readonly string[]): void {
    this.#avoided = []
    for (const id of this.#numbers.keys()) if (!ids.includes(id)) this.#numbers.delete(id)
  }

  clear(): void {
    this.#avoided = []
    this.#numbers.clear()
  }
}
