// Every action that enid implements, with the SDK's schema of it. What is not in this map answers
// UnknownOperationException, with a word on what enid is.

import {
  CreateCluster$,
  CreateService$,
  DeleteCluster$,
  DeleteService$,
  DeregisterTaskDefinition$,
  DescribeClusters$,
  DescribeContainerInstances$,
  DescribeServices$,
  DescribeTaskDefinition$,
  DescribeTasks$,
  GetTaskProtection$,
  ListClusters$,
  ListContainerInstances$,
  ListServices$,
  ListTagsForResource$,
  ListTaskDefinitionFamilies$,
  ListTaskDefinitions$,
  ListTasks$,
  RegisterTaskDefinition$,
  RunTask$,
  StartTask$,
  StopTask$,
  TagResource$,
  UntagResource$,
  UpdateContainerInstancesState$,
  UpdateService$,
  UpdateTaskProtection$,
} from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { AwsError } from './aws-error.ts'
import { createCluster } from './create-cluster.ts'
import { createService } from './create-service.ts'
import { deleteCluster } from './delete-cluster.ts'
import { deleteService } from './delete-service.ts'
import { deregisterTaskDefinition } from './deregister-task-definition.ts'
import { describeClusters } from './describe-clusters.ts'
import { describeContainerInstances } from './describe-container-instances.ts'
import { describeServices } from './describe-services.ts'
import { describeTaskDefinition } from './describe-task-definition.ts'
import { describeTasks } from './describe-tasks.ts'
import { listClusters } from './list-clusters.ts'
import { listContainerInstances } from './list-container-instances.ts'
import { listServices } from './list-services.ts'
import { listTagsForResource } from './list-tags-for-resource.ts'
import { listTaskDefinitionFamilies } from './list-task-definition-families.ts'
import { listTaskDefinitions } from './list-task-definitions.ts'
import { listTasks } from './list-tasks.ts'
import type { OperationSchema } from './protocol.ts'
import { readInput, writeOutput } from './protocol.ts'
import { registerTaskDefinition } from './register-task-definition.ts'
import { runTask } from './run-task.ts'
import { startTask } from './start-task.ts'
import { stopTask } from './stop-task.ts'
import { tagResource } from './tag-resource.ts'
import { getTaskProtection, updateTaskProtection } from './task-protection.ts'
import { untagResource } from './untag-resource.ts'
import { updateContainerInstancesState } from './update-container-instances-state.ts'
import { updateService } from './update-service.ts'

type Action = (api: Api, input: unknown) => Promise<unknown>

/** The input was read by the operation's own schema, which is what the SDK's types are made from. */
const action =
  <I>(schema: OperationSchema, perform: (api: Api, input: I) => object | Promise<object>): Action =>
  async (api, input) =>
    writeOutput(schema, await perform(api, readInput(schema, input) as I))

const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ['CreateCluster', action(CreateCluster$, createCluster)],
  ['CreateService', action(CreateService$, createService)],
  ['DeleteCluster', action(DeleteCluster$, deleteCluster)],
  ['DeleteService', action(DeleteService$, deleteService)],
  ['DeregisterTaskDefinition', action(DeregisterTaskDefinition$, deregisterTaskDefinition)],
  ['DescribeClusters', action(DescribeClusters$, describeClusters)],
  ['DescribeContainerInstances', action(DescribeContainerInstances$, describeContainerInstances)],
  ['DescribeServices', action(DescribeServices$, describeServices)],
  ['DescribeTaskDefinition', action(DescribeTaskDefinition$, describeTaskDefinition)],
  ['DescribeTasks', action(DescribeTasks$, describeTasks)],
  ['GetTaskProtection', action(GetTaskProtection$, getTaskProtection)],
  ['ListClusters', action(ListClusters$, listClusters)],
  ['ListContainerInstances', action(ListContainerInstances$, listContainerInstances)],
  ['ListServices', action(ListServices$, listServices)],
  ['ListTagsForResource', action(ListTagsForResource$, listTagsForResource)],
  ['ListTaskDefinitionFamilies', action(ListTaskDefinitionFamilies$, listTaskDefinitionFamilies)],
  ['ListTaskDefinitions', action(ListTaskDefinitions$, listTaskDefinitions)],
  ['ListTasks', action(ListTasks$, listTasks)],
  ['RegisterTaskDefinition', action(RegisterTaskDefinition$, registerTaskDefinition)],
  ['RunTask', action(RunTask$, runTask)],
  ['StartTask', action(StartTask$, startTask)],
  ['StopTask', action(StopTask$, stopTask)],
  ['TagResource', action(TagResource$, tagResource)],
  ['UntagResource', action(UntagResource$, untagResource)],
  [
    'UpdateContainerInstancesState',
    action(UpdateContainerInstancesState$, updateContainerInstancesState),
  ],
  ['UpdateService', action(UpdateService$, updateService)],
  ['UpdateTaskProtection', action(UpdateTaskProtection$, updateTaskProtection)],
])

/** Their names, for answers that say what there is. */
export const ACTION_NAMES: readonly string[] = [...ACTIONS.keys()]

/** Why some of the others are not here, and what to do instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  CreateTaskSet: 'UpdateService makes a rolling update',
  ExecuteCommand: 'Use enid exec on this host',
  DeleteTaskDefinitions: 'DeregisterTaskDefinition takes a revision out of use',
}

/** Performs an action on a request as it came off the wire. Throws AwsError or Failure. */
export function perform(api: Api, name: string, input: unknown): Promise<unknown> {
  const found = ACTIONS.get(name)
  if (found !== undefined) return found(api, input)
  const isName = /^[A-Za-z]{1,60}$/.test(name)
  const instead = isName && Object.hasOwn(INSTEAD, name) ? `${INSTEAD[name]}. ` : ''
  throw new AwsError(
    'UnknownOperationException',
    `${isName ? name : 'This action'} is not implemented by enid`,
    {
      hint:
        `${instead}enid is an agent that runs awsvpc tasks on this one host, ` +
        `not Amazon ECS; it answers ${ACTION_NAMES.join(', ')}`,
    },
  )
}
