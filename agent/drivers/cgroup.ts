// The cgroup around a whole task: its limits, and the handle by which everything in it can be ended,
// what Docker has forgotten among it. Pause and containers are made in it. A host that has none to
// give runs the tasks that ask for no limit without.

import { setTimeout as pause } from 'node:timers/promises'
import type { HolderId } from '../../state/spec.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { limitsOf } from './cgroup/limits.ts'
import { leafOf, pathOf, pathsOf } from './cgroup/path.ts'
import type { Cgroups } from './cgroup/tree.ts'
import type { Docker } from './docker.ts'
import { isForgotten } from './docker.ts'
import type { Driver, Job } from './driver.ts'
import type { StartTurns } from './start-turns.ts'

/** The driver of the `cgroup` row. Refuses with CgroupUnavailable. */
export function cgroupDriver(options: {
  readonly docker: Pick<Docker, 'cgroupDriver'>
  readonly cgroups: Cgroups
  readonly host: Host
}): Driver<'cgroup'> {
  const { docker, cgroups, host } = options

  async function placeFor(holderId: HolderId, signal: AbortSignal): Promise<string | undefined> {
    const driver = await docker.cgroupDriver(signal)
    return driver === 'none' ? undefined : pathOf(driver, host.instanceId, holderId)
  }

  /** Nothing runs in it as a rule: what does is looked for when the kernel says so. */
  async function clear(path: string): Promise<void> {
    try {
      await cgroups.remove(path)
    } catch (error) {
      if (!isOf(error, 'CgroupBusy')) throw error
      await cgroups.end(path)
      await cgroups.remove(path)
    }
  }

  return {
    async ensure(job, signal) {
      const { holderId, spec } = job
      const { cpuUnits, memoryMiB } = spec.cgroup ?? {}
      const isLimited = cpuUnits !== undefined || memoryMiB !== undefined
      // What is there already is where it is: dockerd, which takes its time, is not asked again.
      const path = job.known('cgroup', job.row)?.path ?? (await placeFor(holderId, signal))
      if (path === undefined) {
        if (isLimited) throw noDriver()
        return {}
      }
      try {
        await cgroups.make(path, limitsOf(spec, cgroups.version))
        return { path }
      } catch (error) {
        if (isLimited || !isOf(error, 'CgroupUnavailable')) throw error
        return {}
      }
    },

    async release(job) {
      const known = job.again ? undefined : job.known('cgroup', job.row)?.path
      // In doubt it may be made by a dockerd of either driver.
      const paths = known === undefined ? pathsOf(host.instanceId, job.holderId) : [known]
      for (const path of paths) await clear(path)
      return undefined
    },
  }
}

const isOf = (error: unknown, code: string): boolean =>
  error instanceof Failure && error.code === code

const noDriver = (): Failure =>
  new Failure('refused', 'CgroupUnavailable', 'dockerd makes no cgroups (its driver is "none")', {
    hint: 'Run dockerd as root, or leave out cpu and memory of the task',
  })

/** The hands that start and end a container with what the cgroup knows of it. */
export type Ending = {
  readonly docker: Docker
  readonly cgroups: Pick<Cgroups, 'end'>
  readonly turns: StartTurns
}

/** How often a container that was ended is started, and how long after, milliseconds. */
const AGAIN = { most: 20, afterMs: 100 }

/**
 * Starts it, when it is its turn. One that a dockerd which was killed in the middle has started, and forgotten, is ended
 * first: Docker can neither start nor end it, and what it did so far nobody was told. Its containerd
 * learns of that end a moment later, and only then lets it be started.
 */
export async function startContainer(
  { docker, cgroups, turns }: Ending,
  job: Job,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  const path = job.known('cgroup', 'cgroup')?.path
  for (let turn = 0; ; turn++) {
    try {
      await turns.take(job, signal, () => docker.start(containerId, signal))
      return
    } catch (error) {
      if (path === undefined || !isForgotten(error) || turn === AGAIN.most) throw error
      await cgroups.end(leafOf(path, containerId))
      await pause(AGAIN.afterMs)
    }
  }
}

/** Ends what is left of a container that was stopped: nothing, unless Docker has forgotten it. */
export async function endContainer(
  { cgroups }: Pick<Ending, 'cgroups'>,
  job: Job,
  containerId: string,
): Promise<void> {
  const path = job.known('cgroup', 'cgroup')?.path
  if (path !== undefined) await cgroups.end(leafOf(path, containerId))
}
