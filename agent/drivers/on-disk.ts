// What the agent writes below its state directory for a task, beside the journal: folders by holder id.

import { rmSync } from 'node:fs'
import { Failure } from '../failure.ts'

/** Does this to a folder. Throws a Failure `transient`: room on the disk is all that it takes. */
export function onDisk(folder: string, code: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    const { code: errno, message } = error as NodeJS.ErrnoException
    if (errno === undefined) throw error
    throw new Failure('transient', code, `${folder}: ${message}`, { cause: error })
  }
}

/** Removes it with what is in it. Gone is success. Throws as `onDisk` does. */
export function removeFolder(folder: string, code: string): void {
  onDisk(folder, code, () => rmSync(folder, { recursive: true, force: true }))
}
