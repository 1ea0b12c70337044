// StartTask: RunTask onto named instances. This host is the only one, so it is one task here.

import type { StartTaskRequest, StartTaskResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { containerInstanceId } from './arn.ts'
import { invalid, shown } from './aws-error.ts'
import { instanceIdOf } from './describe-container-instances.ts'
import { launch } from './launch.ts'
import { RUN_INSTEAD } from './run-task.ts'
import { refuseOthers } from './unsupported.ts'

const TAKEN = [
  'cluster',
  'containerInstances',
  'enableECSManagedTags',
  'group',
  'networkConfiguration',
  'overrides',
  'propagateTags',
  'startedBy',
  'tags',
  'taskDefinition',
]

export function startTask(api: Api, input: StartTaskRequest): Promise<StartTaskResponse> {
  refuseOthers(input, { taken: TAKEN, instead: RUN_INSTEAD })
  const [instance = '', more] = input.containerInstances ?? []
  if (more !== undefined || instanceIdOf(api, instance) !== containerInstanceId(api.orders.host)) {
    throw invalid(
      'containerInstances',
      `${shown(more ?? instance)} is not this host, the only container instance`,
      'list-container-instances shows it',
    )
  }
  return launch(api, { ...input, count: 1 })
}
