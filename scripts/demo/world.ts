// The demo's own world: a lab and an agent, each a child process with its own name, ports, socket and
// folders, so that neither another lab nor an agent on this machine is disturbed. They run in process
// groups of their own: a Ctrl-C is the demo's to handle, and the order in which things end is too.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, program } from './program.ts'

export const ENID = join(import.meta.dirname, '../../bin/enid')
/** Beside a lab of anybody else's. */
export const LAB_NAME = 'demo'
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 30_000

/** A running lab and agent. */
export type World = {
  readonly folder: string
  /** The variables with which `enid` and the SDKs find this lab and this agent. */
  readonly env: Readonly<Record<string, string>>
  readonly ec2: string
  readonly ecs: string
  readonly region: string
  /** Stops the tasks that still run, then ends the agent, then the lab. */
  close(): Promise<void>
}

/** One child process, its log, and whether it is still there. */
type Child = { readonly process: ChildProcess; readonly name: string; readonly log: string }

/** Starts the lab; then the agent, told of the lab only by the SDK's own settings. */
export async function openWorld(
  onStep: (text: string) => void,
  signal: AbortSignal,
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'enid-demo-'))
  const children: Child[] = []
  const reach = { ENID_SOCKET: join(folder, 'enid.sock') }
  const close = async () => {
    try {
      if (children.length === 2) await stopTasks(reach)
    } finally {
      for (const child of children.toReversed()) await end(child)
      rmSync(folder, { recursive: true, force: true })
    }
  }
  try {
    const port = await freePort()
    // A demo that was killed left its VPC running: this one is another.
    const flags = ['--name', LAB_NAME, '--port', String(port), '--fresh']
    const lab = start('lab', ['lab', ...flags], { folder })
    children.push(lab)
    const labEnv = await until(lab, signal, readLabEnv)
    onStep(`the lab is up: an EC2 on ${labEnv.AWS_ENDPOINT_URL_EC2}`)

    const env = {
      ...labEnv,
      // The demo's image is made here: nobody outside is asked for it.
      ENID_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
      ENID_STATE_DIR: join(folder, 'state'),
      ...reach,
      ENID_LISTEN: `127.0.0.1:${await freePort()}`,
    }
    const agent = start('agent', ['agent'], { folder, env })
    children.push(agent)
    await until(agent, signal, async () => {
      const { code } = await program(ENID, ['ps'], { env: reach })
      return code === 0 ? true : undefined
    })
    onStep(`the agent is up: an ECS on http://${env.ENID_LISTEN}`)
    return {
      folder,
      env,
      ec2: labEnv.AWS_ENDPOINT_URL_EC2 ?? '',
      ecs: `http://${env.ENID_LISTEN}`,
      region: labEnv.AWS_REGION ?? '',
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function start(
  name: string,
  args: readonly string[],
  { folder, env = {} }: { folder: string; env?: Record<string, string> },
): Child {
  const log = join(folder, `${name}.log`)
  const file = openSync(log, 'a')
  const child = spawn(ENID, [...args], {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, ...env },
  })
  child.once('error', () => {})
  return { process: child, name, log }
}

/** Asks again and again until there is an answer; throws with the log when the child is gone. */
async function until<T>(
  child: Child,
  signal: AbortSignal,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline) {
    const answer = await ask()
    signal.throwIfAborted()
    if (answer !== undefined) return answer
    if (child.process.exitCode !== null || child.process.signalCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const said = readFileSync(child.log, 'utf8').trimEnd().split('\n').slice(-8).join('\n')
  throw new Error(`the ${child.name} does not come up. It said:\n${said}`)
}

/** `enid lab env` prints `export NAME='value'` lines once the lab is up, and fails until then. */
async function readLabEnv(): Promise<Record<string, string> | undefined> {
  const { code, stdout } = await program(ENID, ['lab', 'env', '--name', LAB_NAME, '--json'])
  return code === 0 ? (JSON.parse(stdout) as Record<string, string>) : undefined
}

/** Nothing to do when the story came to its end; much when it was broken off. */
async function stopTasks(env: Record<string, string>): Promise<void> {
  const { code, stdout } = await program(ENID, ['ps', '--json'], { env, always: true })
  if (code !== 0) return
  const { tasks } = JSON.parse(stdout) as { tasks: { taskId: string }[] }
  if (tasks.length === 0) return
  const ids = tasks.map(({ taskId }) => taskId)
  await must(ENID, ['stop', ...ids, '--timeout', '30'], { env, always: true })
}

async function end({ process: child }: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'close')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await gone
  clearTimeout(timer)
}

/** A TCP port of 127.0.0.1 that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
