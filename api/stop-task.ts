// StopTask: turns what is desired, and answers at once; the descent goes on behind it.

import type { StopTaskRequest, StopTaskResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster, findTask } from './api.ts'
import { AwsError, invalid } from './aws-error.ts'
import { taskView } from './task-view.ts'

/** ECS's limit on a reason, characters. */
export const REASON_MAX = 255

export function stopTask(
  api: Api,
  { cluster: named, task: text = '', reason = '' }: StopTaskRequest,
): StopTaskResponse {
  const cluster = activeCluster(api, named)
  if (reason.length > REASON_MAX) {
    throw invalid('reason', `${reason.length} characters; at most ${REASON_MAX} are allowed`)
  }
  const task = findTask(api, { text, field: 'task', cluster })
  if (task === undefined) {
    throw new AwsError('InvalidParameterException', 'The referenced task was not found', {
      field: 'task',
      hint: `list-tasks --cluster ${cluster} shows what there is`,
      restStatus: 404,
    })
  }
  api.orders.stop(task.entry.id, {
    code: 'UserInitiated',
    reason: reason === '' ? 'Task stopped by user' : reason,
  })
  const after = findTask(api, { text, field: 'task' }) ?? task
  return { task: taskView(api, after, { withTags: true }) }
}
