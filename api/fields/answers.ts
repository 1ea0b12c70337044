// Every member of the answers about tasks, this host and services.

import type { Answers } from './answer.ts'
import { always, when } from './answer.ts'
import { INSTANCE_ANSWERS } from './instance-answers.ts'
import { SERVICE_ANSWERS } from './service-answers.ts'
import { TASK_ANSWERS } from './task-answers.ts'

/** By action, and then by the place in its answer, without indices. */
export const ANSWERS: Readonly<Record<string, Readonly<Record<string, Answers>>>> = {
  DescribeTasks: TASK_ANSWERS,
  DescribeContainerInstances: INSTANCE_ANSWERS,
  ListTasks: { '': { taskArns: always, nextToken: when('there are more') } },
  DescribeServices: SERVICE_ANSWERS,
}
