// What becomes of our containers, told as it happens. dockerd forgets events when it restarts and
// we miss them when we do, so every new connection first tells how things stand: whoever listens
// hears of each exit at least once, and must not mind hearing of it again.
//
//   connect ──▶ how things stand ──▶ events … ──▶ (connection lost) ──▶ wait ──▶ connect

import { setTimeout as sleep } from 'node:timers/promises'
import type { HolderId } from '../../state/spec.ts'
import type { Exit, RowId } from '../../state/task.ts'
import { Failure } from '../failure.ts'
import { exitOf } from './container-exit.ts'
import type { ContainerFacts, Docker } from './docker.ts'
import { MARK } from './driver.ts'

/** Something that happened to a container that wears our mark (row `sandbox`: the pause). */
export type ContainerEvent = {
  readonly containerId: string
  readonly holderId: HolderId
  readonly row: RowId
} & (
  | { readonly what: 'start' | 'oom' | 'destroy' }
  /** `wasKilled`: Docker was told to end it, by whomever; unknown of one that ended unseen. */
  | ({ readonly what: 'die'; readonly wasKilled?: true } & Exit)
  | { readonly what: 'health'; readonly healthy: boolean }
)

export type WatchOptions = {
  readonly docker: Docker
  /** Only what carries this instance's mark is told. */
  readonly instanceId: string
  readonly onEvent: (event: ContainerEvent) => void
  /** Called once how things stand was told: after the first connection and after each later one. */
  readonly onConnected?: () => void
  /** Called when the connection was lost, with why. */
  readonly onLost?: (failure: Failure) => void
}

/** The first pause before connecting again, and the longest, milliseconds. */
const BACKOFF_MS = { first: 100, max: 5_000 }
const WATCHED = ['start', 'kill', 'die', 'oom', 'health_status', 'destroy']
/** The signals by which Docker ends a container: what it sends others, it sends on request. */
const ENDING = ['9', '15']

/** One line of dockerd's stream, as far as we read it. */
type Line = {
  readonly Action: string
  readonly timeNano: number
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
}

/** Watches until `signal` aborts, then resolves. Connects again for as long as it takes. */
export async function watchContainers(options: WatchOptions, signal: AbortSignal): Promise<void> {
  let delayMs = BACKOFF_MS.first
  while (!signal.aborted) {
    try {
      await watchOnce(options, signal, () => {
        delayMs = BACKOFF_MS.first
      })
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Failure)) throw error
      options.onLost?.(error)
    }
    await sleep(delayMs, undefined, { signal }).catch(() => {})
    delayMs = Math.min(delayMs * 2, BACKOFF_MS.max)
  }
}

async function watchOnce(
  { docker, instanceId, onEvent, onConnected }: WatchOptions,
  signal: AbortSignal,
  connected: () => void,
): Promise<void> {
  const label = `${MARK.instance}=${instanceId}`
  const stream = await docker.events(label, WATCHED, signal)
  for (const event of await howThingsStand(docker, label, signal)) onEvent(event)
  connected()
  onConnected?.()
  let rest = ''
  const killed = new Set<string>()
  try {
    for await (const chunk of stream) {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const event = await eventOf({ docker, killed }, JSON.parse(line) as Line, signal)
        if (event !== undefined) onEvent(event)
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    throw new Failure('transient', 'DockerUnreachable', 'the event stream broke off', {
      cause: error,
    })
  }
  throw new Failure('transient', 'DockerUnreachable', 'dockerd ended the event stream')
}

/**
 * Exits and health of what is there now, as the events that would have told of them; first those of
 * pause containers: where one is dead, that is why the others are.
 */
async function howThingsStand(
  docker: Docker,
  label: string,
  signal: AbortSignal,
): Promise<ContainerEvent[]> {
  const told: ContainerEvent[] = []
  const all = await docker.list([label], signal)
  const isPause = ({ Labels }: (typeof all)[0]) => Labels[MARK.row] === 'sandbox'
  const inOrder = [...all.filter(isPause), ...all.filter((each) => !isPause(each))]
  for (const { Id: id, State: state, Status: status } of inOrder) {
    const isOver = state === 'exited' || state === 'dead'
    if (!isOver && !/\((un)?healthy\)/.test(status)) continue
    const facts = await docker.inspect(id, signal)
    if (facts !== undefined) told.push(...eventsOf(facts))
  }
  return told
}

function eventsOf(facts: ContainerFacts): ContainerEvent[] {
  const { Id: containerId, Config, State } = facts
  const wearer = { containerId, ...wearerOf(Config.Labels) }
  if (!State.Running) return [{ ...wearer, what: 'die', ...exitOf(facts) }]
  const health = State.Health?.Status
  if (health !== 'healthy' && health !== 'unhealthy') return []
  return [{ ...wearer, what: 'health', healthy: health === 'healthy' }]
}

/** What a line tells. `killed`: the containers that Docker was told to end, kept from line to line. */
async function eventOf(
  { docker, killed }: { docker: Docker; killed: Set<string> },
  { Action, Actor }: Line,
  signal: AbortSignal,
): Promise<ContainerEvent | undefined> {
  const wearer = { containerId: Actor.ID, ...wearerOf(Actor.Attributes) }
  switch (Action) {
    case 'kill':
      if (ENDING.includes(Actor.Attributes.signal ?? '')) killed.add(Actor.ID)
      return undefined
    case 'start':
    case 'oom':
    case 'destroy':
      return { ...wearer, what: Action }
    case 'die': {
      // Which exit that was, and after how long, only the container tells, if it is still there. Of
      // a pause container nobody asks.
      const isPause = wearer.row === 'sandbox'
      const facts = isPause ? undefined : await docker.inspect(Actor.ID, signal)
      const told = { exitCode: Number(Actor.Attributes.exitCode) }
      const died = {
        ...{ ...wearer, what: 'die' as const },
        ...(killed.delete(Actor.ID) ? { wasKilled: true as const } : {}),
      }
      if (facts === undefined) return { ...died, ...told }
      return { ...died, ...exitOf(facts), ...(facts.State.Running ? told : {}) }
    }
    case 'health_status: healthy':
    case 'health_status: unhealthy':
      return { ...wearer, what: 'health', healthy: Action.endsWith(' healthy') }
    default:
      return undefined
  }
}

const wearerOf = (
  labels: Readonly<Record<string, string>>,
): { holderId: HolderId; row: RowId } => ({
  holderId: labels[MARK.holder] ?? '',
  row: (labels[MARK.row] ?? '') as RowId,
})
