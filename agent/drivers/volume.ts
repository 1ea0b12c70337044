// A volume of a task. One of the task's own is made for it, under a name that nobody else has, and
// removed with it; a shared one is found by its name, or made where the definition says so, and stays.
// One of NFS is a mount of the agent's (mounts.ts).

import type { NfsVolume, RouterFile, VolumePlan } from '../../state/volume.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import type { Docker } from './docker.ts'
import { type Driver, type Job, volumeOf } from './driver.ts'
import { labelsOf } from './mark.ts'
import type { MountPlan, Mounts } from './mounts.ts'
import { planNfs } from './nfs-plan.ts'
import { makeRouterFolder, removeRouterFolder, type WrittenFile } from './router-folder.ts'
import type { Values } from './values/values.ts'

/** The driver of `volume:<name>` rows. Refuses with CannotCreateVolumeError, ECS's word. */
export function volumeDriver(options: {
  readonly docker: Docker
  readonly host: Host
  /** Where the files of log routers are. */
  readonly routersDir: string
  /** Fetches files for log routers. */
  readonly values?: Pick<Values, 'file'>
  readonly mounts: Mounts
  /**
   * How a file system is mounted: by NFS, and nothing of the product says otherwise. Tests put one
   * there that this kernel has.
   */
  readonly planMount?: (volume: NfsVolume, region: string, family: 4 | 6) => Promise<MountPlan>
}): Driver<'volume'> {
  const { docker, host, routersDir, values, mounts, planMount = planNfs } = options

  async function written(file: RouterFile, job: Job, signal: AbortSignal): Promise<WrittenFile> {
    if ('text' in file) return file
    if (values === undefined) throw new Error(`nothing fetches ${file.name}`)
    return { name: file.name, text: await values.file(file.from, job.spec, signal) }
  }

  async function share(name: string, isMade: boolean, plan: VolumePlan, signal: AbortSignal) {
    const there = await docker.inspectVolume(name, signal)
    if (there !== undefined && there.Driver !== plan.driver) {
      throw refused(`volume ${name} is of driver ${there.Driver}, not ${plan.driver}`, OTHER)
    }
    if (there === undefined && !isMade) throw refused(`there is no volume ${name}`, MAKE_IT)
    if (there === undefined) await docker.createVolume(name, plan, signal)
    return { volumeName: name }
  }

  return {
    async ensure(job, signal) {
      const volume = volumeOf(job)
      if (volume.kind === 'bind') throw new Error(`${job.row} is a place of the host`)
      if (volume.kind === 'router') {
        const files = await Promise.all(volume.files.map((file) => written(file, job, signal)))
        return { volumeName: makeRouterFolder(routersDir, job.holderId, files) }
      }
      if (volume.kind === 'nfs') {
        const place = mounts.placeOf(job.holderId, volume.name)
        const { netns } = job.details('sandbox', 'sandbox')
        const family = job.details('eni', 'eni:0').ipv4 === undefined ? 6 : 4
        await mounts.mount(await planMount(volume, host.region, family), place, netns, signal)
        return { volumeName: place }
      }
      const { name, driver, options, labels } = volume
      if (volume.kind === 'shared') {
        return await share(name, volume.isMade, { driver, options, labels }, signal)
      }
      const { holderId, row } = job
      const own = labelsOf({ instanceId: host.instanceId, holderId, row })
      // One that is there is answered as if it were made now: its name is this task's alone.
      const plan = { driver, options, labels: { ...labels, ...own } }
      await docker.createVolume(ownName(job), plan, signal)
      return { volumeName: ownName(job) }
    },

    async release(job, signal) {
      const { kind, name } = volumeOf(job)
      if (kind === 'nfs') await mounts.unmount(mounts.placeOf(job.holderId, name), signal)
      if (kind === 'task') await docker.removeVolume(ownName(job), signal)
      if (kind === 'router') removeRouterFolder(routersDir, job.holderId)
      return undefined
    },
  }
}

const ownName = (job: Job): string => `ecs-${job.spec.family}-${volumeOf(job).name}-${job.holderId}`

const OTHER = 'Name that driver in dockerVolumeConfiguration, or another volume.'
const MAKE_IT = 'Make it with docker volume create, or set autoprovision to true.'

const refused = (message: string, hint: string): Failure =>
  new Failure('refused', 'CannotCreateVolumeError', message, { hint })
