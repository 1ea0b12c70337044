// When a lab's memory is refused, and what to do then. Nothing of the file is changed before.

import { closeSync, existsSync, openSync, readSync } from 'node:fs'

/** How a write-ahead log of SQLite begins, in either order of bytes. */
const WAL_MAGICS = [0x377f0682, 0x377f0683]

/** The file is not a lab's, damaged, of another format, or held by a lab that `lives`. */
export class StoreRefused extends Error {
  override name = 'StoreRefused'
  readonly lives: boolean

  constructor(message: string, lives = false) {
    super(message)
    this.lives = lives
  }
}

/** SQLite drops a log that is none in silence, and with it what was stored last. */
export function checkWal(path: string): void {
  if (!existsSync(`${path}-wal`)) return
  const fd = openSync(`${path}-wal`, 'r')
  try {
    const magic = Buffer.alloc(4)
    const length = readSync(fd, magic, 0, 4, 0)
    if (length > 0 && !WAL_MAGICS.includes(magic.readUInt32BE(0))) {
      throw new Error('its write-ahead log (world.db-wal) is none')
    }
  } finally {
    closeSync(fd)
  }
}

/** Reads the file; whatever is wrong with it becomes a refusal that says what to do. */
export function reading<T>(name: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
    if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
      throw new StoreRefused(
        `a lab named '${name}' is running already: it holds ${path}; stop it with ` +
          '`enid lab down`, or choose another name',
        true,
      )
    }
    throw new StoreRefused(
      `what the lab '${name}' was cannot be read from ${path}: ${message}. Nothing was changed. ` +
        `Start it with the enid that wrote it, or begin anew with \`enid lab --fresh --name ${name}\`, ` +
        'which takes away what still runs of it',
    )
  }
}
