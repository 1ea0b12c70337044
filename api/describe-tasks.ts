// DescribeTasks: tasks as they are now. A stopped one keeps what it had until it is forgotten.

import type { DescribeTasksRequest, DescribeTasksResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { activeCluster, findTask } from './api.ts'
import { readTask, taskArn } from './arn.ts'
import { checkCount, includesTags } from './choices.ts'
import { taskView } from './task-view.ts'

export function describeTasks(
  api: Api,
  { cluster: named, tasks: texts = [], include }: DescribeTasksRequest,
): DescribeTasksResponse {
  const cluster = activeCluster(api, named)
  const withTags = includesTags(include)
  checkCount('tasks', texts)
  const found = texts.map((text, index) => {
    const field = `tasks[${index}]`
    const { id } = readTask(api.orders.host, text, field)
    return { id, text, task: findTask(api, { text, field, cluster }) }
  })
  return {
    tasks: found.flatMap(({ task }) =>
      task === undefined ? [] : [taskView(api, task, { withTags })],
    ),
    failures: found
      .filter(({ task }) => task === undefined)
      .map(({ id, text }) => ({
        arn: text.startsWith('arn:') ? text : taskArn(api.orders.host, cluster, id),
        reason: 'MISSING',
        ...quarantine(api, id),
      })),
  }
}

/** A task whose rows cannot be read is not gone: say so. */
function quarantine({ journal }: Api, id: string): { detail?: string } {
  const found = journal.quarantined.find((q) => q.id === id)
  return found === undefined ? {} : { detail: `its record cannot be read: ${found.why}` }
}
