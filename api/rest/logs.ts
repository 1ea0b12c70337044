// GET /tasks/:taskId/logs: the last lines of a container, and with `follow` what it writes from then
// on: plain text as it comes, until the container has ended or the reader goes.

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Api } from '../api.ts'
import { containerName, known } from './known-task.ts'
import type { App } from './routes.ts'
import { LogsQuery, TaskParams } from './schemas.ts'

const LINES_DEFAULT = 100

export function addLogRoute(app: App, api: Api): void {
  app.get(
    '/tasks/:taskId/logs',
    { schema: { summary: "A container's log", params: TaskParams, querystring: LogsQuery } },
    async ({ params, query: { container, lines = LINES_DEFAULT, follow = false } }, reply) => {
      const task = known(api, params.taskId)
      const name = containerName(task, container)
      if (follow) {
        reply.hijack()
        await stream(api, reply.raw, { id: task.entry.id, name, lines })
        return
      }
      const log = await api.orders.logs(task.entry.id, name, lines)
      return reply.type('text/plain; charset=utf-8').send(log)
    },
  )
}

async function stream(
  { orders }: Api,
  response: ServerResponse,
  { id, name, lines }: { id: string; name: string; lines: number },
): Promise<void> {
  const gone = new AbortController()
  response.on('error', () => {})
  response.once('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  response.flushHeaders()
  try {
    for await (const chunk of orders.follow(id, name, { lines, signal: gone.signal })) {
      if (!response.write(chunk)) await once(response, 'drain', { signal: gone.signal })
    }
    response.end()
  } catch {
    // The reader went, or Docker did: a text that breaks off is all that can be said by now.
    response.destroy()
  }
}
