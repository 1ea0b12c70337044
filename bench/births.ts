// When the first process of a container runs, told by that process: its first act is to write a word
// into a fifo of the host, mounted into it. The same line in the same image on both sides of a
// comparison, and neither Docker's nor the agent's own idea of "started" is asked.
//
//   container: `echo WORD > /births/fifo` ─▶ kernel ─▶ our event loop ─▶ the time
//
// (Docker answers `start` some milliseconds before or after that, the agent says RUNNING later.)

import { execFileSync } from 'node:child_process'
import { constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Births = {
  /** The host's folder that is to be mounted at `/births`. */
  readonly folder: string
  /** The time (performance.now) at which that word came; rejects when it does not within 60 s. */
  of(word: string): Promise<number>
  close(): void
}

const LATE_MS = 60_000

/** What a container that tells of its birth runs: busybox's shell, which then waits to be ended. */
export const bornAs = (word: string): string[] => [
  ...['/busybox', 'sh', '-c'],
  `echo ${word} > /births/fifo; trap 'exit 0' TERM; while :; do /busybox sleep 3600 & wait; done`,
]

/** Makes a fifo and listens. Words are of letters, digits and `-`. */
export function listenForBirths(): Births {
  const folder = mkdtempSync(join(tmpdir(), 'enid-births-'))
  const path = join(folder, 'fifo')
  execFileSync('mkfifo', ['--mode=0666', path])
  // Open for writing as well: otherwise it would end with each writer. Linux allows that: fifo(7).
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const socket = new Socket({ fd, readable: true, writable: false })
  const came = new Map<string, number>()
  const waiting = new Map<string, (at: number) => void>()
  let rest = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    const at = performance.now()
    const words = (rest + text).split('\n')
    rest = words.pop() ?? ''
    for (const word of words) {
      const resolve = waiting.get(word)
      if (resolve === undefined) came.set(word, at)
      else resolve(at)
    }
  })
  return {
    folder,
    of(word) {
      const at = came.get(word)
      came.delete(word)
      if (at !== undefined) return Promise.resolve(at)
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(word)
          reject(new Error(`nothing was born as ${word} within ${LATE_MS / 1000} s`))
        }, LATE_MS)
        waiting.set(word, (then) => {
          clearTimeout(late)
          waiting.delete(word)
          resolve(then)
        })
      })
    },
    close() {
      socket.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
