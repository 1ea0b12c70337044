// What the sweep does to a thing that nobody claims, by its kind; and what came of it, in words.

import type { Orphans } from './drivers/orphans.ts'
import type { Suspect } from './suspects.ts'

/** One about a thing in the world, not about a row that a holder holds. */
export type OfThing = Exclude<Suspect, { is: 'missing' | 'changed' }>

/** An ENI whose deletion has to wait for the detach. */
export const DETACHING = 'EC2 is still detaching it; deleted after that'

/** Gives it back, and answers how that stands. A lent ENI is only detached. Throws the Failure. */
export async function giveBack(
  orphans: Orphans,
  suspect: OfThing,
  signal: AbortSignal,
): Promise<string> {
  if (suspect.is === 'late') {
    await orphans.detachLent(suspect.thing, signal)
    return 'detached'
  }
  const { thing } = suspect
  if (thing.what === 'eni') {
    return (await orphans.releaseEni(thing, signal)) === 'gone' ? 'released' : DETACHING
  }
  if (thing.what === 'container') await orphans.releaseContainer(thing, signal)
  else if (thing.what === 'volume') await orphans.releaseVolume(thing, signal)
  else if (thing.what === 'address') await orphans.releaseAddress(thing, signal)
  else if (thing.what === 'cgroup') await orphans.releaseCgroup(thing, signal)
  else await orphans.releaseLink(thing, signal)
  return 'released'
}
