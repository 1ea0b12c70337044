// The last part of a container's own addresses at the task endpoint, in the form of ECS's.

import { createHash } from 'node:crypto'
import type { HolderId } from './spec.ts'

/** The task's id and ten digits. Derived, so that a restart needs to remember nothing. */
export function endpointId(holder: HolderId, container: string): string {
  const digest = createHash('sha256').update(`${holder} ${container}`).digest()
  return `${holder}-${String(digest.readUInt32BE()).padStart(10, '0')}`
}
