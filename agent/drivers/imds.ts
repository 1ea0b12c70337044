// The instance metadata service, version 2: where the agent learns which instance it is. One token
// serves all requests for hours (the SDK's own client fetches one for each, and falls back to v1).

import { request as httpRequest } from 'node:http'
import { Failure } from '../failure.ts'

export type Imds = {
  /** The value under `/latest/<path>`. Throws `transient` where IMDS does not answer or lacks it. */
  read(path: string, signal: AbortSignal): Promise<string>
  /** The same, or undefined where IMDS has no such path. */
  find(path: string, signal: AbortSignal): Promise<string | undefined>
}

export type ImdsOptions = {
  /** By default what the SDKs use: AWS_EC2_METADATA_SERVICE_ENDPOINT, else http://169.254.169.254. */
  readonly endpoint?: string
  /** For one request, milliseconds. */
  readonly timeoutMs?: number
}

/** The longest that IMDS allows: 6 hours. A token is replaced an hour before, and on a 401. */
const TOKEN_SECONDS = 21_600
const TOKEN_RENEW_MS = 5 * 3600 * 1000

/** Opens the client. Nothing is asked before the first read. */
export function openImds(options: ImdsOptions = {}): Imds {
  const fromSdk = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT
  const endpoint = (options.endpoint || fromSdk || 'http://169.254.169.254').replace(/\/$/, '')
  const { timeoutMs = 2_000 } = options
  let token: { readonly value: string; readonly asOf: number } | undefined

  async function request(path: string, asked: Asked, signal: AbortSignal): Promise<Answer> {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    try {
      return await ask(`${endpoint}/latest/${path}`, asked, bound)
    } catch (error) {
      if (signal.aborted) throw new Failure('transient', 'Aborted', 'IMDS was given up')
      throw unreachable(`${endpoint} does not answer: ${reasonOf(error)}`, error)
    }
  }

  async function freshToken(signal: AbortSignal): Promise<string> {
    if (token !== undefined && performance.now() - token.asOf < TOKEN_RENEW_MS) return token.value
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) }
    const answer = await request('api/token', { method: 'PUT', headers }, signal)
    const { body: value } = answer
    if (answer.status !== 200)
      throw unreachable(`${endpoint} gives no token: HTTP ${answer.status}`)
    token = { value, asOf: performance.now() }
    return value
  }

  async function find(path: string, signal: AbortSignal): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      const headers = { 'x-aws-ec2-metadata-token': await freshToken(signal) }
      const { status, body } = await request(path, { method: 'GET', headers }, signal)
      if (status === 404) return undefined
      if (status === 200) return body
      token = undefined
      if (status !== 401 || attempt === 2) {
        throw unreachable(`${endpoint}/latest/${path}: HTTP ${status}`)
      }
    }
  }

  return {
    find,
    async read(path, signal) {
      const value = await find(path, signal)
      if (value === undefined) throw unreachable(`${endpoint} has no ${path}`)
      return value
    },
  }
}

type Asked = { readonly method: string; readonly headers: Readonly<Record<string, string>> }
type Answer = { readonly status: number; readonly body: string }

/** One request. By node:http, because fetch takes 0.1 s and 5 MB before the first one. */
function ask(url: string, asked: Asked, signal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const request = httpRequest(url, { ...asked, signal }, (answer) => {
    let body = ''
    answer.setEncoding('utf8').on('data', (part: string) => {
      body += part
    })
    answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
    answer.on('error', reject)
  })
  request.on('error', reject)
  request.end()
  return promise
}

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error ? cause.message || message : message
}

const unreachable = (message: string, cause?: unknown): Failure =>
  new Failure('transient', 'MetadataServiceUnreachable', message, {
    hint: 'The agent runs on an EC2 instance with IMDS enabled, or beside `enid lab` with its environment (`enid lab env`).',
    cause,
  })
