// The lab that is measured: the bundle, started by the command as a user would start it, and a bare
// HTTP client, so that what is timed is the lab and not an SDK.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildAll } from '../scripts/build.ts'
import { ROOT } from '../scripts/suites.ts'

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

/** Builds the bundle into a folder of its own and starts the lab from it. */
export async function startLab(name: string): Promise<LabUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'enid-bench-'))
  await buildAll(join(folder, 'dist'))
  mkdirSync(join(folder, 'bin'))
  copyFileSync(join(ROOT, 'bin/enid'), join(folder, 'bin/enid'))
  const child = spawn(join(folder, 'bin/enid'), ['lab', '--name', name, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ENID_LOG_LEVEL: 'warn' },
  })
  const port = await portOf(child)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const send = (method: string, path: string, type: string, body: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }
      const options = { host: '127.0.0.1', port, agent, method, path, headers }
      const asked = request(options, (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (part: string) => {
          text += part
        })
        answer.on('end', () =>
          answer.statusCode === 200 ? resolve(text) : reject(new Error(text)),
        )
      })
      asked.on('error', reject)
      asked.end(body)
    })
  return {
    call: (action, input) =>
      send('POST', '/', FORM, new URLSearchParams({ Action: action, ...input }).toString()),
    ask: async (method, path, body) =>
      JSON.parse(
        await send(
          method,
          path,
          'application/json',
          body === undefined ? '' : JSON.stringify(body),
        ),
      ),
    cpuMs() {
      const tasks = `/proc/${child.pid}/task`
      const run = (task: string): string => readFileSync(`${tasks}/${task}/schedstat`, 'utf8')
      return readdirSync(tasks).reduce(
        (sum, task) => sum + Number(run(task).split(' ')[0]) / 1e6,
        0,
      )
    },
    rssMb() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
    },
    async end() {
      agent.destroy()
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true })
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
