// What is kept of a stopped task, and for how long.

import type { Catalog } from '../state/catalog.ts'
import { StateFileUnwritable } from '../state/database.ts'
import type { Journal } from '../state/journal.ts'
import { rowState } from '../state/task.ts'
import { containerLogs } from './drivers/container-logs.ts'
import type { Docker } from './drivers/docker.ts'

/** AWS keeps a client token for a day. */
const TOKEN_RETENTION_MS = 86_400_000
/**
 * So many ends are written in one commit (measured: 10 ms). Every half minute it is more than a host
 * stops, at the five a second that an account has calls for.
 */
const COMPACTED_AT_ONCE = 200

/**
 * Forgets what stopped more than `retentionMs` ago, by a clock that somebody may have set: set forth,
 * it is forgotten early, and nothing is held by it; set back, it is kept until the clock has caught
 * up. While the state file cannot be written, nothing is forgotten.
 */
export function prune(journal: Journal, catalog: Catalog, retentionMs: number, now: number): void {
  try {
    forget(journal, catalog, retentionMs, now)
  } catch (error) {
    if (!(error instanceof StateFileUnwritable)) throw error
  }
}

function forget(journal: Journal, catalog: Catalog, retentionMs: number, now: number): void {
  for (const { id, stoppedAt } of journal.ended()) {
    if (now - stoppedAt <= retentionMs) continue
    journal.forget(id)
    catalog.forgetTags(id)
  }
  catalog.forgetRuns(now - TOKEN_RETENTION_MS)
  journal.compact(COMPACTED_AT_ONCE)
}

/** The last lines of a container's log: from Docker while it exists, then what was kept of it. */
export async function logsOf(
  { journal, docker }: { journal: Journal; docker: Docker },
  id: string,
  container: string,
  lines: number,
): Promise<string> {
  const entry = journal.get(id)
  const state = entry && rowState(entry.holder, `container:${container}`)
  const { containerId } = (state?.details ?? {}) as { containerId?: string }
  const signal = AbortSignal.timeout(10_000)
  const live =
    state === undefined || state.is === 'none' || containerId === undefined
      ? undefined
      : await containerLogs(docker, containerId, lines, signal)
  const text = live ?? journal.keptLog(id, container) ?? ''
  return text
    .split('\n')
    .slice(-lines - 1)
    .join('\n')
}
