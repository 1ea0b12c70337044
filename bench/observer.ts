// Who did a task wait for? Told by an onlooker: two proxies, one before the lab's EC2 and one before
// dockerd, note when each request left the agent and when its answer was whole. What is left of a
// task's start is the agent's own: its decisions, its commits, its SDK, its queues.
//
//   agent ─▶ proxy ─▶ EC2        agent ─▶ proxy ─▶ dockerd        GET /tasks/:id: the step at the link
//
// Requests are told apart by what they say: a token's ENI, a container's name, then their ids. One
// that names no task (an image, dockerd itself) is nobody's, so its time counts as the agent's own.

import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TaskSeen } from './host.ts'

/** One request of the agent's, in the time of performance.now. */
type Call = {
  readonly task: string | undefined
  readonly isStart: boolean
  readonly from: number
  /** Infinity while it is under way. */
  to: number
}

export type Observer = {
  /** The agent's settings that lead it through here, given where EC2 is. */
  env(told: Readonly<Record<string, string>>): Readonly<Record<string, string>>
  /**
   * Of the time from `from` to `to`, how long this task waited for nobody: milliseconds. While
   * dockerd is at work on so many starts as it is ever asked for at once, a task that has not begun
   * its next request waits for dockerd as well.
   */
  ownMs(seen: TaskSeen, span: Span, startsAtOnce?: number): number
  /** The most starts that dockerd was ever asked for at once. */
  mostStarts(): number
  close(): void
}

export type Span = { readonly from: number; readonly to: number }

/** Opens both proxies. `dockerPath`: the socket of the dockerd behind. */
export async function openObserver(folder: string, dockerPath: string): Promise<Observer> {
  const calls: Call[] = []
  /** Which task an id of EC2's or Docker's belongs to. */
  const owners = new Map<string, string>()
  const begin = (task: string | undefined, isStart: boolean): Call => {
    const call = { task, isStart, from: performance.now(), to: Number.POSITIVE_INFINITY }
    calls.push(call)
    return call
  }
  const docker = passOn({ socketPath: dockerPath }, (path) => {
    const own = /[?&]name=ecs-[^&]*?-([0-9a-f]{8})(-pause)?(&|$)/.exec(path)?.[1]
    const id = /\/containers\/([0-9a-f]{64})/.exec(path)?.[1] ?? ''
    const call = begin(own ?? owners.get(id), path.endsWith('/start'))
    return (answer) => {
      call.to = performance.now()
      const made = /"Id":"([0-9a-f]{64})"/.exec(own === undefined ? '' : answer)?.[1]
      if (own !== undefined && made !== undefined) owners.set(made, own)
    }
  })
  const path = `${folder}/docker.sock`
  docker.listen(path)
  await once(docker, 'listening')
  const far = { port: 0 }
  const ec2 = passOn(far, (_path, body) => {
    const form = new URLSearchParams(body)
    const named = form.get('Description')?.match(/^enid task ([0-9a-f]{8})/)?.[1]
    const ids = [form.get('NetworkInterfaceId'), form.get('AttachmentId')]
    const own = named ?? ids.flatMap((id) => owners.get(id ?? '') ?? [])[0]
    const call = begin(own, false)
    return (answer) => {
      call.to = performance.now()
      const made = /<(?:networkInterfaceId|attachmentId)>([^<]+)/.exec(answer)?.[1]
      if (own !== undefined && made !== undefined) owners.set(made, own)
    }
  })
  ec2.listen(0, '127.0.0.1')
  await once(ec2, 'listening')
  const near = (ec2.address() as AddressInfo).port
  return {
    env(told) {
      far.port = Number(new URL(told.AWS_ENDPOINT_URL_EC2 ?? '').port)
      return {
        DOCKER_HOST: `unix://${path}`,
        AWS_ENDPOINT_URL_EC2: `http://127.0.0.1:${near}`,
      }
    },
    ownMs(seen, { from, to }, startsAtOnce = Number.POSITIVE_INFINITY) {
      const mine = calls.filter(({ task }) => task !== undefined && seen.taskId.startsWith(task))
      const starts = calls.filter(({ isStart }) => isStart)
      const busy = [...mine, ...linkSpans(seen), ...full(starts, startsAtOnce)]
      return to - from - covered(busy, { from, to })
    },
    mostStarts() {
      const starts = calls.filter(({ isStart }) => isStart)
      return Math.max(0, ...starts.map(({ from }) => atOnce(starts, from)))
    },
    close() {
      for (const server of [docker, ec2]) {
        server.closeAllConnections()
        server.close()
      }
      rmSync(path, { force: true })
    },
  }
}

