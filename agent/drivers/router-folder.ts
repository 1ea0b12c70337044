// The folder of a task's log router on this host: the files that it reads, and the place for the socket
// that dockerd writes to. Only root gets here: the state directory is closed to all others.
//
//   <state directory>/firelens/<holder id>/fluent.conf
//                                          socket/fluent.sock     made by the router

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HolderId } from '../../state/spec.ts'
import { Failure } from '../failure.ts'
import { onDisk, removeFolder } from './on-disk.ts'

/** sun_path holds 108 bytes, the closing zero included: unix(7). */
const SOCKET_PATH_MAX = 107

const CODE = 'CannotCreateVolumeError'

/** A file as it is to be written. `{task-id}` in it stands for the holder's id. */
export type WrittenFile = { readonly name: string; readonly text: string }

/** Makes it, or makes sure of it, and answers its path. Throws a Failure. */
export function makeRouterFolder(
  routersDir: string,
  holderId: HolderId,
  files: readonly WrittenFile[],
): string {
  const folder = join(routersDir, holderId)
  const socket = join(folder, 'socket')
  if (Buffer.byteLength(join(socket, 'fluent.sock')) > SOCKET_PATH_MAX) {
    const message = `the socket of a log router below ${routersDir} would have too long a path`
    throw new Failure('refused', CODE, message, { hint: 'Set ENID_STATE_DIR to a shorter one.' })
  }
  if (folder.includes(':')) {
    // Docker writes source, path and mode in one text with colons between them.
    const message = `Docker can mount nothing from below ${routersDir}, which has a colon`
    throw new Failure('refused', CODE, message, { hint: 'Set ENID_STATE_DIR to another one.' })
  }
  onDisk(folder, CODE, () => {
    mkdirSync(socket, { recursive: true })
    // The router may be any user of its image.
    chmodSync(socket, 0o777)
    for (const { name, text } of files) {
      writeFileSync(join(folder, name), text.replaceAll('{task-id}', holderId))
    }
  })
  return folder
}

/** Where the folders are. */
export const routersBelow = (stateDir: string): string => join(stateDir, 'firelens')

/** Removes it with what is in it. Gone is success. Throws a Failure `transient`. */
export function removeRouterFolder(routersDir: string, holderId: HolderId): void {
  removeFolder(join(routersDir, holderId), CODE)
}
