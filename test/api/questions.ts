// The questions that most tests ask of the rig, in the words of the AWS SDK.

import type {
  ContainerDefinition,
  ListTasksCommandInput,
  RunTaskCommandInput,
  Task,
} from '@aws-sdk/client-ecs'
import {
  DescribeTasksCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from '@aws-sdk/client-ecs'
import type { Rig } from './rig.ts'
import { network, seedDefinition } from './rig.ts'

export const register = (rig: Rig, ...containers: ContainerDefinition[]) =>
  rig.ecs.send(new RegisterTaskDefinitionCommand(seedDefinition(...containers)))

export const run = (rig: Rig, change: Partial<RunTaskCommandInput> = {}) =>
  rig.ecs.send(
    new RunTaskCommand({
      taskDefinition: 'nginx-awsvpc',
      networkConfiguration: network,
      ...change,
    }),
  )

/** Runs one task; its ARN. */
export async function runOne(rig: Rig, change: Partial<RunTaskCommandInput> = {}): Promise<string> {
  const { tasks: [task] = [] } = await run(rig, change)
  if (task?.taskArn === undefined) throw new Error('no task began')
  return task.taskArn
}

export async function describeOne(rig: Rig, arn: string, cluster = 'default'): Promise<Task> {
  const { tasks: [task] = [] } = await rig.ecs.send(
    new DescribeTasksCommand({ tasks: [arn], cluster, include: ['TAGS'] }),
  )
  if (task === undefined) throw new Error(`${arn} is missing`)
  return task
}

export const listed = async (rig: Rig, input: ListTasksCommandInput = {}): Promise<string[]> =>
  (await rig.ecs.send(new ListTasksCommand(input))).taskArns ?? []
