// What the fabric lets the lab see of its packets: verdicts as they come, and the rules' counters.
// The main thread's side; hearing.ts is the fabric's thread's.

import { setTimeout } from 'node:timers/promises'
import type { FabricKernel } from './fabric-kernel.ts'
import type { FlowCount } from './flow-counts.ts'
import type { RuleCount } from './kernel-rules.ts'
import type { Lost, Verdict } from './verdict.ts'

/** The kernel gathers what it logs for a hundredth of a second, on a clock of 100 ticks or more. */
const GATHER_MS = 20

type InTurn = <T>(work: (kernel: FabricKernel) => Promise<T>) => Promise<T>

export class VerdictFeed {
  readonly #inTurn: InTurn
  readonly #listeners: ((verdicts: readonly (Verdict | Lost)[]) => void)[] = []

  constructor(inTurn: InTurn) {
    this.#inTurn = inTurn
  }

  /** Calls with each batch, oldest first, some 25 ms after the packets. */
  on(listener: (verdicts: readonly (Verdict | Lost)[]) => void): void {
    this.#listeners.push(listener)
  }

  /** The fabric's: tells those who listen. */
  readonly tell = (verdicts: readonly (Verdict | Lost)[]): void => {
    for (const listener of this.#listeners) listener(verdicts)
  }

  /** Resolves when those who listen have been told of every packet before the call. */
  async hear(): Promise<void> {
    await setTimeout(GATHER_MS)
    await this.#inTurn((kernel) => kernel.call('hear'))
  }

  /** What every rule with a comment has counted; several may bear one comment. */
  ruleCounts(): Promise<RuleCount[]> {
    return this.#inTurn((kernel) => kernel.call('ruleCounts'))
  }

  /**
   * What every flow has carried since the last call, each way; `lost`: of some that ended it is not
   * known. The first call has the kernel begin to count, which costs every packet a little.
   */
  flowCounts(): Promise<{ counts: FlowCount[]; lost: boolean }> {
    return this.#inTurn((kernel) => kernel.call('flowCounts'))
  }
}
