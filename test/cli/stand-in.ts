// A stand-in for the agent: the routes that the command uses, over a unix socket, with answers that a
// test writes down, and a record of what it was asked. It decides nothing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QuarantinedView, TaskDetail } from '../../cli/task-view.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')

/** What the command asked: `GET /tasks`, or the ECS action and its input. */
export type Question = { readonly what: string; readonly input?: unknown }

export type StandIn = {
  readonly socket: string
  readonly asked: Question[]
  /** Tasks by id; a list is gone through, one per look, and stays at its last. */
  readonly tasks: Map<string, readonly TaskDetail[]>
  /** Tasks that cannot be read. */
  readonly quarantined: QuarantinedView[]
  /** Answers of the ECS actions: a document, or a status and a document. */
  readonly ecs: Map<string, object | { readonly status: number; readonly body: object }>
  /** Answers of other REST routes, as `POST /drain`; none is 404. */
  readonly rest: Map<string, object>
  /** Runs the command against this stand-in. */
  enid(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>
  close(): Promise<void>
}

/** Opens one. */
export async function openStandIn(): Promise<StandIn> {
  const folder = mkdtempSync(join(tmpdir(), 'enid-cli-'))
  const socket = join(folder, 'enid.sock')
  const asked: Question[] = []
  const tasks: StandIn['tasks'] = new Map()
  const ecs: StandIn['ecs'] = new Map()
  const rest: StandIn['rest'] = new Map()
  const quarantined: QuarantinedView[] = []
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk
    })
    request.on('end', () => {
      const reply = (status: number, document: object | string) => {
        const isText = typeof document === 'string'
        response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' })
        response.end(isText ? document : JSON.stringify(document))
      }
      const action = String(request.headers['x-amz-target'] ?? '').split('.')[1]
      if (action !== undefined) {
        asked.push({ what: action, input: JSON.parse(body) })
        const answer = ecs.get(action) ?? { status: 400, body: { __type: 'NotWritten' } }
        if ('status' in answer && 'body' in answer)
          reply(Number(answer.status), answer.body as object)
        else reply(200, answer)
        return
      }
      const what = `${request.method} ${request.url}`
      asked.push(body === '' ? { what } : { what, input: JSON.parse(body) })
      const document = rest.get(what)
      if (document !== undefined) return reply(200, document)
      const [, first, id, more] = (request.url ?? '').split(/[/?]/)
      if (first === 'status') return reply(200, { host: { subnetId: 'subnet-host' } })
      if (first !== 'tasks') return reply(404, { error: { code: 'X', message: 'no' } })
      if (id === undefined) {
        return reply(200, { tasks: [...tasks.values()].map((all) => all[0]), quarantined })
      }
      if (more === 'logs') return reply(200, 'one\ntwo\n')
      const [now, ...later] = tasks.get(id) ?? []
      if (now === undefined) return reply(404, { error: { code: 'X', message: 'no' } })
      if (later.length > 0) tasks.set(id, later)
      return reply(200, now)
    })
  }).listen(socket)
  await once(server, 'listening')
  return {
    socket,
    asked,
    tasks,
    quarantined,
    ecs,
    rest,
    async enid(...args) {
      const env = { ...process.env, ENID_SOCKET: socket, ENID_ENDPOINT: '' }
      const child = spawn(ENID, args, { env })
      let [stdout, stderr] = ['', '']
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk
      })
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk
      })
      const [code] = (await once(child, 'close')) as [number]
      return { code, stdout, stderr }
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      rmSync(folder, { recursive: true })
    },
  }
}

/** A task that runs; `change` says what is different about it. */
export const task = (taskId: string, change: Partial<TaskDetail> = {}): TaskDetail => ({
  taskId,
  taskArn: `arn:aws:ecs:us-west-2:1:task/default/${taskId}`,
  cluster: 'default',
  family: 'web',
  revision: 3,
  lastStatus: 'RUNNING',
  desiredStatus: 'RUNNING',
  createdAt: new Date(Date.now() - 7 * 60_000).toISOString(),
  startedAt: new Date().toISOString(),
  enis: [
    {
      status: 'ATTACHED',
      eniId: `eni-${taskId.slice(0, 4)}`,
      mac: '02:00:00:00:00:01',
      subnetId: 'subnet-1',
      ipv4: '10.0.0.35',
      securityGroupIds: ['sg-1', 'sg-2'],
    },
  ],
  containers: [{ name: 'app', image: 'nginx:latest', lastStatus: 'RUNNING' }],
  waiting: [],
  rows: [{ row: 'eni:0', is: 'held' }],
  steps: [{ verb: 'ensure', row: 'eni:0', attempts: 1, afterMs: 2, durationMs: 120 }],
  ...change,
})
