// The pause container: it holds the task's network namespace from before the first container to
// after the last. Hostname, hosts, resolver and sysctls of the whole task are fixed when it is
// created, because Docker refuses them on a container that joins another's namespace.
//
//   create (image imported first, if it is missing) ──▶ start ──▶ hold its namespace

import { readFileSync } from 'node:fs'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { type Cgroups, openCgroups } from './cgroup/tree.ts'
import { endContainer, startContainer } from './cgroup.ts'
import type { ContainerFacts, Docker } from './docker.ts'
import { isImageMissing, isNameTaken } from './docker.ts'
import type { Details, Driver, Job } from './driver.ts'
import type { Kernel } from './kernel/kernel.ts'
import { kernelFailure } from './kernel-failure.ts'
import { findContainer, labelsOf, shortId } from './mark.ts'
import { type PauseImage, pauseImage } from './pause/image.ts'
import { etcOf, planOf } from './sandbox-plan.ts'
import { openStartTurns, type StartTurns } from './start-turns.ts'
import type { TaskFolders } from './task-folder.ts'

export type SandboxOptions = {
  readonly docker: Docker
  readonly kernel: Pick<Kernel, 'holdNetns' | 'dropNetns'>
  readonly host: Host
  readonly folders: TaskFolders
  /** By default this host's. */
  readonly cgroups?: Pick<Cgroups, 'end'>
  /** By default its own. */
  readonly turns?: StartTurns
  /** By default the one for this machine. */
  readonly image?: PauseImage
}

/**
 * The driver of the `sandbox` row. A pause container that is dead, or gone after it was held, is
 * `lost`: a new one would be an empty namespace, and everything that ran in the old one is cut off.
 */
export function sandboxDriver(options: SandboxOptions): Driver<'sandbox'> {
  const { docker, kernel, host, folders, image = pauseImage() } = options
  const { cgroups = openCgroups(), turns = openStartTurns() } = options
  const wearerOf = ({ holderId, row }: Job) => ({ instanceId: host.instanceId, holderId, row })

  async function make(job: Job, signal: AbortSignal): Promise<string> {
    const name = `ecs-${job.spec.family}-${shortId(job.holderId)}-pause`
    const labels = labelsOf(wearerOf(job))
    folders.writeEtc(job.holderId, etcOf(job, host))
    const plan = planOf(job, host, image.reference, labels, (name) =>
      folders.etcPath(job.holderId, name),
    )
    try {
      return await docker.create(name, plan, signal)
    } catch (error) {
      if (isNameTaken(error)) return await ownOrRethrow(job, error, signal)
      if (!isImageMissing(error)) throw error
    }
    await image.ensureIn(docker, signal)
    return await docker.create(name, plan, signal)
  }

  async function ownOrRethrow(job: Job, error: unknown, signal: AbortSignal): Promise<string> {
    const own = await findContainer(docker, wearerOf(job), signal)
    if (own === undefined) throw error
    return own.Id
  }

  async function settle(
    job: Job,
    containerId: string,
    signal: AbortSignal,
  ): Promise<Details['sandbox']> {
    const facts = await docker.inspect(containerId, signal)
    if (facts === undefined || !facts.State.Running) throw lost(containerId, facts)
    const { Pid: pid } = facts.State
    const way = folders.wayInto(job.holderId, pid)
    // An earlier agent may have held it by another path, and what listens in it is called by that.
    const { netns = way } = job.known('sandbox', job.row) ?? {}
    await kernel.holdNetns(netns).catch((error) => {
      throw kernelFailure(error)
    })
    // Looked at when the namespace is held: then it was this process's when it was opened, too.
    if (!isOfContainer(pid, containerId)) {
      const now = await docker.inspect(containerId, signal)
      if (now?.State.Pid !== pid) {
        await kernel.dropNetns(netns)
        throw lost(containerId, now)
      }
    }
    return { containerId, netns }
  }

  return {
    async ensure(job, signal) {
      const known = job.known('sandbox', job.row)
      const found = job.again ? await findContainer(docker, wearerOf(job), signal) : undefined
      if (found === undefined && known !== undefined) throw lost(known.containerId, found)
      if (found?.State.Running) return await settle(job, found.Id, signal)
      if (found !== undefined && found.State.Status !== 'created') throw lost(found.Id, found)
      const containerId = found?.Id ?? (await make(job, signal))
      await startContainer({ docker, cgroups, turns }, job, containerId, signal)
      return await settle(job, containerId, signal)
    },

    async release(job, signal) {
      const known = job.known('sandbox', job.row)
      // What was held is known by its id; in doubt it may be another, made by an ensure without an answer.
      const isSure = known !== undefined && !job.again
      const facts = isSure ? undefined : await findContainer(docker, wearerOf(job), signal)
      const containerId = isSure ? known.containerId : facts?.Id
      if (containerId !== undefined) {
        // One that was held Docker knows to run, and ends itself; the cgroup's own release sees to it.
        if (!isSure) await endContainer({ cgroups }, job, containerId)
        await docker.remove(containerId, signal)
      }
      // A hold outlives the container: without this, a namespace that no link was taken into stays.
      await kernel.dropNetns(known?.netns ?? folders.wayOf(job.holderId))
      folders.remove(job.holderId)
      return undefined
    },
  }
}

/** What to do about a dead pause container, whoever found it. */
export const PAUSE_REMEDY =
  'Run the task again. Where dockerd was restarted: containers outlive that with ' +
  '"live-restore": true in /etc/docker/daemon.json'

/**
 * Whether this process is in a container's cgroup, which is called by its id. No is no proof of the
 * contrary: Docker can be told to make none.
 */
function isOfContainer(pid: number, containerId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(containerId)
  } catch {
    // Gone, or going: ENOENT, ESRCH.
    return false
  }
}

function lost(containerId: string, facts: ContainerFacts | undefined): Failure {
  const id = containerId.slice(0, 12)
  const message =
    facts === undefined
      ? `the pause container ${id} is gone, and the task's network namespace with it`
      : `the pause container ${id} is ${facts.State.Status} (exit code ${facts.State.ExitCode})`
  return new Failure('lost', 'PauseGone', message, {
    hint: PAUSE_REMEDY,
  })
}

/**
 * What Docker refused for want of a running pause container is the loss of that one, whatever Docker's
 * words for it: then its failure, else `error`. Throws what looking at it throws.
 */
export async function orPauseGone(
  error: unknown,
  job: Job,
  docker: Pick<Docker, 'inspect'>,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(error instanceof Failure) || error.kind !== 'refused') return error
  const { containerId } = job.details('sandbox', 'sandbox')
  const facts = await docker.inspect(containerId, signal)
  return facts?.State.Running ? error : lost(containerId, facts)
}
