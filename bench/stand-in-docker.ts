// A dockerd without processes, for measuring the agent and not Docker: it answers the calls that enid
// makes, remembers its containers, and gives each pause container a real network namespace. Cards,
// addresses, rules and endpoints are therefore real; what runs in a container is not.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** One container as it was asked for, and what became of it. */
type Container = {
  readonly id: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly image: string
  readonly networkMode: string
  state: 'created' | 'running' | 'exited'
  /** A pause container's only process: what its network namespace lives by. */
  process?: ChildProcess
}

export type StandInDocker = {
  /** How many calls it has answered so far. */
  readonly callCount: () => number
  close(): Promise<void>
}

const EPOCH = '0001-01-01T00:00:00Z'

/** Where each container's cgroup would be: called by its id, as the agent wants to see it. */
const CGROUPS = ['/sys/fs/cgroup/freezer', '/sys/fs/cgroup'].find((root) => existsSync(root)) ?? ''

/** A process in a network namespace and a cgroup of its own. */
async function inNewNetns(id: string): Promise<ChildProcess> {
  const child = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  await once(child, 'spawn')
  mkdirSync(join(CGROUPS, id))
  writeFileSync(join(CGROUPS, id, 'cgroup.procs'), String(child.pid))
  const ours = readlinkSync('/proc/self/ns/net')
  while (readlinkSync(`/proc/${child.pid}/ns/net`) === ours) await sleep(1)
  return child
}

async function end({ id, process: child }: Container): Promise<void> {
  if (child === undefined) return
  const gone = once(child, 'exit')
  if (child.kill('SIGKILL')) await gone
  rmdirSync(join(CGROUPS, id))
}

/** Listens on a unix socket. Needs root, for the namespaces. */
export async function openStandInDocker(socket: string): Promise<StandInDocker> {
  const containers = new Map<string, Container>()
  const watchers = new Set<ServerResponse>()
  let calls = 0

  function tell(container: Container, action: string): void {
    const { id, name, labels, image } = container
    const attributes = { ...labels, name, image, ...(action === 'die' && { exitCode: '0' }) }
    const line = {
      ...{ Type: 'container', Action: action, timeNano: Date.now() * 1e6 },
      Actor: { ID: id, Attributes: attributes },
    }
    for (const watcher of watchers) watcher.write(`${JSON.stringify(line)}\n`)
  }

  async function start(container: Container): Promise<void> {
    if (container.networkMode === 'none') container.process = await inNewNetns(container.id)
    container.state = 'running'
    tell(container, 'start')
  }

  function stop(container: Container): void {
    if (container.state === 'running') tell(container, 'die')
    container.state = 'exited'
  }

  async function remove(container: Container): Promise<void> {
    stop(container)
    containers.delete(container.id)
    await end(container)
    tell(container, 'destroy')
  }

  function create(name: string, body: CreateBody): { readonly Id: string } {
    const id = randomBytes(32).toString('hex')
    const { Labels: labels = {}, Image: image, HostConfig } = body
    const made = { id, name, labels, image, networkMode: HostConfig.NetworkMode }
    containers.set(id, { ...made, state: 'created' })
    return { Id: id }
  }

  async function ofContainer(
    { id, verb, method }: { id: string; verb: string; method: string },
    answer: Answer,
  ): Promise<void> {
    const container = containers.get(id)
    if (container === undefined) return answer(404, { message: `No such container: ${id}` })
    if (method === 'DELETE') return remove(container).then(() => answer(204))
    if (verb === 'json') return answer(200, inspected(container))
    if (verb === 'start') return start(container).then(() => answer(204))
    if (verb === 'stop') stop(container)
    return answer(verb === 'stop' ? 204 : 200)
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    calls += 1
    const url = new URL(request.url ?? '/', 'http://docker')
    const path = url.pathname.replace(/^\/v[\d.]+/, '')
    const answer: Answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body === undefined ? undefined : JSON.stringify(body))
    }
    const [, kind, id = '', verb = ''] = path.split('/')
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      watchers.add(response)
      response.on('close', () => watchers.delete(response))
    } else if (path === '/info') answer(200, { CgroupDriver: 'none' })
    else if (path === '/images/json') answer(200, [])
    else if (kind === 'images') answer(200, { Id: IMAGE, RepoDigests: [], Config: { Env: [] } })
    else if (path === '/volumes') answer(200, { Volumes: [] })
    else if (path === '/containers/json') {
      const filters = JSON.parse(url.searchParams.get('filters') ?? '{}') as Filters
      const found = [...containers.values()].filter((each) => wears(each, labelsIn(filters)))
      answer(200, found.map(listed))
    } else if (path === '/containers/create') {
      const body = JSON.parse(await textOf(request)) as CreateBody
      answer(201, create(url.searchParams.get('name') ?? '', body))
    } else if (kind === 'containers') {
      await ofContainer({ id, verb, method: request.method ?? 'GET' }, answer)
    } else answer(404, { message: `the stand-in has no ${request.method} ${path}` })
  }

  rmSync(socket, { force: true })
  const server = createServer((request, response) => {
    route(request, response).catch((error) => response.destroy(error as Error))
  })
  server.keepAliveTimeout = 60_000
  server.listen(socket)
  await once(server, 'listening')
  return {
    callCount: () => calls,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      for (const container of containers.values()) await end(container)
    },
  }
}

type Answer = (status: number, body?: unknown) => void
type CreateBody = {
  readonly Image: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly HostConfig: { readonly NetworkMode: string }
}
type Filters = { readonly label?: readonly string[] | Readonly<Record<string, boolean>> }

const IMAGE = `sha256:${'5'.repeat(64)}`

const labelsIn = ({ label = [] }: Filters): readonly string[] =>
  Array.isArray(label) ? label : Object.keys(label)

/** `key=value`, or a key alone. */
const wears = ({ labels }: Container, wanted: readonly string[]): boolean =>
  wanted.every((text) => {
    const [key = '', ...rest] = text.split('=')
    return rest.length === 0 ? key in labels : labels[key] === rest.join('=')
  })

const listed = ({ id, name, labels, image, state }: Container) => ({
  ...{ Id: id, Names: [`/${name}`], Image: image, ImageID: IMAGE, Labels: labels },
  ...{ State: state, Status: state === 'running' ? 'Up 1 second' : state, Created: 0 },
})

const inspected = ({ id, name, labels, image, state, process }: Container) => ({
  ...{ Id: id, Name: `/${name}`, Image: IMAGE, Config: { Labels: labels, Image: image, Env: [] } },
  HostConfig: { LogConfig: { Type: 'none' } },
  State: {
    ...{ Status: state, Running: state === 'running', ExitCode: 0, OOMKilled: false },
    ...{ StartedAt: EPOCH, FinishedAt: EPOCH, Pid: process?.pid ?? 0 },
  },
})

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request) text += String(part)
  return text
}
