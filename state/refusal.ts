// Why a state file is turned away: the error, what shows damage before SQLite is let near, and what
// to do about it in words. Reads, and changes nothing.

import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** The state file cannot be used. The message says what to do; the file was not changed. */
export class StateFileRefused extends Error {
  override name = 'StateFileRefused'
}

/** The refusal of a damaged file, with the newest backup and what going back to it means. */
export function damaged(path: string, why: string): StateFileRefused {
  const backup = newestBackup(path)
  const way =
    backup === undefined
      ? `There is no backup beside it. To start empty, move ${path}* away`
      : `The newest backup is ${backup.path} of ${new Date(backup.at).toISOString()}. To go back ` +
        `to it, move ${path}, ${path}-wal and ${path}-shm away and copy it to ${path}`
  return new StateFileRefused(
    `${path} is damaged (${why.replaceAll(/\s+/g, ' ')}); it was not changed. ${way}. Tasks that it does not know ` +
      'run on, and are given back by `enid sweep`',
  )
}

/** The newest copy beside the file: of the day, or of before a migration. */
function newestBackup(path: string): { path: string; at: number } | undefined {
  const name = basename(path)
  const isCopy = (each: string) =>
    each === `${name}.bak` || (each.startsWith(`${name}.v`) && each.endsWith('.bak'))
  return readdirSync(dirname(path))
    .filter(isCopy)
    .map((each) => join(dirname(path), each))
    .map((each) => ({ path: each, at: statSync(each).mtimeMs }))
    .sort((a, b) => b.at - a.at)[0]
}

/** The first word of every WAL file, but for its last bit (sqlite.org/fileformat, "The WAL file"). */
const WAL_MAGIC = 0x377f0682
/** Where the file says how it is written: 1 by a rollback journal, 2 by a WAL. */
const WRITE_VERSION_AT = 18

/**
 * Why the WAL beside the file is not its own, or undefined. SQLite would drop one that is damaged in
 * silence, with the commits in it, and put one of another file's over this one.
 */
export function misplacedWal(path: string): string | undefined {
  const wal = `${path}-wal`
  if (!existsSync(wal) || statSync(wal).size === 0) return undefined
  if (!existsSync(path)) return `it is gone, and ${wal} is still there`
  const magic = bytesOf(wal, 0, 4)
  if (magic.length === 4 && (magic.readUInt32BE() & ~1) !== WAL_MAGIC) {
    return `${wal} does not begin as one`
  }
  if (bytesOf(path, WRITE_VERSION_AT, 1)[0] === 1) return `${wal} is of another file`
  return undefined
}

function bytesOf(path: string, at: number, length: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(file, bytes, 0, length, at))
  } finally {
    closeSync(file)
  }
}
