// The places that did not answer a survey. Pure. Nothing follows from their silence.

import type { Survey } from './drivers/survey.ts'
import { type Failure, sentence } from './failure.ts'
import type { Sweep } from './orders.ts'

type Place = Sweep['away'][number]['place']

/** A place that did not answer, in words. */
export const awayOf = (place: Place, failure: Failure): Sweep['away'][number] => ({
  place,
  code: failure.code,
  reason: sentence(failure),
})

/** The places that did not answer a survey. */
export function awayFrom({
  enis,
  containers,
  volumes,
  links,
  cgroups,
  addresses,
}: Survey): Sweep['away'][number][] {
  const places = [
    // One EC2, one dockerd: said once.
    ['ec2', 'away' in enis ? enis : addresses],
    ['docker', 'away' in containers ? containers : volumes],
    ['kernel', 'away' in links ? links : cgroups],
  ] as const
  return places.flatMap(([place, seen]) => ('away' in seen ? [awayOf(place, seen.away)] : []))
}
