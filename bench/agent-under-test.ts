// The agent that is measured: the bundle, started as a unit would start it, beside a lab of its own and
// a dockerd without processes, so that what is timed is the agent. Everything is real but the containers.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { program } from '../scripts/demo/program.ts'
import { cpuMs, rssMb } from './process.ts'
import { openStandInDocker } from './stand-in-docker.ts'

/** An answer over the agent's socket. */
export type Answer = { readonly status: number; readonly body: string }

/** One life of the agent. Times are milliseconds from its exec. */
export type Life = {
  readonly process: ChildProcess
  readonly startedAt: number
  /** When it first answered this path with 200, and what. Rejects after half a minute. */
  until(path: string): Promise<{ readonly ms: number; readonly body: string }>
  /** When its log had said so often so. */
  untilSaid(text: string, times?: number): Promise<number>
  rssMb(): number
  /** Processor time of all its threads so far. */
  cpuMs(): number
  kill(): Promise<void>
}

export type Place = {
  readonly folder: string
  /** Asks the agent. Rejects where nobody answers. */
  ask(method: string, path: string, body?: object): Promise<Answer>
  /** Starts it, from this installation. */
  start(extra?: Readonly<Record<string, string>>): Life
  end(): Promise<void>
}

const WAIT_MS = 60_000

/** A lab, a stand-in for Docker, and a state directory. `root` has bin/enid and dist/. */
export async function openPlace(root: string, name = 'scale'): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'enid-scale-'))
  const enid = join(root, 'bin/enid')
  const lab = spawn(enid, ['lab', '--name', name, '--port', '0', '--fresh'], {
    stdio: ['ignore', 'ignore', openSync(join(folder, 'lab.log'), 'a')],
  })
  const docker = await openStandInDocker(join(folder, 'docker.sock'))
  const labEnv = await untilDefined(async () => {
    const { code, stdout } = await program(enid, ['lab', 'env', '--name', name, '--json'])
    return code === 0 ? (JSON.parse(stdout) as Record<string, string>) : undefined
  })
  const socket = join(folder, 'enid.sock')
  const env = {
    ...process.env,
    ...labEnv,
    DOCKER_HOST: `unix://${join(folder, 'docker.sock')}`,
    ENID_SOCKET: socket,
    ENID_STATE_DIR: join(folder, 'state'),
    ENID_LISTEN: '',
    ENID_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
    ENID_EC2_SHARE: '1',
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask: Place['ask'] = (method, path, body) => askOver(socket, agent, { method, path, body })
  let lives = 0
  return {
    folder,
    ask,
    start: (extra = {}) => {
      const log = join(folder, `agent-${lives++}.log`)
      return startLife(enid, { log, env: { ...env, ...extra }, ask })
    },
    async end() {
      lab.kill('SIGTERM')
      if (lab.exitCode === null) await once(lab, 'close')
      await docker.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function startLife(
  enid: string,
  { log, env, ask }: { log: string; env: NodeJS.ProcessEnv; ask: Place['ask'] },
): Life {
  const startedAt = performance.now()
  const child = spawn(enid, ['agent'], { stdio: ['ignore', 'ignore', openSync(log, 'a')], env })
  const passed = () => performance.now() - startedAt
  const pid = () => child.pid as number
  return {
    process: child,
    startedAt,
    until: async (path) => {
      const body = await untilDefined(async () => {
        const answer = await ask('GET', path).catch(() => undefined)
        return answer?.status === 200 ? answer.body : undefined
      }, 2)
      return { ms: passed(), body }
    },
    untilSaid: async (text, times = 1) => {
      const isSaid = () => readFileSync(log, 'utf8').split(text).length > times
      await untilDefined(async () => isSaid() || undefined, 20)
      return passed()
    },
    rssMb: () => rssMb(pid()),
    cpuMs: () => cpuMs(pid()),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}

function askOver(
  socketPath: string,
  agent: Agent,
  { method, path, body }: { method: string; path: string; body: object | undefined },
): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = text === undefined ? {} : { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, agent, method, path, headers }, (answer) => {
      let told = ''
      answer.setEncoding('utf8').on('data', (part: string) => {
        told += part
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: told }))
    })
    asked.on('error', reject)
    asked.end(text)
  })
}

async function untilDefined<T>(ask: () => Promise<T | undefined>, everyMs = 50): Promise<T> {
  const deadline = performance.now() + WAIT_MS
  while (performance.now() < deadline) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await pause(everyMs)
  }
  throw new Error(`nothing after ${WAIT_MS / 1000} s`)
}

/** Takes the files below a folder out of the page cache, as after a boot; others' files stay. */
export async function chill(folder: string): Promise<void> {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || statSync(path).size === 0) continue
    const flags = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']
    await program('dd', [`of=${path}`, ...flags])
  }
}
