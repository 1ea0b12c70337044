// A bare HTTP client of one kept connection, to the agent's socket, Docker's, or the lab's port: the
// same for both sides of a comparison, so that what is timed is who answers and not an SDK.

import { Agent, request } from 'node:http'

/** A unix socket, or a port of 127.0.0.1. */
export type Where = { readonly socketPath: string } | { readonly port: number }

export type Client = {
  /** The text of an answer; rejects with it, the status before it, unless that is a 2xx. */
  send(method: string, path: string, type: string, body: string, headers?: Headers): Promise<string>
  /** The same in JSON both ways. */
  ask<T>(method: string, path: string, body?: object, headers?: Headers): Promise<T>
  close(): void
}

type Headers = Readonly<Record<string, string>>

/** Node's servers end an idle connection after 5 s: one that is used again just then fails. */
const IDLE_MS = 4000

/** Opens no connection before the first request; `sockets` are kept at most. */
export function openClient(where: Where, sockets = 1): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: sockets, timeout: IDLE_MS })
  const host = 'port' in where ? { host: '127.0.0.1' } : {}
  const send: Client['send'] = (method, path, type, body, more = {}) =>
    new Promise((resolve, reject) => {
      const length = { 'content-length': String(Buffer.byteLength(body)) }
      const headers = { ...(body === '' ? {} : { 'content-type': type }), ...length, ...more }
      const asked = request({ ...where, ...host, agent, method, path, headers }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        answer.on('error', reject)
        answer.on('end', () => {
          const { statusCode = 0 } = answer
          if (statusCode >= 200 && statusCode < 300) resolve(text)
          else reject(new Error(`${method} ${path}: ${statusCode} ${text}`))
        })
      })
      asked.on('error', reject)
      asked.end(body)
    })
  return {
    send,
    async ask(method, path, body, headers) {
      const words = body === undefined ? '' : JSON.stringify(body)
      const text = await send(method, path, 'application/json', words, headers)
      return text === '' ? undefined : JSON.parse(text)
    },
    close: () => agent.destroy(),
  }
}
