// The lab that is measured: the bundle, started by the command as a user would start it, and a bare
// HTTP client, so that what is timed is the lab and not an SDK.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { bundledEnid } from './bundle.ts'
import { openClient } from './client.ts'
import { cpuMs, rssMb } from './process.ts'

/** A lab that runs, and what can be asked of it and of its process. */
export type LabUnderTest = {
  /** One EC2 call; the XML of its answer. Rejects with the XML of a refusal. */
  call(action: string, input: Readonly<Record<string, string>>): Promise<string>
  /** One call on the lab's own routes. */
  ask<T>(method: string, path: string, body?: object): Promise<T>
  /** Processor time of all its threads so far. */
  cpuMs(): number
  /** Resident memory. */
  rssMb(): number
  end(): Promise<void>
}

/** Starts a lab of this name from the bundle, on a port of its own. */
export async function startLab(name: string): Promise<LabUnderTest> {
  const args = ['lab', '--name', name, '--port', '0', '--fresh']
  const child = spawn(await bundledEnid(), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ENID_LOG_LEVEL: 'warn' },
  })
  const client = openClient({ port: await portOf(child) })
  const pid = child.pid ?? 0
  return {
    call: (action, input) =>
      client.send('POST', '/', FORM, new URLSearchParams({ Action: action, ...input }).toString()),
    ask: (method, path, body) => client.ask(method, path, body),
    cpuMs: () => cpuMs(pid),
    rssMb: () => rssMb(pid),
    async end() {
      client.close()
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}

/** What stands between that tag in an answer. */
export function textOf(xml: string, tag: string): string {
  const value = new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(xml)?.[1]
  if (value === undefined) throw new Error(`no <${tag}> in ${xml.slice(0, 300)}`)
  return value
}

const FORM = 'application/x-www-form-urlencoded'

function portOf(child: ChildProcess): Promise<number> {
  let said = ''
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        said += data
        const port = /EC2 on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1]
        if (port !== undefined) resolve(Number(port))
      })
    }
    child.once('exit', () => reject(new Error(`the lab did not come up: ${said}`)))
  })
}
