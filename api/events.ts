// GET /events: what is written into the journal, as it is written (server-sent events). There is no
// past in it: who connects reads GET /tasks first. A reader that does not keep up is cut off.

import type { ServerResponse } from 'node:http'
import type { Entry, Journal } from '../state/journal.ts'
import { lastStatus } from '../state/status.ts'
import type { Event } from '../state/task.ts'

/** What may wait for a slow reader, bytes. */
const BACKLOG_MAX = 1 << 20

/** A comment this often keeps proxies and clients from giving up, milliseconds. */
const HEARTBEAT_MS = 15_000

export type Events = {
  /** Writes events to the response until it closes; of one task where `taskId` is given. */
  stream(response: ServerResponse, taskId: string | undefined): void
  /** Ends every stream. */
  close(): void
}

export function openEvents(journal: Journal): Events {
  const open = new Set<ServerResponse>()
  return {
    stream(response, taskId) {
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        connection: 'keep-alive',
      })
      const write = (text: string) => {
        if (response.writableLength > BACKLOG_MAX) response.destroy()
        else response.write(text)
      }
      const unfollow = journal.follow((entry, event, at) => {
        // A spare is nobody's task yet.
        if (entry.holder.spec.kind !== 'task') return
        if (taskId === undefined || taskId === entry.id) write(message(entry, event, at))
      })
      const heartbeat = setInterval(() => write(':\n\n'), HEARTBEAT_MS)
      open.add(response)
      response.on('error', () => {})
      response.once('close', () => {
        clearInterval(heartbeat)
        unfollow()
        open.delete(response)
      })
      write(': events of enid\n\n')
    },
    close() {
      for (const response of open) response.end()
    },
  }
}

function message({ id, holder }: Entry, event: Event, at: number): string {
  // A whole spec is too much for a stream; GET /tasks/:id has it.
  const { type, ...rest } = 'spec' in event ? { type: event.type, rows: event.rows } : event
  const data = {
    at: new Date(at).toISOString(),
    taskId: id,
    type,
    lastStatus: lastStatus(holder),
    ...rest,
  }
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
