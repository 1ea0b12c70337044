// What happens to running tasks from outside, turned into events of the journal. Nothing is decided
// here: a fact is told to the runner, and the table says what follows.
//
//   dockerd's events ──▶ exited, healthSeen, lost sandbox
//   the link, looked at every few seconds ──▶ doubted, or lost when it is gone

import type { Entry, Journal } from '../state/journal.ts'
import type { HolderId } from '../state/spec.ts'
import type { Event, RowId } from '../state/task.ts'
import { kindOf, rowState, rows } from '../state/task.ts'
import type { Clock } from './clock.ts'
import type { ContainerEvent } from './drivers/container-events.ts'
import type { Kernel } from './drivers/kernel/kernel.ts'
import { KernelError } from './drivers/kernel/kernel-error.ts'
import { expectationOf } from './drivers/link.ts'
import { jobOf } from './job.ts'
import type { Host } from './orders.ts'

/** What counts as the exit code of a container that was removed: killed, for all anybody can tell. */
const VANISHED_EXIT_CODE = 137

/** How often the links of running tasks are looked at, milliseconds. */
export const LINK_CHECK_MS = 10_000

/** The event that follows from what Docker says of one of our containers, if it is news. */
export function eventOf(journal: Journal, event: ContainerEvent): Event | undefined {
  const { row } = event
  const holder = journal.get(event.holderId)?.holder
  if (holder === undefined || rowState(holder, row).is === 'none') return undefined
  const isRunning = holder.desired === 'running'
  if (row === 'sandbox') {
    const isGone = event.what === 'die' || event.what === 'destroy'
    if (!isGone || !isRunning) return undefined
    const message = 'the pause container, which holds the network namespace, is dead'
    return { type: 'lost', row, cause: { code: 'PauseGone', message } }
  }
  if (kindOf(row) !== 'container') return undefined
  const container = row.slice('container:'.length)
  const facts = holder.facts[container]
  if (event.what === 'die' && facts?.exitCode === undefined) {
    return { type: 'exited', container, exitCode: event.exitCode }
  }
  if (event.what === 'destroy' && isRunning && facts?.exitCode === undefined) {
    return { type: 'exited', container, exitCode: VANISHED_EXIT_CODE }
  }
  if (event.what === 'health' && facts?.healthy !== event.healthy) {
    return { type: 'healthSeen', container, healthy: event.healthy }
  }
  return undefined
}

export type LinkWatchOptions = {
  readonly journal: Journal
  readonly kernel: Pick<Kernel, 'verify' | 'findLink'>
  readonly host: Host
  readonly clock: Clock
  readonly tell: (id: HolderId, event: Event) => void
  readonly onDefect: (error: unknown) => void
}

/** Looks at the links of running tasks until the returned order ends it. */
export function watchLinks(options: LinkWatchOptions): () => void {
  let cancel = () => {}
  let isOver = false
  const again = () => {
    if (!isOver) cancel = options.clock.after(LINK_CHECK_MS, look)
  }
  const look = () => {
    checkLinks(options).then(again, options.onDefect)
  }
  again()
  return () => {
    isOver = true
    cancel()
  }
}

async function checkLinks(options: LinkWatchOptions): Promise<void> {
  for (const entry of options.journal.all()) {
    for (const { id: row } of rows(entry.holder.spec)) {
      if (kindOf(row) !== 'link' || !isSteady(entry, row)) continue
      const event = await linkEvent(options, entry, row)
      const now = options.journal.get(entry.id)
      if (event !== undefined && now !== undefined && isSteady(now, row)) {
        options.tell(entry.id, event)
      }
    }
  }
}

/** Running, and nothing is being done about this link at the moment. */
const isSteady = ({ holder }: Entry, row: RowId): boolean =>
  holder.ran && holder.desired === 'running' && rowState(holder, row).is === 'held'

async function linkEvent(
  { kernel, host }: LinkWatchOptions,
  entry: Entry,
  row: RowId,
): Promise<Event | undefined> {
  const job = jobOf(entry, { verb: 'ensure', row, again: true })
  const wanted = expectationOf(job, host)
  try {
    const differences = await kernel.verify(wanted)
    if (differences.length === 0) return undefined
    const isAway = differences.some(({ what }) => what === 'mac')
    if (isAway && (await kernel.findLink(wanted.mac)) === undefined) {
      const message = 'the network card is gone from the host (was its ENI detached?)'
      return { type: 'lost', row, cause: { code: 'LinkGone', message } }
    }
    const why = differences.map((d) => `${d.what}: ${d.expected}, seen ${d.seen}`).join('; ')
    return { type: 'doubted', row, why }
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    return { type: 'doubted', row, why: error.message }
  }
}
