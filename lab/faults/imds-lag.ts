// IMDS behind the times, ENI by ENI: it learns of an attached one late, of its details later still,
// and goes on telling of a detached one. Kept beside the world, because EC2 itself knows better.

import type { NetworkInterface, World } from '../model/world.ts'

type Late = { readonly fromMs: number; readonly bareUntilMs: number }
type Ghost = { readonly eni: NetworkInterface; readonly untilMs: number }

export class ImdsLag {
  readonly #late = new Map<string, Late>()
  #ghosts: Ghost[] = []

  /** Whether there is anything that IMDS does not tell as it is. */
  get empty(): boolean {
    return this.#late.size === 0 && this.#ghosts.length === 0
  }

  /** A call attached or detached that ENI: IMDS learns of it after `lagMs`. */
  learn(
    before: NetworkInterface | undefined,
    after: NetworkInterface | undefined,
    { nowMs, lagMs, bareMs }: { nowMs: number; lagMs: number; bareMs: number },
  ): void {
    const was = isTold(before)
    const is = isTold(after)
    if (is && !was && after !== undefined && lagMs + bareMs > 0) {
      const fromMs = nowMs + lagMs
      this.#late.set(after.eniId, { fromMs, bareUntilMs: fromMs + bareMs })
    }
    if (was && !is && before !== undefined && lagMs > 0) {
      this.#late.delete(before.eniId)
      this.#ghosts.push({ eni: before, untilMs: nowMs + lagMs })
    }
  }

  /** The world as IMDS knows it now. */
  view(world: World, nowMs: number): World {
    for (const [eniId, { bareUntilMs }] of this.#late) {
      if (bareUntilMs <= nowMs) this.#late.delete(eniId)
    }
    this.#ghosts = this.#ghosts.filter(({ untilMs }) => untilMs > nowMs)
    if (this.empty) return world
    const enis = new Map(world.enis)
    for (const [eniId, { fromMs }] of this.#late) if (fromMs > nowMs) enis.delete(eniId)
    for (const { eni } of this.#ghosts) {
      // One that has been attached anew is told as it is.
      if (!isTold(enis.get(eni.eniId))) enis.set(eni.eniId, eni)
    }
    return { ...world, enis }
  }

  /** The ENIs of which IMDS knows no more than the MAC. */
  bare(nowMs: number): string[] {
    return [...this.#late].flatMap(([eniId, { fromMs, bareUntilMs }]) =>
      fromMs <= nowMs && nowMs < bareUntilMs ? [eniId] : [],
    )
  }

  /** Forgets everything: IMDS tells the world as it is. */
  clear(): void {
    this.#late.clear()
    this.#ghosts = []
  }
}

const isTold = (eni: NetworkInterface | undefined): boolean =>
  eni?.attachment !== undefined && eni.attachment.status !== 'detaching'
