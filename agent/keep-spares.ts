// Puts together what keeps the warm spares of this host, for agent/main.ts.

import { machineClock } from './clock.ts'
import { AgentRefused } from './config.ts'
import type { Drain } from './drain.ts'
import type { Base, State } from './open-state.ts'
import type { Noticed, Orders } from './orders.ts'
import type { PlacementFacts } from './placement.ts'
import type { Queue } from './queue.ts'
import type { Runner } from './runner.ts'
import { spareRules, tooMany } from './spare-config.ts'
import { Spares } from './spares.ts'

type Parts = Pick<State, 'journal'> & {
  readonly drain: Drain
  readonly facts: PlacementFacts
  readonly runner: Runner
  readonly queue: Queue
  readonly noticed: (id: string) => readonly Noticed[]
  readonly onDefect: (error: unknown) => void
}

/** The spares, not looked at yet. Throws AgentRefused where this instance cannot hold the pools. */
export function keepSpares({ config, log, up }: Base, parts: Parts): Spares {
  const { journal, drain, facts, runner, queue, noticed, onDefect } = parts
  const rules = spareRules(config)
  const { instanceType, eniCountMax } = facts.host
  const forTasks = eniCountMax - facts.foreignIndices.size
  const refusal = tooMany(rules, { instanceType, forTasks })
  if (refusal !== undefined) throw new AgentRefused(refusal)
  const kept = new Spares({
    ...{ journal, runner, queue, facts, rules, noticed, log, onDefect, clock: machineClock },
    draining: () => drain.view(),
  })
  up.defer(() => kept.close())
  return kept
}

/** What the API asks of them. */
export const spareOrders = (spares: Spares): Pick<Orders, 'place' | 'spares'> => ({
  place: (spec, count) => spares.place(spec, count),
  spares: () => spares.view(),
})
