// Where the API can be reached: a unix socket, and a loopback TCP port where one is wanted. Both lead
// to the same routes; a request remembers whether it came over TCP, because that is checked harder.

import { lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { isLoopbackHost } from './guard.ts'

/** Owner and group may use the socket; whoever can is root. */
const SOCKET_UMASK = 0o117

/** How long requests that are being answered may take when we close, milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000

/** How long a client may take, milliseconds. Who is local and means well takes one. */
export type Patience = {
  /** From its connection, or its last request, until its headers are there, and its whole request. */
  readonly headersMs: number
  readonly requestMs: number
  /** How long it may read nothing of an answer that waits for it. */
  readonly answerMs: number
}

export const PATIENCE: Patience = { headersMs: 10_000, requestMs: 30_000, answerMs: 30_000 }

const LOOPBACK = /^(127(\.[0-9]{1,3}){3}|::1|localhost)$/

export type Listening = {
  /** Makes the socket, mode 0660; one that a dead agent left is taken away. */
  listenUnix(path: string): Promise<void>
  /** Opens a loopback port (0: any free one). Resolves to the port. Throws for other addresses. */
  listenTcp(host: string, port: number): Promise<number>
  close(): Promise<void>
}

/**
 * Every request goes to `route`; `isTcp` says how it came. One that upgrades its connection goes to
 * `upgrade`, once it is known that a page in a browser did not send it: over TCP by its Host. Who does
 * not get its request said in time is answered 408 and cut off; what was upgraded is not timed.
 */
export function openListening(
  route: (request: IncomingMessage, response: ServerResponse, isTcp: boolean) => void,
  upgrade: (request: IncomingMessage, socket: Duplex) => void,
  { headersMs, requestMs }: Patience = PATIENCE,
): Listening {
  const servers: Server[] = []
  const open = async (isTcp: boolean, listenOptions: ListenOptions): Promise<Server> => {
    const times = { headersTimeout: headersMs, requestTimeout: requestMs }
    const server = createServer(
      { ...times, connectionsCheckingInterval: headersMs / 4 },
      (request, response) => route(request, response, isTcp),
    )
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (isTcp && !isLoopbackHost(request)) {
        socket.destroy()
        return
      }
      // What came behind the headers is read like what comes after.
      socket.unshift(head)
      upgrade(request, socket)
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listenOptions, resolve)
    })
    servers.push(server)
    return server
  }
  return {
    async listenUnix(path) {
      mkdirSync(dirname(path), { recursive: true })
      removeStaleSocket(path)
      // The mode must be right from the first moment; listen() binds before it returns.
      const before = process.umask(SOCKET_UMASK)
      const opened = open(false, { path })
      process.umask(before)
      await opened
    },
    async listenTcp(host, port) {
      if (!LOOPBACK.test(host)) {
        throw new Error(`${host} is not a loopback address; whoever can use the API is root`)
      }
      const server = await open(true, { host, port })
      return (server.address() as AddressInfo).port
    },
    async close() {
      await Promise.all(servers.splice(0).map(closeServer))
    },
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const impatience = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS)
    server.close(() => {
      clearTimeout(impatience)
      resolve()
    })
    server.closeIdleConnections()
  })
}

function removeStaleSocket(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new Error(`${path} is there and is no socket; move it away`)
  unlinkSync(path)
}
