// What Docker tells of our containers, turned into events of the journal. Nothing is decided here: a
// fact is told to the runner, and the table says what follows.
//
//   dockerd's events ──▶ exited, healthSeen, lost sandbox

import type { Journal } from '../state/journal.ts'
import type { Event, Exit, Facts } from '../state/task.ts'
import { kindOf, rowState } from '../state/task.ts'
import type { ContainerEvent } from './drivers/container-events.ts'
import { PAUSE_REMEDY } from './drivers/sandbox.ts'

/** What counts as the exit code of a container that was removed: killed, for all anybody can tell. */
const VANISHED_EXIT_CODE = 137

const KILLED_REMEDY =
  'It was docker stop, docker kill or docker rm, or a restart of dockerd without live-restore: ' +
  'end tasks with `enid stop`, and set "live-restore": true in /etc/docker/daemon.json'

/** The event that follows from what Docker says of one of our containers, if it is news. */
export function eventOf(journal: Journal, event: ContainerEvent): Event | undefined {
  const { row } = event
  const holder = journal.get(event.holderId)?.holder
  if (holder === undefined || rowState(holder, row).is === 'none') return undefined
  const isRunning = holder.desired === 'running'
  if (row === 'sandbox') {
    const isGone = event.what === 'die' || event.what === 'destroy'
    if (!isGone || !isRunning) return undefined
    const message = `the pause container, which holds the network namespace, is dead. ${PAUSE_REMEDY}`
    return { type: 'lost', row, cause: { code: 'PauseGone', message } }
  }
  if (kindOf(row) !== 'container') return undefined
  const container = row.slice('container:'.length)
  const facts = holder.facts[container]
  if (event.what === 'die') {
    const exited = exitedOf(container, event, facts)
    const isFinal = holder.spec.containers.some(
      ({ name, essential, restart }) => name === container && essential && restart === undefined,
    )
    if (exited === undefined || !event.wasKilled || !isRunning || !isFinal) return exited
    const message = `Docker was told to end container ${container} (exit code ${event.exitCode}). ${KILLED_REMEDY}`
    return { type: 'lost', row, cause: { code: 'ContainerKilled', message } }
  }
  if (event.what === 'destroy' && isRunning && facts?.exitCode === undefined) {
    return { type: 'exited', container, exitCode: VANISHED_EXIT_CODE }
  }
  if (event.what === 'health' && facts?.healthy !== event.healthy) {
    return { type: 'healthSeen', container, healthy: event.healthy }
  }
  return undefined
}

/** An exit is news once; docker may tell of one that was answered, and is over, once more. */
function exitedOf(container: string, exit: Exit, facts: Facts = {}): Event | undefined {
  const { exitCode, exitId, ranMs, outOfMemory } = exit
  const isAnswered = exitId !== undefined && exitId === facts.answeredExitId
  if (facts.exitCode !== undefined || isAnswered) return undefined
  return {
    type: 'exited',
    container,
    exitCode,
    ...(exitId === undefined ? {} : { exitId }),
    ...(ranMs === undefined ? {} : { ranMs }),
    ...(outOfMemory && { outOfMemory }),
  }
}
