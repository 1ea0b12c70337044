// Programs that make and keep a host: no shell, every word an argument of its own. What is started
// here outlives the lab where it is to; nothing else of the lab starts programs.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'

/** Runs a program to its end. Rejects with what it said, or with what to install. */
export function run(name: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.once('error', (error) => reject(notStarted(name, error)))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`${name} ended with ${code ?? signal}: ${said.trim()}`))
    })
  })
}

/** Starts a program that is to live on without us, in a process group of its own, its words in `log`. */
export function startDetached(name: string, args: readonly string[], log: string): ChildProcess {
  const file = openSync(log, 'a')
  try {
    const child = spawn(name, args, { detached: true, stdio: ['ignore', file, file] })
    child.on('error', () => {}) // Told by its pid, which it has not.
    child.unref()
    return child
  } finally {
    closeSync(file)
  }
}

/** The processes that a process's main thread has begun and that have not ended. */
export function childrenOf(pid: number): number[] {
  try {
    const words = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    return words.filter((word) => word !== '').map(Number)
  } catch {
    return [] // It is gone.
  }
}

/** The name of the program that a process runs; undefined when it is gone. */
export function programOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined
  }
}

function notStarted(name: string, error: NodeJS.ErrnoException): Error {
  const remedy = error.code === 'ENOENT' ? 'it is not installed (util-linux has it)' : error.message
  return new Error(`${name} does not start: ${remedy}`, { cause: error })
}
