// POST /tasks: RunTask in fewer words, over the same code. A definition in the body is registered
// first, unless the family's newest revision already says the same.

import type { RegisterTaskDefinitionRequest, TaskOverride } from '@aws-sdk/client-ecs'
import { RegisterTaskDefinition$, RunTask$ } from '@aws-sdk/client-ecs'
import type { Static } from 'typebox'
import type { Definition } from '../../state/catalog.ts'
import type { Api } from '../api.ts'
import { arnOf, findTask } from '../api.ts'
import { invalid } from '../aws-error.ts'
import { bodyJson, checkDefinition } from '../definition.ts'
import { planLaunch, subnetsOf } from '../launch.ts'
import { readInput, readMember } from '../protocol.ts'
import { registerTaskDefinition } from '../register-task-definition.ts'
import { runTask } from '../run-task.ts'
import type { StartBody } from './schemas.ts'
import { taskSummary } from './task-view.ts'

type Body = Static<typeof StartBody>

/** The tasks that began, and why others did not. Throws AwsError or Failure. */
export async function startTasks(api: Api, body: Body) {
  const { definition, taskDefinition, subnets, securityGroups = [], tags = {}, ...others } = body
  const { extensions = {}, ...rest } = others
  if ((definition === undefined) === (taskDefinition === undefined)) {
    throw invalid('taskDefinition', 'give either taskDefinition or definition')
  }
  const { overrides, ...plain } = rest
  const request = {
    ...plain,
    taskDefinition,
    tags: [
      ...Object.entries(tags),
      ...Object.entries(extensions).map(([name, value]) => [`enid:${name}`, value] as const),
    ].map(([key, value]) => ({ key, value })),
    networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups } },
    ...(overrides === undefined
      ? {}
      : { overrides: readMember(RunTask$, 'overrides', overrides, 'overrides') as TaskOverride }),
  }
  const name =
    taskDefinition ??
    (await register(api, definition, (candidate) => planLaunch(api, request, candidate)))
  const { tasks = [], failures = [] } = await runTask(api, { ...request, taskDefinition: name })
  return {
    tasks: tasks.flatMap(({ taskArn: text = '' }) => {
      const task = findTask(api, { text, field: 'tasks' })
      return task === undefined ? [] : [taskSummary(api, task)]
    }),
    failures,
  }
}

/** Nothing is registered before `check` has passed: a refused request changes nothing. */
async function register(
  api: Api,
  given: unknown,
  check: (candidate: Definition) => ReturnType<typeof planLaunch>,
): Promise<string> {
  const input = readInput(
    RegisterTaskDefinition$,
    given,
    'definition',
  ) as RegisterTaskDefinitionRequest
  const body = bodyJson(checkDefinition(input, api))
  const family = input.family ?? ''
  const candidate = { family, revision: 0, active: true, registeredAt: 0, body }
  await api.orders.prepare(subnetsOf(check(candidate).spec))
  const newest = api.catalog.definition(family)
  const isSame = newest !== undefined && JSON.stringify(newest.body) === JSON.stringify(body)
  if (isSame && (input.tags ?? []).length === 0) return arnOf(api, newest)
  return registerTaskDefinition(api, input).taskDefinition?.taskDefinitionArn ?? ''
}
