// `enid ps`: one line per task, and why it is where it is.

import { listing } from './listing.ts'
import { age } from './table.ts'
import type { QuarantinedView, TaskView } from './task-view.ts'
import { addressesOf, allTasks, quarantineText, shortId, whyText } from './task-view.ts'

/** `enid ps`. */
export const ps = listing<TaskView, QuarantinedView>({
  name: 'ps',
  summary: 'list tasks: their interface, address, security groups, and why they are where they are',
  texts: { all: 'also those that have stopped', cluster: 'only the tasks of this cluster' },
  async ask(agent) {
    const { tasks, quarantined } = await allTasks(agent)
    return { all: tasks, unread: quarantined }
  },
  isOver: ({ lastStatus }) => lastStatus === 'STOPPED',
  headings: ['TASK', 'FAMILY:REV', 'STATUS', 'ENI', 'IP', 'GROUPS', 'AGE', 'WHY'],
  row: (task) => [
    shortId(task.taskId),
    `${task.family}:${task.revision}`,
    task.lastStatus,
    task.enis.map(({ eniId }) => eniId ?? '-').join(' '),
    addressesOf(task) || '-',
    task.enis.flatMap(({ securityGroupIds }) => securityGroupIds).join(' ') || '-',
    age(Date.parse(task.createdAt), Date.now()),
    whyText(task),
  ],
  unreadText: quarantineText,
  document: (tasks, quarantined) => ({ tasks, quarantined }),
})
