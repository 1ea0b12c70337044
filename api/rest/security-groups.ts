// PUT /tasks/:taskId/security-groups: what the ENI of a running task wears from now on. 200: in force.
// 202: written down, but EC2 has not answered yet; GET /tasks/:taskId shows what it waits for.

import type { Api } from '../api.ts'
import { changeGroups } from '../change-groups.ts'
import { known } from './known-task.ts'
import type { App } from './routes.ts'
import { GroupsBody, TaskParams } from './schemas.ts'
import { taskSummary } from './task-view.ts'

/** `PUT /tasks/:taskId/security-groups`. */
export function addGroupsRoute(app: App, api: Api): void {
  const summary = "Change a running task's security groups"
  app.put(
    '/tasks/:taskId/security-groups',
    { schema: { summary, params: TaskParams, body: GroupsBody } },
    async ({ params, body: { securityGroups: groups, eni: n = 0 } }, reply) => {
      const { entry } = known(api, params.taskId)
      const field = 'securityGroups'
      const isInForce = await changeGroups(api, entry.id, { n, groups, field })
      return reply.code(isInForce ? 200 : 202).send(taskSummary(api, known(api, entry.id)))
    },
  )
}
