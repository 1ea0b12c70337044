// Our mark, as the things in the world wear it: ENI tags, container labels, link aliases. All three
// say whose it is (this instance), for whom (the holder) and which row of it.

import type { HolderId } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'
import type { ContainerFacts, Docker } from './docker.ts'
import { MARK } from './driver.ts'

/** Whom something belongs to. */
export type Wearer = {
  readonly instanceId: string
  readonly holderId: HolderId
  readonly row: RowId
}

/** The mark as EC2 tags and Docker labels. */
export const labelsOf = ({ instanceId, holderId, row }: Wearer): Record<string, string> => ({
  [MARK.instance]: instanceId,
  [MARK.holder]: holderId,
  [MARK.row]: row,
})

/** The mark as a link's alias. At most 75 printable ASCII characters. */
export const aliasOf = ({ instanceId, holderId, row }: Wearer): string =>
  `enid ${instanceId} ${holderId} ${row}`

/** The first 8 digits of a holder's id: enough for a name that people read. */
export const shortId = (holderId: HolderId): string => holderId.slice(0, 8)

/** The container that wears exactly this mark, or undefined. Names are not looked at. */
export async function findContainer(
  docker: Docker,
  wearer: Wearer,
  signal: AbortSignal,
): Promise<ContainerFacts | undefined> {
  const labels = Object.entries(labelsOf(wearer)).map(([key, value]) => `${key}=${value}`)
  const [found] = await docker.list(labels, signal)
  return found && docker.inspect(found.Id, signal)
}

/** What Docker calls a container of a task. */
export const nameOf = (family: string, container: string, holderId: HolderId): string =>
  `ecs-${family}-${container}-${shortId(holderId)}`
