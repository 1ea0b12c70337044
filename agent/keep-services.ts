// Puts together what keeps the services of this host. agent/main.ts starts it when the runner has taken
// up every task that there is.

import type { Catalog } from '../state/catalog.ts'
import { StateFileUnwritable } from '../state/database.ts'
import type { Journal } from '../state/journal.ts'
import { serviceKey } from '../state/service.ts'
import type { ServiceStore } from '../state/service-store.ts'
import { machineClock } from './clock.ts'
import type { Drain } from './drain.ts'
import type { Subnets } from './drivers/subnets.ts'
import { every } from './every.ts'
import type { Base } from './open-state.ts'
import type { Orders } from './orders.ts'
import type { Runner } from './runner.ts'
import { Services } from './services.ts'

const FORGET_EVERY_MS = 30_000

type Parts = {
  readonly journal: Journal
  readonly catalog: Catalog
  readonly services: ServiceStore
  readonly subnets: Subnets
  readonly drain: Drain
  readonly onDefect: (error: unknown) => void
}

/** The services, not looked at yet. They are let go of with everything else. */
export function keepServices(
  { config, log, up }: Base,
  { journal, catalog, services, subnets, drain, onDefect }: Parts,
  given: { runner: Runner; ended: AbortSignal } & Pick<Orders, 'room' | 'place' | 'start'>,
): Services {
  const { runner, ended, room, place, start } = given
  const kept = new Services({
    ...{ journal, catalog, services, runner, log, onDefect, clock: machineClock },
    timeoutScale: config.timeoutScale,
    prepare: (ids) => subnets.prepare(ids, ended),
    ...{ room, place, start },
    draining: () => drain.view(),
  })
  up.defer(() => kept.close())
  const forget = () => forgetOld({ services, catalog }, Date.now() - config.retentionMs)
  every(up, FORGET_EVERY_MS, forget, onDefect)
  return kept
}

/** Forgets the services that became INACTIVE before then, as stopped tasks are forgotten. */
export function forgetOld(
  { services, catalog }: { services: ServiceStore; catalog: Catalog },
  before: number,
): void {
  for (const service of services.all()) {
    if (service.status !== 'INACTIVE' || (service.endedAt ?? before) >= before) continue
    try {
      services.forget(serviceKey(service))
      catalog.untag(service.arn, Object.keys(catalog.tags(service.arn)))
    } catch (error) {
      if (!(error instanceof StateFileUnwritable)) throw error
    }
  }
}
