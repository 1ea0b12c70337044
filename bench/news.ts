// What becomes of tasks, told by the agent's own stream of events, as a control plane would hear of
// it: nobody polls, so a row pays for no questions that a user would not ask.

import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'

export type News = {
  /** Waits until the task is heard to be this, or STOPPED. Rejects after so long, milliseconds. */
  until(taskId: string, status: string, lateMs: number): Promise<void>
  close(): void
}

/** Listens from here on. Resolves once the agent has answered. */
export async function listenForNews(socketPath: string): Promise<News> {
  const asked = request({ socketPath, path: '/events' }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const lines = createInterface({ input: answer })
  // The end of the agent is the end of its stream, and no news.
  for (const side of [asked, answer, lines]) side.on('error', () => {})
  const heard = new Map<string, string>()
  const waiting = new Map<string, () => void>()
  lines.on('line', (line) => {
    if (!line.startsWith('data: ')) return
    const { taskId, lastStatus } = JSON.parse(line.slice(6)) as Record<
      'taskId' | 'lastStatus',
      string
    >
    heard.set(taskId, lastStatus)
    waiting.get(taskId)?.()
  })
  return {
    until: (taskId, status, lateMs) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(taskId)
          reject(new Error(`${taskId} is not ${status} after ${lateMs / 1000} s`))
        }, lateMs)
        const look = () => {
          if (![status, 'STOPPED'].includes(heard.get(taskId) ?? '')) return
          clearTimeout(late)
          waiting.delete(taskId)
          resolve()
        }
        waiting.set(taskId, look)
        look()
      }),
    close: () => void asked.destroy(),
  }
}
