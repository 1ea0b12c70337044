// What placement goes by, read when it is asked: what is known of subnets, and which slots others have.
// A subnet that nobody has asked about yet is asked about in the background.

import type { Logger } from 'pino'
import type { Journal } from '../state/journal.ts'
import type { Subnets } from './drivers/subnets.ts'
import { Failure, sentence } from './failure.ts'
import type { Capacity, Host } from './orders.ts'
import type { PlacementFacts } from './placement.ts'
import type { ForeignIndices } from './slots.ts'

export type PlacementSources = {
  readonly host: Host
  readonly journal: Journal
  readonly capacity: Capacity
  readonly foreign: Pick<ForeignIndices, 'known'>
  readonly subnets: Subnets
  readonly onDefect: (error: unknown) => void
}

/** The facts as they are at each moment. */
export function placementOf(
  { host, journal, capacity, foreign, subnets, onDefect }: PlacementSources,
  { log, signal }: { log: Logger; signal: AbortSignal },
): PlacementFacts {
  /** Nothing is known of it now; whoever asked tries again in a moment. */
  const askAbout = (subnetId: string): undefined => {
    subnets.prepare([subnetId], signal).catch((error) => {
      if (!(error instanceof Failure)) onDefect(error)
      else log.warn({ subnet: subnetId, code: error.code }, sentence(error))
    })
  }
  const subnet = (id: string) => subnets.known(id) ?? askAbout(id)
  return {
    host,
    // What is over takes up nothing.
    journal: { all: () => journal.living() },
    capacity,
    get foreignIndices() {
      return foreign.known
    },
    subnet,
  }
}
