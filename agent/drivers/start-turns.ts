// How many containers dockerd starts at once for us. It starts so many as fast as it can start any
// number, and each further one only makes all others slower: of thirty tasks that begin together the
// first would run when the last does.
//
//   a container of a task ──▶ before ──▶ pause containers      in each: first come, first served
//
// So a task that has begun is finished before another begins. Only starts wait; what stops and
// removes is never behind them.

import { availableParallelism } from 'node:os'
import type { HolderId } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'
import { Failure, sentence } from '../failure.ts'
import type { Waiting } from '../orders.ts'

/** For each processor so many starts (docs/decisions.md has the measurement). */
const STARTS_PER_CPU = 3

/**
 * A start that takes longer waits for something else than this machine (a log driver, a volume), and
 * its turn is over, milliseconds: nobody waits for it any more.
 */
const TURN_MS = 10_000

type Step = { readonly holderId: HolderId; readonly row: RowId }
type Waiter = Step & { readonly go: () => void }

export type StartTurns = {
  /** Does it when it is this step's turn. Rejects with a Failure `Aborted` when it waited in vain. */
  take<T>(step: Step, signal: AbortSignal, start: () => Promise<T>): Promise<T>
  /** The starts of this holder that wait. */
  waiting(holderId: HolderId): Waiting[]
  /** The starts of all holders that wait. */
  waits(): Iterable<readonly [HolderId, Waiting]>
}

/** Opens the queue. `most`: so many starts at once. */
export function openStartTurns(
  most = STARTS_PER_CPU * availableParallelism(),
  turnMs = TURN_MS,
): StartTurns {
  const containers: Waiter[] = []
  const pauses: Waiter[] = []
  const lineOf = (row: RowId): Waiter[] => (row === 'sandbox' ? pauses : containers)
  let underWay = 0

  function advance(): void {
    while (underWay < most) {
      const next = containers.shift() ?? pauses.shift()
      if (next === undefined) return
      underWay += 1
      next.go()
    }
  }

  async function turn(step: Step, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const line = lineOf(step.row)
    const waiter = { ...step, go: resolve }
    const giveUp = () => {
      const at = line.indexOf(waiter)
      if (at < 0) return
      line.splice(at, 1)
      reject(new Failure('transient', 'Aborted', 'the start was given up while it waited'))
    }
    line.push(waiter)
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) giveUp()
    else advance()
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  function waits(): (readonly [HolderId, Waiting])[] {
    if (containers.length + pauses.length === 0) return []
    const shown = { verb: 'ensure', attempt: 1, ...busy(most), nextTryAt: Date.now() } as const
    return [...containers, ...pauses].map(({ holderId, row }) => [holderId, { row, ...shown }])
  }

  return {
    async take(step, signal, start) {
      await turn(step, signal)
      let isOver = false
      const over = () => {
        if (isOver) return
        isOver = true
        underWay -= 1
        advance()
      }
      const late = setTimeout(over, turnMs)
      try {
        return await start()
      } finally {
        clearTimeout(late)
        over()
      }
    },

    waiting: (id) => waits().flatMap(([each, waiting]) => (each === id ? [waiting] : [])),
    waits,
  }
}

/** What a start that waits shows; a Failure like any other, but never thrown. */
function busy(most: number): { code: string; reason: string } {
  const message = `dockerd starts ${most} containers at the moment, as many as it can at full speed`
  const failure = new Failure('transient', 'DockerBusy', message, {
    hint: 'Wait: each that is started makes room for the next',
  })
  return { code: failure.code, reason: sentence(failure) }
}
