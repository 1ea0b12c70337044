// The warm spares as /status shows them.

import type { Entry } from '../state/journal.ts'
import type { PoolPlace } from '../state/spare.ts'
import { isReady, poolKey, poolOf } from '../state/spare.ts'
import type { SparePlan } from '../state/spare-plan.ts'
import type { SpareFailures } from './spare-failures.ts'
import type { SpareLaunches } from './spare-launches.ts'
import type { SparePoolView } from './spare-orders.ts'

/** What the pools are told from. */
export type PoolSources = {
  readonly plan: SparePlan | undefined
  /** Spares that are to run. */
  readonly running: readonly Entry[]
  readonly launches: SpareLaunches
  readonly failures: SpareFailures
}

/** Every pool that there is to be, and every one of which a spare is there still. */
export function poolViews({ plan, running, launches, failures }: PoolSources): SparePoolView[] {
  const pools = new Map<string, PoolPlace>()
  for (const pool of plan?.pools ?? []) pools.set(poolKey(pool), pool)
  for (const { holder } of running) {
    const key = poolKey(poolOf(holder))
    if (!pools.has(key)) pools.set(key, poolOf(holder))
  }
  return [...pools].map(([key, { subnetId, securityGroupIds }]) => {
    const own = running.filter(({ holder }) => poolKey(poolOf(holder)) === key)
    const ready = own.filter(({ holder }) => isReady(holder))
    const rule = plan?.pools.find((each) => poolKey(each) === key)
    const failure = failures.of(key)
    const { target = 0, max = 0, wanted = 0 } = rule ?? {}
    return {
      ...{ subnetId, securityGroupIds, target, max, wanted },
      ready: ready.map(({ id }) => id),
      making: own.filter((entry) => !ready.includes(entry)).map(({ id }) => id),
      served: launches.served(key),
      failedCount: failure?.count ?? 0,
      ...(failure && { lastFailure: failure.last }),
      ...(failure?.notBefore !== undefined && { notBefore: failure.notBefore }),
    }
  })
}