type Far = { readonly socketPath: string } | { readonly port: number }

/** `begun` is told of a request, and answers who is told of its answer. */
function passOn(far: Far, begun: (path: string, body: string) => (answer: string) => void): Server {
  const agent = new Agent({ keepAlive: true })
  const host = 'port' in far ? { host: '127.0.0.1' } : {}
  return createServer(async (near, answer) => {
    const body = await bytesOf(near)
    const told = begun(near.url ?? '', body.toString('latin1'))
    const { method, url, headers } = near
    const { 'transfer-encoding': _, ...others } = headers
    const length = body.length === 0 ? {} : { 'content-length': String(body.length) }
    const asked = request({
      ...{ ...far, ...host, agent, method, path: url },
      headers: { ...others, ...length },
    })
    asked.on('error', () => answer.destroy())
    answer.on('close', () => asked.destroy())
    asked.on('response', async (from: IncomingMessage) => {
      answer.writeHead(from.statusCode ?? 502, from.headers)
      // A stream of events has no end: its head must not wait for a first word.
      answer.flushHeaders()
      const parts: string[] = []
      const isStream = url?.includes('/events') === true
      from.on('data', (part: Buffer) => {
        if (!isStream) parts.push(part.toString('latin1'))
        answer.write(part)
      })
      from.on('end', () => {
        told(parts.join(''))
        answer.end()
      })
      from.on('error', () => answer.destroy())
    })
    asked.end(body)
  })
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

/** When the task was at its links: in the kernel, or waiting for EC2 to plug the card in. */
function linkSpans({ steps }: TaskSeen): Span[] {
  type Step = { row: string; verb: string; beganAt: string; durationMs?: number }
  const links = (steps as readonly Step[]).filter(
    ({ row, verb }) => verb === 'ensure' && row.startsWith('link:'),
  )
  return links.map(({ beganAt, durationMs = Number.POSITIVE_INFINITY }) => {
    const from = Date.parse(beganAt) - performance.timeOrigin
    return { from, to: from + durationMs }
  })
}

const atOnce = (spans: readonly Span[], at: number): number =>
  spans.filter(({ from, to }) => from <= at && at < to).length

/** When so many of these were under way. */
function full(spans: readonly Span[], most: number): Span[] {
  if (!Number.isFinite(most)) return []
  const marks = spans.flatMap(({ from, to }) => [
    { at: from, by: 1 },
    { at: to, by: -1 },
  ])
  const found: Span[] = []
  let count = 0
  let since: number | undefined
  for (const { at, by } of marks.toSorted((a, b) => a.at - b.at || a.by - b.by)) {
    count += by
    if (count >= most) since ??= at
    else if (since !== undefined) {
      found.push({ from: since, to: at })
      since = undefined
    }
  }
  return found
}

/** How much of the span these cover together. */
function covered(spans: readonly Span[], { from, to }: Span): number {
  let sum = 0
  let reached = from
  for (const each of spans.toSorted((a, b) => a.from - b.from)) {
    const begin = Math.max(each.from, reached)
    const end = Math.min(each.to, to)
    if (end <= begin) continue
    sum += end - begin
    reached = end
  }
  return sum
}
