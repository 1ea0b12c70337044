// A program of ours in network, mount and process namespaces of its own, with an empty /run: what it
// makes is met by nobody and goes with it, however it ends.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Stage } from './stage.ts'

const APART = [
  ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['--propagation', 'private', 'sh', '-c'],
  'set -e; ip link set lo up; mount -t tmpfs none /run; mkdir /run/netns; exec "$@"',
]

/** Runs it with these arguments; what it printed, parsed. Its stderr is ours. */
export async function runApart<T>(
  { signal, defer }: Stage,
  script: string,
  args: readonly string[],
): Promise<T> {
  const command = [process.execPath, join(import.meta.dirname, script), ...args]
  const child = spawn('unshare', [...APART, script, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    killSignal: 'SIGKILL',
  })
  defer(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${script} ended with ${code}`)
  return JSON.parse(said) as T
}
