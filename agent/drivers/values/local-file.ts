// Files of the host that tasks may name: those below one directory, for hosts without AWS.

import { open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Failure } from '../../failure.ts'

/** ECS names no limit; what is longer is no file of variables, and no secret. Bytes. */
export const FILE_MAX = 1 << 20

/**
 * The text of the file. A link may lead to another place below the directory, as in the volumes of
 * other orchestrators, and to nothing outside. Rejects with a Failure.
 */
export async function readBelow(directory: string, path: string): Promise<string> {
  const wanted = join(directory, path)
  try {
    const [base, real] = await Promise.all([realpath(directory), realpath(wanted)])
    if (!real.startsWith(`${base}${sep}`)) throw refused(`${wanted} leads out of ${directory}`)
    const file = await open(real, 'r')
    try {
      const { size } = await file.stat()
      if (size > FILE_MAX) throw refused(`${wanted} has ${size} bytes; at most ${FILE_MAX}`)
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read: ${code}`
    throw refused(`${wanted} ${why}`)
  }
}

const refused = (why: string): Failure =>
  new Failure('refused', 'ResourceInitializationError', why, {
    hint: 'file:NAME is a file below the directory of the setting secretsDir',
  })
