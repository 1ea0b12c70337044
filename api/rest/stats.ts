// GET /tasks/:taskId/stats: what each container of a task uses just now, as the task is told itself
// (api/inside/inside.ts): Docker's words, with the sample before and the rates since.

import type { Api } from '../api.ts'
import { known } from './known-task.ts'
import type { App } from './routes.ts'
import { TaskParams } from './schemas.ts'

export function addStatsRoute(app: App, api: Api): void {
  app.get(
    '/tasks/:taskId/stats',
    { schema: { summary: 'What its containers use just now; takes a second', params: TaskParams } },
    async ({ params }) => {
      const { entry } = known(api, params.taskId)
      const names = entry.holder.spec.containers.map(({ name }) => name)
      const all = await Promise.all(names.map((name) => api.orders.stats(entry.id, name)))
      const containers = names.map((name, n) => [name, all[n] ?? null] as const)
      return { taskId: entry.id, containers: Object.fromEntries(containers) }
    },
  )
}
