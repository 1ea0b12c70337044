// What is mounted in the places of tasks, for a survey. A mount takes no label: its place says whose
// it is, and only this agent mounts there.

import type { Mounts } from './mounts.ts'
import type { SeenVolume } from './survey.ts'

/** Mounts as volumes, by their paths. Throws a Failure where the host's cannot be read. */
export const mountsOf = (mounts: Pick<Mounts, 'seen'>, instanceId: string): SeenVolume[] =>
  mounts.seen().map(({ path, holderId, volume, madeAt: createdAt }) => {
    const wears = { instanceId, holderId, row: `volume:${volume}` as const }
    return { what: 'volume', volumeName: path, createdAt, wears }
  })
