// What a reboot of the host leaves: nothing of a task but its ENI, attached, its card on the host
// under any name. The kernel tells every boot by an id of its own.
//
//   boot id kept ≠ boot id now ──▶ every sandbox is lost ──▶ its task stops, its ENI is given back
//
// What the journal says of the earlier boot's namespaces is not trusted: a path or an ifindex may
// be another's by now. A link is found by its MAC alone, so nothing has to be forgotten for that.

import type { Catalog } from '../state/catalog.ts'
import type { Journal } from '../state/journal.ts'
import type { Event } from '../state/task.ts'
import { rowState } from '../state/task.ts'

const message = 'the host was rebooted, and every container ended with it. Run the task again'
const lost: Event = { type: 'lost', row: 'sandbox', cause: { code: 'HostRebooted', message } }

/**
 * Writes down what the reboot took, where there was one since the last life: the sandbox of every
 * task that is to run. One of which nothing local was begun goes on starting; one that is to stop
 * goes on stopping. Answers how many tasks it took, undefined where the host was not rebooted.
 */
export function noteReboot(
  { journal, catalog }: { journal: Journal; catalog: Catalog },
  now: string,
): number | undefined {
  const before = catalog.fact('bootId')
  if (before === now) return undefined
  const taken = journal.living().filter(({ holder }) => {
    return holder.desired === 'running' && rowState(holder, 'sandbox').is !== 'none'
  })
  // One commit: a death in between must find the old boot id again.
  journal.atOnce(() => {
    if (before !== undefined) for (const { id } of taken) journal.append(id, lost)
    catalog.putFact('bootId', now)
  })
  const tasks = taken.filter(({ holder }) => holder.spec.kind === 'task')
  return before === undefined ? undefined : tasks.length
}
