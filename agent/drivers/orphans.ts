// Giving back what no holder claims: the effect of a step whose asker is dead, landed after its row
// was released. The same calls as the drivers' releases, but by what was seen, not by a job; whether
// anything is an orphan is for agent/reconcile.ts to say.

import { Failure } from '../failure.ts'
import { type Cgroups, openCgroups } from './cgroup/tree.ts'
import type { Docker } from './docker.ts'
import type { Ec2 } from './ec2.ts'
import type { Kernel } from './kernel/kernel.ts'
import { kernelFailure } from './kernel-failure.ts'
import { openMounts } from './mounts.ts'
import { removeRouterFolder, routersBelow } from './router-folder.ts'
import type {
  SeenAddress,
  SeenCgroup,
  SeenContainer,
  SeenEni,
  SeenLink,
  SeenVolume,
} from './survey.ts'
import { openTaskFolders } from './task-folder.ts'

/** What the sweep may do to the world, and the one thing that it may ask. */
export type Orphans = {
  /** SIGTERM, SIGKILL, and removed. Gone is success. */
  releaseContainer(seen: SeenContainer, signal: AbortSignal): Promise<void>
  /** Removed with what is in it; a mount of the agent's is only unmounted. Gone is success. */
  releaseVolume(seen: SeenVolume, signal: AbortSignal): Promise<void>
  /** All that runs in it ended, and removed. Gone is success. */
  releaseCgroup(seen: SeenCgroup, signal: AbortSignal): Promise<void>
  /** Disassociated, and released. Gone is success. */
  releaseAddress(seen: SeenAddress, signal: AbortSignal): Promise<void>
  /** Down, without addresses or mark. Gone is success. */
  releaseLink(seen: SeenLink, signal: AbortSignal): Promise<void>
  /**
   * Detaches it where it is attached to this instance, then deletes it. `going`: EC2 is still
   * detaching it, so it is to be deleted later. Gone is success.
   */
  releaseEni(seen: SeenEni, signal: AbortSignal): Promise<'gone' | 'going'>
  /** Detaches one that is only lent, and no more. Gone is success. */
  detachLent(seen: SeenEni, signal: AbortSignal): Promise<void>
  /** Those of these instances that exist: described, and not terminated. */
  instancesThatExist(ids: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>
}

export type OrphansOptions = {
  readonly ec2: Pick<Ec2, 'call'>
  readonly docker: Pick<Docker, 'inspect' | 'stop' | 'remove' | 'removeVolume'>
  readonly kernel: Pick<Kernel, 'giveBack' | 'dropNetns'>
  readonly instanceId: string
  /** By default this host's. */
  readonly cgroups?: Pick<Cgroups, 'end' | 'remove'>
  /** The agent's own place. */
  readonly stateDir: string
}

/** How long an orphan may take to end by itself, milliseconds: Docker's own default. */
const STOP_MS = 10_000
/** EC2 takes 200 values of a filter. */
const FILTER_VALUES_MAX = 200

/** Opens these hands over what the drivers use. */
export function openOrphans(options: OrphansOptions): Orphans {
  const { ec2, docker, kernel, instanceId, stateDir, cgroups = openCgroups() } = options
  const mounts = openMounts({ stateDir })
  const folders = openTaskFolders(stateDir)

  async function detach(seen: SeenEni, signal: AbortSignal): Promise<void> {
    const { attachment } = seen
    if (attachment?.instanceId !== instanceId || attachment.deviceIndex === 0) return
    if (attachment.status === 'detaching') return
    const input = { AttachmentId: attachment.attachmentId }
    await ec2.call('DetachNetworkInterface', input, signal).catch(unlessGone)
  }

  return {
    async releaseContainer({ containerId, wears }, signal) {
      const facts = await docker.inspect(containerId, signal)
      if (facts === undefined) return
      await docker.stop(containerId, STOP_MS, signal)
      await docker.remove(containerId, signal)
      if (wears.row !== 'sandbox') return
      // While this process holds the namespace, the kernel cannot bring the link home.
      await kernel.dropNetns(folders.wayOf(wears.holderId))
      // The last that a task gives back here. Nothing marks a folder but its name.
      removeRouterFolder(routersBelow(stateDir), wears.holderId)
      folders.remove(wears.holderId)
    },

    async releaseVolume({ volumeName }, signal) {
      if (mounts.isPlace(volumeName)) await mounts.unmount(volumeName, signal)
      else await docker.removeVolume(volumeName, signal)
    },

    async releaseCgroup({ path }) {
      await cgroups.end(path)
      await cgroups.remove(path)
    },

    async releaseAddress({ allocationId, associationId }, signal) {
      if (associationId !== undefined) {
        const input = { AssociationId: associationId }
        await ec2.call('DisassociateAddress', input, signal).catch(unlessGone)
      }
      const input = { AllocationId: allocationId }
      await ec2.call('ReleaseAddress', input, signal).catch(unlessGone)
    },

    async releaseLink({ mac }, signal) {
      await kernel.giveBack({ mac, netns: NO_NAMESPACE }, { signal }).catch((error) => {
        throw kernelFailure(error)
      })
    },

    async releaseEni(seen, signal) {
      await detach(seen, signal)
      try {
        const input = { NetworkInterfaceId: seen.eniId }
        await ec2.call('DeleteNetworkInterface', input, signal)
      } catch (error) {
        if (isInUse(error)) return 'going'
        unlessGone(error)
      }
      return 'gone'
    },

    detachLent: detach,

    async instancesThatExist(ids, signal) {
      const there = new Set<string>()
      for (let at = 0; at < ids.length; at += FILTER_VALUES_MAX) {
        const Values = ids.slice(at, at + FILTER_VALUES_MAX)
        // By filter: an id that does not exist would fail the whole call.
        const input = { Filters: [{ Name: 'instance-id', Values }] }
        const { Reservations = [] } = await ec2.call('DescribeInstances', input, signal)
        for (const { InstanceId, State } of Reservations.flatMap(
          ({ Instances = [] }) => Instances,
        )) {
          if (InstanceId !== undefined && State?.Name !== 'terminated') there.add(InstanceId)
        }
      }
      return there
    },
  }
}

/** The link is in the host already: there is no namespace to take it out of. */
const NO_NAMESPACE = '/run/netns/enid-none'

function unlessGone(error: unknown): void {
  if (!(error instanceof Failure) || !/\.NotFound$/.test(error.code)) throw error
}

const isInUse = (error: unknown): boolean =>
  error instanceof Failure &&
  (/is currently in use/i.test(error.message) || error.code === 'InvalidNetworkInterface.InUse')
