// Runs other programs for the demo: no shell, every word an argument of its own.

import { spawn } from 'node:child_process'

/** What a program said and how it ended. `code` is -1 where we ended it. */
export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

let story: AbortSignal | undefined

/** From now on every program ends, and none is started, once `signal` has aborted. */
export function endProgramsOn(signal: AbortSignal): void {
  story = signal
}

/** How a program is run. */
export type ProgramOptions = {
  /** It is ended by SIGKILL after so long. */
  readonly timeoutMs?: number
  /** Beside ours; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Part of the clean-up: it is run even when the story was broken off. */
  readonly always?: boolean
}

/** Runs a program to its end; never rejects, the outcome is in the result. */
export function program(
  name: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  const signal = options.always === true ? undefined : story
  if (signal?.aborted) return Promise.resolve({ code: -1, stdout: '', stderr: 'interrupted' })
  return new Promise((resolve) => {
    const child = spawn(name, [...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    })
    let stdout = ''
    let stderr = ''
    let late = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const kill = () => {
      late = true
      child.kill('SIGKILL')
    }
    const timer = setTimeout(kill, options.timeoutMs ?? 60_000)
    signal?.addEventListener('abort', kill)
    const end = (ended: Ended) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', kill)
      resolve(ended)
    }
    child.once('error', (error) => end({ code: 127, stdout, stderr: error.message }))
    child.once('close', (code) => end({ code: late ? -1 : (code ?? 1), stdout, stderr }))
  })
}

/** Runs a program that must succeed; its stdout. Throws with what it said otherwise. */
export async function must(
  name: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await program(name, args, options)
  if (code === 0) return stdout
  const said = `${stderr}${stdout}`.trim().split('\n').slice(-5).join('\n  ')
  throw new Error(`${name} ${args.join(' ')} ended with ${code}:\n  ${said}`)
}
