// How the commands talk to the agent: plain HTTP over its unix socket, or over loopback TCP. Two
// dialects on one connection: REST for looking, the ECS protocol (AWS JSON 1.1) for running tasks.
//
//   --endpoint, ENID_ENDPOINT ─┐
//   --socket, ENID_SOCKET ─────┴▶ where to connect ─▶ request ─▶ JSON, or a CommandError

import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Call } from './command.ts'
import { CommandError, EXIT } from './command.ts'

/** Where the agent listens when nothing else is said. */
export const DEFAULT_SOCKET = '/run/enid/enid.sock'
// The longest answer to wait for: RunTask may ask EC2 about subnets first.
const REQUEST_TIMEOUT_MS = 60_000

/** Where an HTTP server is: a unix socket or a loopback address. */
export type Address =
  | { readonly socketPath: string; readonly name: string }
  | { readonly host: string; readonly port: number; readonly name: string }

/** Ways to ask the agent. Every one throws a CommandError that says what to do. */
export type AgentConnection = {
  /** REST; `undefined` for 404. */
  get(path: string): Promise<unknown>
  /** REST, with an empty document unless one is given; `undefined` for 404. */
  post(path: string, document?: object): Promise<unknown>
  /** REST; `undefined` for 404. */
  put(path: string, document: object): Promise<unknown>
  /** REST; `undefined` for 404. */
  delete(path: string): Promise<unknown>
  /** REST; the answer as it is. */
  text(path: string): Promise<string>
  /** One action of the ECS protocol. */
  ecs(action: string, input: object): Promise<Record<string, unknown>>
}

/** An answer as it came. */
export type Answer = { readonly status: number; readonly body: string }

/** The agent's address from flags, then the environment, then the default. */
export function agentAddress(
  call: Call,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Address {
  const flag = call.one('endpoint')
  const fromFlags = call.one('socket') !== undefined
  const endpoint = flag ?? (fromFlags ? undefined : environment.ENID_ENDPOINT)
  if (endpoint === undefined || endpoint === '') {
    const socketPath = call.one('socket') ?? environment.ENID_SOCKET ?? DEFAULT_SOCKET
    return { socketPath, name: socketPath }
  }
  return httpAddress(flag === undefined ? 'ENID_ENDPOINT' : '--endpoint', endpoint)
}

/** Reads `http://host:port`; `source` is what the error names. */
export function httpAddress(source: string, endpoint: string): Address {
  const url = URL.parse(endpoint)
  if (url?.protocol !== 'http:' || url.hostname === '' || !['', '/'].includes(url.pathname)) {
    throw new CommandError(
      EXIT.usage,
      `${source} is "${endpoint}": it must be a plain address such as http://127.0.0.1:51680`,
    )
  }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { host, port: Number(url.port || 80), name: endpoint }
}

/** A connection to the agent at `address`. Nothing is sent before the first question. */
export function connectAgent(address: Address): AgentConnection {
  const ask = (question: Question) => send(address, question).catch(unreachable(address))
  async function tell(method: 'POST' | 'PUT', path: string, document: object): Promise<unknown> {
    const headers = { 'content-type': 'application/json' }
    const answer = await ask({ method, path, headers, body: JSON.stringify(document) })
    return answer.status === 404 ? undefined : understood(answer)
  }
  return {
    async get(path) {
      const answer = await ask({ method: 'GET', path })
      return answer.status === 404 ? undefined : understood(answer)
    },
    post: (path, document = {}) => tell('POST', path, document),
    put: (path, document) => tell('PUT', path, document),
    async delete(path) {
      const answer = await ask({ method: 'DELETE', path })
      return answer.status === 404 ? undefined : understood(answer)
    },
    async text(path) {
      const answer = await ask({ method: 'GET', path })
      if (answer.status >= 400) understood(answer)
      return answer.body
    },
    async ecs(action, input) {
      const headers = {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `AmazonEC2ContainerServiceV20141113.${action}`,
      }
      const body = JSON.stringify(input)
      const answer = await ask({ method: 'POST', path: '/', headers, body })
      return understood(answer) as Record<string, unknown>
    },
  }
}

/** The connection of a request that the agent upgrades. Throws where it does not. */
export function upgrade(address: Address, path: string, protocol: string): Promise<Duplex> {
  const headers = { connection: 'Upgrade', upgrade: protocol }
  const asked = new Promise<Duplex>((resolve, reject) => {
    const outgoing = request({ ...address, method: 'GET', path, headers })
    outgoing.once('upgrade', (_incoming, socket, head) => {
      socket.unshift(head)
      resolve(socket)
    })
    outgoing.once('response', ({ statusCode }) => {
      outgoing.destroy()
      reject(new Error(`HTTP ${statusCode}`))
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
  return asked.catch(unreachable(address))
}

/** Hands on what the agent answers as it comes, until it ends. Throws where that breaks off. */
export function stream(address: Address, path: string, take: (chunk: Buffer) => void) {
  const read = new Promise<Answer>((resolve, reject) => {
    const outgoing = request({ ...address, method: 'GET', path }, (incoming) => {
      const status = incoming.statusCode ?? 0
      const refusal: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => {
        if (status < 400) take(chunk)
        else refusal.push(chunk)
      })
      incoming.once('end', () => resolve({ status, body: Buffer.concat(refusal).toString() }))
      incoming.once('error', reject)
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
  return read.catch(unreachable(address)).then((answer) => {
    if (answer.status >= 400) understood(answer)
  })
}

type Question = { method: string; path: string; headers?: Record<string, string>; body?: string }

/** Sends one request. Rejects with the socket's error when nobody answers. */
export function send(address: Address, question: Question): Promise<Answer> {
  const { body = '', headers = {}, method, path } = question
  return new Promise((resolve, reject) => {
    const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = request(
      { ...address, method, path, headers: { ...headers, ...length }, timeout: REQUEST_TIMEOUT_MS },
      (incoming) => {
        let text = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk: string) => {
          text += chunk
        })
        incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, body: text }))
        incoming.once('error', reject)
      },
    )
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 60 s')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

function unreachable(address: Address): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const why =
      error.code === 'EACCES'
        ? 'you may not open it: be root, or of the group that owns it'
        : 'is the agent running? Start it: enid agent'
    const reason = error.code ?? error.message
    throw new CommandError(
      EXIT.unreachable,
      `no agent answers at ${address.name} (${reason}): ${why}`,
    )
  }
}

/** The answer's JSON, or a CommandError in the agent's own words. */
export function understood({ status, body }: Answer): unknown {
  let document: unknown
  try {
    document = body === '' ? {} : JSON.parse(body)
  } catch {
    throw new CommandError(
      EXIT.failed,
      `the answer is no JSON: is this enid's address? (${status})`,
    )
  }
  if (status < 400) return document
  // REST says { error: { code, message } }, the ECS protocol { __type, message }.
  const { error, __type, message } = (document ?? {}) as Record<string, unknown>
  const rest = (error ?? {}) as Record<string, unknown>
  const code = String(__type ?? rest.code ?? `HTTP ${status}`)
  throw new CommandError(
    EXIT.failed,
    `${code.split('#').at(-1)}: ${String(rest.message ?? message ?? '')}`,
  )
}
