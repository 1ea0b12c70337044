// One container of a task: created in the pause container's namespaces, started once, and once more
// for each exit that is answered. What becomes of it afterwards is a fact that container-events.ts
// tells; this row only says that it was started.
//
//   in doubt:  none ─▶ create, start    created, or still in the answered exit ─▶ start
//              runs or has exited ─▶ take it as it is

import type { ContainerSpec, Spec } from '../../state/spec.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { unlessAborted } from './abort.ts'
import { type Cgroups, openCgroups } from './cgroup/tree.ts'
import { endContainer, startContainer } from './cgroup.ts'
import { exitOf } from './container-exit.ts'
import { logTail } from './container-logs.ts'
import { planOf } from './container-plan.ts'
import type { ContainerFacts, Docker } from './docker.ts'
import { isNameTaken } from './docker.ts'
import { containerOf, type Details, type Driver, type Job } from './driver.ts'
import { findContainer, labelsOf, shortId } from './mark.ts'
import { regionVariables } from './region-variables.ts'
import type { Roles } from './roles/roles.ts'
import type { Fetched, Values } from './values/values.ts'
import { NOTHING, withoutValues } from './values/values.ts'

/** The exit code for one that was removed behind our back: killed, as far as anybody can tell. */
const VANISHED_EXIT_CODE = 137

/** The driver of `container:<name>` rows. Refuses in the words of ECS: CannotCreateContainerError … */
export function containerDriver(options: {
  readonly docker: Docker
  readonly host: Host
  /** By default this host's. */
  readonly cgroups?: Pick<Cgroups, 'end'>
  /** How long this host still lives, milliseconds; undefined where nobody has announced its end. */
  readonly hostLeftMs?: () => number | undefined
  /** Where credentials of tasks' roles come from; without it no task can have one. */
  readonly roles?: Roles
  /** Where secrets and files of variables come from; without it no container can name one. */
  readonly values?: Values
}): Driver<'container'> {
  const { docker, host, cgroups = openCgroups(), hostLeftMs = () => undefined } = options
  const { roles, values } = options
  const wearerOf = ({ holderId, row }: Job) => ({ instanceId: host.instanceId, holderId, row })

  /** By its name, or by its id where another task's pull has moved the name on meanwhile. */
  async function imageOf(job: Job, signal: AbortSignal): Promise<string> {
    const { image, name } = containerOf(job)
    const imageId = job.known('image', `image:${name}`)?.imageId
    const now = imageId === undefined ? undefined : await docker.image(image, signal)
    return imageId === undefined || now?.imageId === imageId ? image : imageId
  }

  async function make(job: Job, signal: AbortSignal): Promise<Details['container']> {
    const spec = containerOf(job)
    const name = `ecs-${job.spec.family}-${spec.name}-${shortId(job.holderId)}`
    const pause = job.details('sandbox', 'sandbox').containerId
    const labels = { ...spec.dockerLabels, ...ecsLabels(job, spec), ...labelsOf(wearerOf(job)) }
    const fetched = await fetch(job, spec, signal)
    const Image = await imageOf(job, signal)
    const region = await regionOf(spec, Image, { fetched, signal })
    const plan = { ...planOf(spec, job, pause, fetched, region), Image, Labels: labels }
    try {
      const containerId = await docker.create(name, plan, signal)
      await startContainer({ docker, cgroups }, job, containerId, signal)
      return { containerId }
    } catch (error) {
      const own = isNameTaken(error) && (await findContainer(docker, wearerOf(job), signal))
      if (own) return await adopt(job, own, signal)
      throw withoutFetched(error, fetched)
    }
  }

  async function regionOf(
    { environment }: ContainerSpec,
    image: string,
    { fetched, signal }: { fetched: Fetched; signal: AbortSignal },
  ): Promise<Readonly<Record<string, string>>> {
    const { fromFiles, secrets } = fetched
    const ofImage = await docker.imageVariables(image, signal)
    const own = [fromFiles, environment, secrets].flatMap((each) => Object.keys(each))
    return regionVariables(host.region, [...ofImage, ...own])
  }

  /** What it needs that no journal holds; the task role's credentials, so that they are there. */
  async function fetch(job: Job, spec: ContainerSpec, signal: AbortSignal): Promise<Fetched> {
    const { task } = job.spec.roles ?? {}
    const credentials = (role: string) =>
      roles && unlessAborted(roles.get(role, job.holderId), signal, `the wait for ${role}`)
    const [fetched = NOTHING] = await Promise.all([
      values?.fetch(job.spec, spec, signal),
      task === undefined ? undefined : credentials(task),
    ])
    return fetched
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
    await startContainer({ docker, cgroups }, job, containerId, signal)
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
      const found = job.again ? await findContainer(docker, wearerOf(job), signal) : undefined
      if (found !== undefined) return await adopt(job, found, signal)
      const known = job.known('container', job.row)
      return known === undefined ? await make(job, signal) : vanished(job, known)
    },

    async release(job, signal) {
      const facts = await findContainer(docker, wearerOf(job), signal)
      if (facts === undefined) return undefined
      await stop(job, facts.Id, signal)
      await endContainer({ cgroups }, job, facts.Id)
      const tail = await logTail(docker, facts, signal).catch(noneIfUnreadable)
      const after = await docker.inspect(facts.Id, signal)
      await docker.remove(facts.Id, signal)
      const wasStarted = after !== undefined && after.State.Status !== 'created'
      return {
        ...(tail === undefined ? {} : { logTail: tail }),
        ...(wasStarted ? { exit: exitOf(after) } : {}),
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

/** Docker's refusals quote what they refuse. */
function withoutFetched(error: unknown, fetched: Fetched): unknown {
  if (!(error instanceof Failure) || fetched === NOTHING) return error
  const { kind, code, message, hint, ofChoice, isAway } = error
  return new Failure(kind, code, withoutValues(message, fetched), { hint, ofChoice, isAway })
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

const ecsLabels = ({ spec }: Job, { name }: ContainerSpec): Record<string, string> => ({
  'com.amazonaws.ecs.container-name': name,
  'com.amazonaws.ecs.task-definition-family': spec.family,
})
