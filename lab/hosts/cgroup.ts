// The cgroups of a host's containers: below one folder per host in every hierarchy, so that they can
// go with it; and those that an agent on it made for its tasks, by the instance's id. A dockerd that is
// killed leaves its own behind, empty.

import { readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'

/** The folder of a host's cgroups, as dockerd is told it. */
export const cgroupParent = (lab: string, host: string): string => `/enid-lab/${lab}.${host}`

/** Where the agent makes its tasks' (docs/operations.md): `<instance>.<task>`. */
const OF_TASKS = '/enid'

/** Removes a host's cgroups, all hierarchies; its processes have ended. */
export function removeCgroups(lab: string, host: string, instanceId: string | undefined): void {
  const parent = cgroupParent(lab, host)
  for (const hierarchy of [ROOT, ...foldersIn(ROOT).map((name) => join(ROOT, name))]) {
    removeTree(join(hierarchy, parent))
    for (const name of foldersIn(join(hierarchy, OF_TASKS))) {
      const isIts = instanceId !== undefined && name.startsWith(`${instanceId}.`)
      if (isIts) removeTree(join(hierarchy, OF_TASKS, name))
    }
    removeEmpty(join(hierarchy, '/enid-lab'))
  }
}

function removeTree(folder: string): void {
  for (const name of foldersIn(folder)) removeTree(join(folder, name))
  removeEmpty(folder)
}

/** Another host may have one of its own in it, or the kernel not be through with the last process. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EBUSY') throw error
  }
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch {
    return [] // Not there.
  }
}
