// The instance metadata service, version 2: where the agent learns which instance it is. One token
// serves all requests for hours (the SDK's own client fetches one for each, and falls back to v1).

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

  async function request(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    try {
      return await fetch(`${endpoint}/latest/${path}`, { ...init, signal: bound })
    } catch (error) {
      if (signal.aborted) throw new Failure('transient', 'Aborted', 'IMDS was given up')
      throw unreachable(`${endpoint} does not answer: ${reasonOf(error)}`, error)
    }
  }

  async function freshToken(signal: AbortSignal): Promise<string> {
    if (token !== undefined && performance.now() - token.asOf < TOKEN_RENEW_MS) return token.value
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) }
    const answer = await request('api/token', { method: 'PUT', headers }, signal)
    const value = await answer.text()
    if (!answer.ok) throw unreachable(`${endpoint} gives no token: HTTP ${answer.status}`)
    token = { value, asOf: performance.now() }
    return value
  }

  async function find(path: string, signal: AbortSignal): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      const headers = { 'x-aws-ec2-metadata-token': await freshToken(signal) }
      const answer = await request(path, { headers }, signal)
      const body = await answer.text()
      if (answer.status === 404) return undefined
      if (answer.ok) return body
      token = undefined
      if (answer.status !== 401 || attempt === 2) {
        throw unreachable(`${endpoint}/latest/${path}: HTTP ${answer.status}`)
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

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error ? cause.message || message : message
}

const unreachable = (message: string, cause?: unknown): Failure =>
  new Failure('transient', 'MetadataServiceUnreachable', message, {
    hint: 'The agent runs on an EC2 instance with IMDS enabled, or beside `enid lab` with its environment (`enid lab env`).',
    cause,
  })
