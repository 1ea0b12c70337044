// One container of a task: started once, and once more for each exit that is answered. What becomes
// of it afterwards is a fact that container-events.ts tells; this row only says that it was started.
// A row before it has made it (created.ts); in tasks from before there was one, this row makes it.
//
//   in doubt:  none ─▶ make, start    created, or still in the answered exit ─▶ start
//              runs or has exited ─▶ take it as it is

import type { ContainerSpec, Spec } from '../../state/spec.ts'
import { Failure } from '../failure.ts'
import { type Cgroups, openCgroups } from './cgroup/tree.ts'
import { endContainer, startContainer } from './cgroup.ts'
import { exitOf } from './container-exit.ts'
import { logTail } from './container-logs.ts'
import { withoutKept } from './container-refusal.ts'
import { containerMaker, type Made, type MakerOptions, wearerOf } from './created.ts'
import type { ContainerFacts } from './docker.ts'
import { containerOf, type Details, type Driver, type Job } from './driver.ts'
import { findContainer } from './mark.ts'
import { orPauseGone } from './sandbox.ts'
import { openStartTurns, type StartTurns } from './start-turns.ts'

/** The exit code for one that was removed behind our back: killed, as far as anybody can tell. */
const VANISHED_EXIT_CODE = 137

/** The driver of `container:<name>` rows. Refuses in the words of ECS: CannotStartContainerError … */
export function containerDriver(
  options: MakerOptions & {
    /** By default this host's. */
    readonly cgroups?: Pick<Cgroups, 'end'>
    /** By default its own. */
    readonly turns?: StartTurns
    /** How long this host still lives, milliseconds; undefined where nobody has announced its end. */
    readonly hostLeftMs?: () => number | undefined
  },
): Driver<'container'> {
  const { docker, host, hostLeftMs = () => undefined } = options
  const { cgroups = openCgroups(), turns = openStartTurns() } = options
  const make = containerMaker(options)
  const find = (job: Job, signal: AbortSignal) => findContainer(docker, wearerOf(host, job), signal)

  async function start(job: Job, signal: AbortSignal): Promise<Details['container']> {
    const ahead = job.known('created', `created:${containerOf(job).name}`)
    const { containerId, found }: Made = ahead ?? (await make(job, signal))
    if (found !== undefined) return await adopt(job, found, signal)
    await begin(job, containerId, signal)
    return { containerId }
  }

  async function begin(job: Job, containerId: string, signal: AbortSignal): Promise<void> {
    try {
      await startContainer({ docker, cgroups, turns }, job, containerId, signal)
    } catch (error) {
      const known = await orPauseGone(error, job, docker, signal)
      throw await withoutKept(known, containerOf(job), () => docker.inspect(containerId, signal))
    }
  }

  async function adopt(
    job: Job,
    facts: ContainerFacts,
    signal: AbortSignal,
  ): Promise<Details['container']> {
    const { Id: containerId, State: state } = facts
    if (state.Running) return { containerId }
    if (state.Status !== 'created' && state.FinishedAt !== job.answeredExitId) {
      return { containerId, exit: exitOf(facts) }
    }
    await begin(job, containerId, signal)
    return { containerId }
  }

  /** Stops it; once more, and sooner, where the end of the host is announced meanwhile. */
  async function stop(job: Job, containerId: string, signal: AbortSignal): Promise<void> {
    const allowedMs = () => graceMs(job.spec, containerOf(job), hostLeftMs())
    const endsAt = performance.now() + allowedMs()
    const sooner = new AbortController()
    const timer = setInterval(() => {
      if (performance.now() + allowedMs() < endsAt - STOP_LOOK_MS) sooner.abort()
    }, STOP_LOOK_MS)
    try {
      await docker.stop(containerId, allowedMs(), AbortSignal.any([signal, sooner.signal]))
    } catch (error) {
      if (!sooner.signal.aborted || signal.aborted) throw error
      await docker.stop(containerId, allowedMs(), signal)
    } finally {
      clearInterval(timer)
    }
  }

  return {
    async ensure(job, signal) {
      const found = job.again ? await find(job, signal) : undefined
      if (found !== undefined) return await adopt(job, found, signal)
      const known = job.known('container', job.row)
      return known === undefined ? await start(job, signal) : vanished(job, known)
    },

    async release(job, signal) {
      const known = job.again ? undefined : job.known('container', job.row)
      const containerId = known?.containerId ?? (await find(job, signal))?.Id
      if (containerId === undefined) return undefined
      await stop(job, containerId, signal)
      const facts = await docker.inspect(containerId, signal)
      // The end of one that was held Docker has seen; one in doubt it may have forgotten.
      const isOver = known !== undefined && facts?.State.Status === 'exited'
      if (!isOver) await endContainer({ cgroups }, job, containerId)
      const tail = facts && (await logTail(docker, facts, signal).catch(noneIfUnreadable))
      if (!job.spec.madeAhead) await docker.remove(containerId, signal)
      const wasStarted = facts !== undefined && facts.State.Status !== 'created'
      return {
        ...(tail === undefined ? {} : { logTail: tail }),
        ...(wasStarted ? { exit: exitOf(facts) } : {}),
      }
    },
  }
}

/** How often a stop that is under way looks at the time that is left to the host, milliseconds. */
const STOP_LOOK_MS = 1_000

/** Of the time that is left to the host: for killing, keeping the logs and taking down the rest. */
const KEPT_BACK_MS = 10_000

/**
 * How long a container may take to stop, milliseconds: as long as it asks for, or its part of what
 * is left to the host, where those that it depends on are stopped after it, one by one.
 */
export function graceMs(
  { containers }: Pick<Spec, 'containers'>,
  container: ContainerSpec,
  leftMs: number | undefined,
): number {
  if (leftMs === undefined) return container.stopTimeoutMs
  const inTurn = ({ dependsOn }: ContainerSpec): number => {
    const beneath = dependsOn.flatMap(
      ({ container: name }) => containers.find((c) => c.name === name) ?? [],
    )
    return 1 + Math.max(0, ...beneath.map(inTurn))
  }
  const partMs = Math.max(0, leftMs - KEPT_BACK_MS) / inTurn(container)
  return Math.min(container.stopTimeoutMs, Math.floor(partMs))
}

/**
 * A log that Docker cannot deliver is no reason to keep its container: that of one whose removal was
 * cut short can never be read again (a dockerd that was ended in the middle).
 */
function noneIfUnreadable(error: unknown): undefined {
  if (!(error instanceof Failure) || error.code !== 'CannotReadLogs') throw error
}

/**
 * It was started, and somebody removed it. Starting another would be starting it twice, so an
 * essential one is lost. Another one counts as exited; an exit that was seen before stands.
 */
function vanished(job: Job, known: Details['container']): Details['container'] {
  const { essential, name } = containerOf(job)
  if (!essential) return { ...known, exit: { exitCode: VANISHED_EXIT_CODE } }
  const id = known.containerId.slice(0, 12)
  throw new Failure('lost', 'ContainerGone', `container ${name} (${id}) is gone`, {
    hint: 'It was removed behind the back of the agent: use `enid stop` to end a task.',
  })
}
