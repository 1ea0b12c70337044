// The folder of a task on this host: what its containers find in /etc, and the way into its network
// namespace. Only root gets here: the state directory is closed to all others.
//
//   <state directory>/tasks/<holder id>/hosts, resolv.conf, hostname    mounted into the pause container
//                                       netns ──▶ /proc/<pid of the pause container>/ns/net
//
// The number of a process that is gone may be another's one day. The way's own name never is, so what
// is held or listens under it is this task's and nobody else's.

import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HolderId } from '../../state/spec.ts'
import { onDisk, removeFolder } from './on-disk.ts'

/** What every container of a task has in /etc, by name. */
export type EtcFiles = Readonly<Record<'hosts' | 'resolv.conf' | 'hostname', string>>

/** The folders of all tasks, below the agent's own place. */
export type TaskFolders = {
  /** Where this file of /etc is for this task, on the host. */
  etcPath(holderId: HolderId, name: keyof EtcFiles): string
  /** Writes them. Throws a Failure `transient`. */
  writeEtc(holderId: HolderId, files: EtcFiles): void
  /** Where the way is. */
  wayOf(holderId: HolderId): string
  /** Lets the way lead to this process's namespace, and answers its path. Throws as `writeEtc` does. */
  wayInto(holderId: HolderId, pid: number): string
  /** Removes the folder. Gone is success. Throws as `writeEtc` does. */
  remove(holderId: HolderId): void
}

const CODE = 'CannotWriteTaskFolder'

/** `stateDir` is the agent's. */
export function openTaskFolders(stateDir: string): TaskFolders {
  const folderOf = (holderId: HolderId) => join(stateDir, 'tasks', holderId)
  const wayOf = (holderId: HolderId) => join(folderOf(holderId), 'netns')
  return {
    etcPath: (holderId, name) => join(folderOf(holderId), name),

    writeEtc(holderId, files) {
      const folder = folderOf(holderId)
      onDisk(folder, CODE, () => {
        mkdirSync(folder, { recursive: true })
        for (const [name, text] of Object.entries(files)) {
          writeFileSync(join(folder, name), text)
          // Whoever a container's process is may read them, and our umask says nobody.
          chmodSync(join(folder, name), 0o644)
        }
      })
    },

    wayOf,

    wayInto(holderId, pid) {
      const folder = folderOf(holderId)
      const way = wayOf(holderId)
      onDisk(folder, CODE, () => {
        mkdirSync(folder, { recursive: true })
        rmSync(`${way}.new`, { force: true })
        symlinkSync(`/proc/${pid}/ns/net`, `${way}.new`)
        renameSync(`${way}.new`, way)
      })
      return way
    },

    remove: (holderId) => removeFolder(folderOf(holderId), CODE),
  }
}
