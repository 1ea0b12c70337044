// Where a task's cgroup is, and what Docker calls it. Pure. The path says by itself which of Docker's
// two cgroup drivers it is for, so whoever has one needs to know nothing else.
//
//   cgroupfs   enid/<instance>.<task>                         a container: <path>/<id>
//   systemd    enid.slice/enid-<instance>_<task>.slice        a container: <path>/docker-<id>.scope

import { basename } from 'node:path'
import type { HolderId } from '../../../state/spec.ts'

/** Docker's two ways with cgroups. */
export type CgroupDriver = 'cgroupfs' | 'systemd'

/** Below these are the cgroups of all tasks. They stay, as Docker's own `docker` does. */
export const PARENTS = ['enid', 'enid.slice'] as const

/** The path below every hierarchy. A dash in a slice's name is a level, so it has one of them. */
export const pathOf = (driver: CgroupDriver, instanceId: string, holderId: HolderId): string =>
  driver === 'cgroupfs'
    ? `enid/${instanceId}.${holderId}`
    : `enid.slice/enid-${instanceId.replace('i-', '')}_${holderId}.slice`

/** Both of its paths: a task's cgroup may be from before dockerd was given another driver. */
export const pathsOf = (instanceId: string, holderId: HolderId): string[] => [
  pathOf('cgroupfs', instanceId, holderId),
  pathOf('systemd', instanceId, holderId),
]

const isSlice = (path: string): boolean => path.endsWith('.slice')

/** What Docker is told as CgroupParent. */
export const parentOf = (path: string): string => (isSlice(path) ? basename(path) : `/${path}`)

/** The cgroup that Docker makes in it for a container. */
export const leafOf = (path: string, containerId: string): string =>
  `${path}/${isSlice(path) ? `docker-${containerId}.scope` : containerId}`

/** Whose this is, by its path; undefined where it is no cgroup of a task of this instance. */
export function holderAt(path: string, instanceId: string): HolderId | undefined {
  const holderId = /[._]([0-9a-f]{32})(\.slice)?$/.exec(path)?.[1]
  return holderId !== undefined && pathsOf(instanceId, holderId).includes(path)
    ? holderId
    : undefined
}
