// Running a program in a container, in two steps. POST /tasks/:taskId/exec starts nothing: it checks,
// and answers where the program waits for its connection. GET /exec/:id with `Upgrade: enid-exec` starts
// it there, and the connection is its input and output from then on (exec-protocol.ts).
//
// The first step is a request like any other, and guarded as one; the second names what only its
// caller knows, once, and within half a minute.

import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ExecOrder, ExecSession } from '../../agent/exec-orders.ts'
import type { HolderId } from '../../state/spec.ts'
import type { Api } from '../api.ts'
import { awsErrorOf } from '../aws-error.ts'
import { EXEC_PROTOCOL, FROM, frame, readFrames, TO } from '../exec-protocol.ts'
import { containerName, known } from './known-task.ts'
import type { App } from './routes.ts'
import { ExecBody, TaskParams } from './schemas.ts'

/** How long a program waits for its connection, milliseconds. */
const WAIT_MS = 30_000
/** How long a caller has to hang up when all was said, milliseconds. */
const HANG_UP_MS = 1000
/** How many may wait at once. */
const WAITING_MAX = 100

type Waiting = { readonly taskId: HolderId; readonly container: string; readonly order: ExecOrder }

export type Exec = {
  /** `POST /tasks/:taskId/exec`. */
  addRoute(app: App): void
  /** Answers the request that upgrades: the program runs until it ends or its caller goes. */
  connect(request: IncomingMessage, socket: Duplex): void
  /** Lets go of every program: each loses its input and output. */
  close(): void
}

/** Programs that wait for their connection, and those that have it. */
export function openExec(api: Api): Exec {
  const waiting = new Map<string, Waiting>()
  const open = new Set<Duplex>()
  return {
    addRoute(app) {
      const schema = { summary: 'Run a program in a container', params: TaskParams, body: ExecBody }
      app.post('/tasks/:taskId/exec', { schema }, async ({ params, body }, reply) => {
        const { command, container, tty = false, user } = body
        const task = known(api, params.taskId)
        const name = containerName(task, container)
        const id = randomBytes(16).toString('hex')
        const order = { command, tty, ...(user === undefined ? {} : { user }) }
        const [oldest] = waiting.keys()
        if (waiting.size >= WAITING_MAX && oldest !== undefined) waiting.delete(oldest)
        waiting.set(id, { taskId: task.entry.id, container: name, order })
        setTimeout(() => waiting.delete(id), WAIT_MS).unref()
        const path = `/exec/${id}`
        return reply.code(201).send({ path, upgrade: EXEC_PROTOCOL, container: name })
      })
    },

    connect({ url = '', headers }, socket) {
      socket.on('error', () => {})
      const id = /^\/exec\/([0-9a-f]{32})$/.exec(url)?.[1] ?? ''
      const found = waiting.get(id)
      if (headers.upgrade?.toLowerCase() !== EXEC_PROTOCOL || found === undefined) {
        over(socket, 'HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
        return
      }
      waiting.delete(id)
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      const upgraded = [
        '101 Switching Protocols',
        'connection: Upgrade',
        `upgrade: ${EXEC_PROTOCOL}`,
      ]
      socket.write(`HTTP/1.1 ${upgraded.join('\r\n')}\r\n\r\n`)
      run(api, found, socket).catch((error) => {
        if (!socket.destroyed) over(socket, frame(FROM.failure, awsErrorOf(error).message))
      })
    },

    close() {
      for (const socket of open) socket.destroy()
    },
  }
}

/** The last word. Whoever has been sent it and does not hang up is hung up on. */
function over(socket: Duplex, last: Buffer | string): void {
  socket.end(last, () => setTimeout(() => socket.destroy(), HANG_UP_MS).unref())
}

async function run({ orders }: Api, waiting: Waiting, socket: Duplex): Promise<void> {
  const { taskId, container, order } = waiting
  await carry(await orders.exec(taskId, container, order), socket)
}

async function carry(session: ExecSession, socket: Duplex): Promise<void> {
  socket.once('close', () => session.close())
  // A caller that goes, or says what nobody understands, ends the program's input.
  const hearing = hear(session, socket).catch(() => socket.destroy())
  for await (const { channel, data } of session.written) {
    if (socket.destroyed) return
    if (!socket.write(frame(channel, data))) {
      await new Promise((resolve) => {
        socket.once('drain', resolve)
        socket.once('close', resolve)
      })
    }
  }
  const code = Buffer.alloc(4)
  code.writeUInt32BE((await session.exitCode()) >>> 0)
  over(socket, frame(FROM.exit, code))
  await hearing
}

async function hear(session: ExecSession, socket: Duplex): Promise<void> {
  for await (const { kind, data } of readFrames(socket)) {
    if (kind === TO.input) await session.write(data)
    if (kind === TO.inputOver) session.end()
    if (kind === TO.size && data.length === 4) {
      session.resize(data.readUInt16BE(0), data.readUInt16BE(2))
    }
  }
}
