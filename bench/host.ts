// enid's side of a comparison: a lab and an agent, each a process of the bundle as users run it, with
// names, ports and folders of their own; and the agent's API on its unix socket, which is asked as
// anybody's client would.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from '../scripts/demo/program.ts'
import { bundledEnid } from './bundle.ts'
import { type Client, openClient } from './client.ts'
import { type LabUnderTest, startLab, textOf } from './lab-under-test.ts'
import { listenForNews } from './news.ts'
import { cpuMs, rssMb } from './process.ts'

type Variables = Readonly<Record<string, string>>

export type HostOptions = {
  /** The lab's pace: `fast`, its default, or `aws`. */
  readonly profile?: string
  /** The agent's settings, as its environment has them; or what makes them of what the lab says. */
  readonly env?: Variables | ((told: Variables) => Variables)
  /** How many requests the client may have open at once. */
  readonly sockets?: number
}

/** A task as GET /tasks/:id tells it, as far as rows read it. */
export type TaskSeen = {
  readonly taskId: string
  readonly lastStatus: string
  readonly stoppedReason?: string
  readonly steps: readonly Readonly<Record<string, unknown>>[]
} & Readonly<Record<string, unknown>>

export type Host = {
  readonly lab: LabUnderTest
  readonly agent: Client
  readonly subnetId: string
  readonly instanceId: string
  /** One action of the ECS protocol. */
  ecs<T>(action: string, input: object): Promise<T>
  /** `enid …` against this lab and agent; what it printed. */
  enid(...args: string[]): Promise<string>
  /** Registers a definition in awsvpc mode; its family. */
  define(family: string, containers: readonly object[], more?: object): Promise<string>
  /** RunTask, once it is answered: the tasks' ids. Throws where one of them was refused. */
  run(family: string, more?: object): Promise<string[]>
  task(id: string): Promise<TaskSeen>
  /** Waits until it says so. Throws when it stops before, or after 60 s. */
  reached(id: string, status: string): Promise<TaskSeen>
  /** StopTask, and waits until it is stopped. */
  stop(id: string): Promise<void>
  /** Of the agent's process. */
  cpuMs(): number
  rssMb(): number
  /** Stops what runs, then the agent, then the lab. */
  close(): Promise<void>
}

const LATE_MS = 60_000
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Starts a lab and an agent and waits until both answer. */
export async function openHost(options: HostOptions = {}): Promise<Host> {
  const name = `bench${randomBytes(2).toString('hex')}`
  const folder = mkdtempSync(join(tmpdir(), 'enid-bench-'))
  const enid = await bundledEnid()
  const lab = await startLab(name)
  const given: { agent?: ChildProcess; isClosing?: boolean } = {}
  const end = async () => {
    if (given.agent !== undefined) await endOf(given.agent)
    await lab.end()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const told: Variables = JSON.parse(await must(enid, ['lab', 'env', '--name', name, '--json']))
    const socketPath = join(folder, 'enid.sock')
    const env = {
      ...told,
      ENID_LAB: name,
      ENID_STATE_DIR: join(folder, 'state'),
      ENID_SOCKET: socketPath,
      ENID_LISTEN: '',
      // The image is made here: nobody outside is asked for it.
      ENID_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
      ENID_LOG_LEVEL: 'warn',
      ...(typeof options.env === 'function' ? options.env(told) : options.env),
    }
    if (options.profile !== undefined)
      await must(enid, ['lab', 'profile', options.profile], { env })
    const log = join(folder, 'agent.log')
    const file = openSync(log, 'a')
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', enid, 'agent'], {
      stdio: ['ignore', file, file],
      env: { ...process.env, ...env },
    })
    closeSync(file)
    given.agent = child
    const agent = openClient({ socketPath }, options.sockets)
    await untilAnswers(agent, child, log)
    const instance = await lab.call('DescribeInstances', {})
    const pid = child.pid ?? 0
    const subnetId = textOf(instance, 'subnetId')
    const ecs: Host['ecs'] = async (action, input) => {
      const target = { 'x-amz-target': `AmazonEC2ContainerServiceV20141113.${action}` }
      const body = JSON.stringify(input)
      return JSON.parse(await agent.send('POST', '/', 'application/x-amz-json-1.1', body, target))
    }
    const task: Host['task'] = (id) => agent.ask('GET', `/tasks/${id}`)
    const news = await listenForNews(socketPath)
    const reached: Host['reached'] = async (id, status) => {
      const late = await news.until(id, status, LATE_MS).catch((error: Error) => error)
      const seen = await task(id)
      if (seen.lastStatus === status) return seen
      const words = `${id} is ${seen.lastStatus}, not ${status}: ${seen.stoppedReason ?? late}`
      const described = await must(enid, ['describe', id], { env }).catch(String)
      throw new Error([words, described, readFileSync(log, 'utf8').slice(-2000)].join('\n'))
    }
    const stop: Host['stop'] = async (id) => {
      await agent.ask('DELETE', `/tasks/${id}`)
      await reached(id, 'STOPPED')
    }
    return {
      ...{ lab, agent, subnetId, ecs, task, reached, stop },
      instanceId: textOf(instance, 'instanceId'),
      enid: (...args) => must(enid, args, { env }),
      async define(family, containerDefinitions, more = {}) {
        const input = { family, networkMode: 'awsvpc', containerDefinitions, ...more }
        await ecs('RegisterTaskDefinition', input)
        return family
      },
      async run(family, more = {}) {
        if (given.isClosing) throw new Error('the row is over: no task is run any more')
        type Ran = { tasks: { taskArn: string }[]; failures: object[] }
        const { tasks, failures } = await ecs<Ran>('RunTask', {
          taskDefinition: family,
          networkConfiguration: { awsvpcConfiguration: { subnets: [subnetId] } },
          ...more,
        })
        if (failures.length > 0) throw new Error(JSON.stringify(failures))
        return tasks.map(({ taskArn }) => taskArn.split('/').at(-1) ?? '')
      },
      cpuMs: () => cpuMs(pid),
      rssMb: () => rssMb(pid),
      async close() {
        given.isClosing = true
        try {
          type Listed = { tasks: { taskId: string; desiredStatus: string; lastStatus: string }[] }
          const { tasks } = await agent.ask<Listed>('GET', '/tasks')
          const living = tasks.filter(({ lastStatus }) => lastStatus !== 'STOPPED')
          for (const { taskId } of living) await agent.ask('DELETE', `/tasks/${taskId}`)
          for (const { taskId } of living) await reached(taskId, 'STOPPED')
        } finally {
          news.close()
          agent.close()
          await end()
        }
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}

async function untilAnswers(agent: Client, child: ChildProcess, log: string): Promise<void> {
  const deadline = performance.now() + LATE_MS
  for (;;) {
    const answer = await agent.ask('GET', '/status').catch((error: Error) => error)
    if (!(answer instanceof Error)) return
    if (performance.now() > deadline || child.exitCode !== null || child.signalCode !== null) {
      const said = readFileSync(log, 'utf8').slice(-2000)
      throw new Error(`the agent does not come up (${answer.message}). It said:\n${said}`)
    }
    await pause(20)
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await gone
  clearTimeout(timer)
}
