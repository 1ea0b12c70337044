// What a person asks of a container that runs: to follow its log, and to run a program beside its own
// (enid logs -f, enid exec). Nothing of it is journaled, and nothing of a task follows from it.

import { once } from 'node:events'
import type { Logger } from 'pino'
import type { Journal } from '../state/journal.ts'
import type { HolderId } from '../state/spec.ts'
import { lastStatus } from '../state/status.ts'
import { rowState } from '../state/task.ts'
import { followContainer } from './drivers/container-logs.ts'
import type { Docker } from './drivers/docker.ts'
import type { Executing } from './drivers/docker-exec.ts'
import { framesOf, plainOf } from './drivers/docker-frames.ts'
import type { ExecSession, InsideOrders } from './exec-orders.ts'
import { Failure } from './failure.ts'

/** How often a container is looked for that is not there yet, milliseconds. */
const LOOK_MS = 200
/** Docker says the exit code a moment after the stream has ended; so often it is asked. */
const EXIT_LOOKS = 50
const EXIT_LOOK_MS = 100

type Parts = {
  readonly journal: Journal
  readonly docker: Docker
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** The orders of InsideOrders. */
export const insideOrders = (parts: Parts): InsideOrders => ({
  follow: (id, container, { lines, signal }) => follow(parts, id, container, lines, signal),
  exec: (id, container, order) => exec(parts, id, container, order),
})

/** The container of a row, as the journal knows it; undefined before it was made. */
function containerIdOf({ journal }: Parts, id: HolderId, container: string): string | undefined {
  const entry = journal.get(id)
  const state = entry && rowState(entry.holder, `container:${container}`)
  const { containerId } = (state?.details ?? {}) as { containerId?: string }
  return state?.is === 'none' ? undefined : containerId
}

async function* follow(
  parts: Parts,
  id: HolderId,
  container: string,
  lines: number,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  for (;;) {
    if (signal.aborted) return
    const containerId = containerIdOf(parts, id, container)
    const stream = containerId && (await followContainer(parts.docker, containerId, lines, signal))
    if (stream) {
      for await (const { data } of stream) yield data
      return
    }
    const entry = parts.journal.get(id)
    if (entry === undefined || lastStatus(entry.holder) === 'STOPPED') break
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  const kept = (parts.journal.keptLog(id, container) ?? '').split('\n')
  yield Buffer.from(kept.slice(-lines - 1).join('\n'))
}

async function exec(
  parts: Parts,
  id: HolderId,
  container: string,
  order: Parameters<InsideOrders['exec']>[2],
): Promise<ExecSession> {
  const containerId = containerIdOf(parts, id, container)
  if (containerId === undefined) {
    throw new Failure('refused', 'ContainerNotRunning', `${container} of ${id} does not run`, {
      hint: 'enid ps says where its task is; enid logs has what it wrote',
    })
  }
  // Arguments may be secrets: their number alone is told.
  const [program = '', ...args] = order.command
  const told = { task: id, container, program, arguments: args.length, tty: order.tty }
  parts.log.info(order.user === undefined ? told : { ...told, user: order.user }, 'exec')
  const running = await parts.docker.exec(containerId, order, new AbortController().signal)
  return sessionOf(running, order.tty, parts.log)
}

function sessionOf(running: Executing, tty: boolean, log: Parts['log']): ExecSession {
  const { stream } = running
  // Whoever reads `written` is told of it there.
  stream.on('error', () => {})
  return {
    written: tty ? plainOf(stream) : framesOf(stream),
    async write(data) {
      if (stream.destroyed || stream.write(data)) return
      await Promise.race([once(stream, 'drain'), once(stream, 'close')])
    },
    end: () => stream.end(),
    resize: (columns, rows) => {
      // A terminal of the wrong size is no reason to end the program.
      running.resize(columns, rows).catch((error) => log.warn({ err: error }, 'exec: resize'))
    },
    async exitCode() {
      for (let look = 0; look < EXIT_LOOKS; look++) {
        const code = await running.exitCode()
        if (code !== undefined) return code
        await new Promise((resolve) => setTimeout(resolve, EXIT_LOOK_MS))
      }
      throw new Failure('transient', 'ExitCodeUnknown', 'Docker does not say how it ended')
    },
    close: () => stream.destroy(),
  }
}
