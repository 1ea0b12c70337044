// RunTask: up to ten tasks of one definition, each with its own ENI. What does not fit now is
// refused at once with RESOURCE:ENI and the numbers; nothing waits in a queue.

import type { RunTaskRequest, RunTaskResponse } from '@aws-sdk/client-ecs'
import type { Api } from './api.ts'
import { invalid, shown } from './aws-error.ts'
import { canonical } from './canonical.ts'
import type { Token } from './launch.ts'
import { launch } from './launch.ts'
import { refuseOthers } from './unsupported.ts'

const TAKEN = [
  'clientToken',
  'cluster',
  'count',
  'enableECSManagedTags',
  'group',
  'launchType',
  'networkConfiguration',
  'overrides',
  'propagateTags',
  'startedBy',
  'tags',
  'taskDefinition',
]

/** The nearest thing that works, by member; StartTask has some of these members too. */
export const RUN_INSTEAD: Readonly<Record<string, string>> = {
  capacityProviderStrategy: 'This host is the only capacity; leave it out',
  placementConstraints: 'This host is the only one; leave it out',
  placementStrategy: 'This host is the only one; leave it out',
  platformVersion: 'It is for Fargate; leave it out',
  enableExecuteCommand: 'Leave it out: enid exec needs no preparation',
  volumeConfigurations: 'Put the files into the image',
  referenceId: 'Use startedBy, group or tags',
}

export function runTask(api: Api, input: RunTaskRequest): Promise<RunTaskResponse> {
  refuseOthers(input, { taken: TAKEN, instead: RUN_INSTEAD })
  const { launchType = 'EC2' } = input
  if (launchType !== 'EC2') {
    const rule = `${shown(launchType)}: tasks run on this EC2 instance`
    throw invalid('launchType', rule, 'Write EC2, or leave it out')
  }
  return launch(api, input, tokenOf(input))
}

function tokenOf({ clientToken, ...request }: RunTaskRequest): Token | undefined {
  if (clientToken === undefined || clientToken === '') return undefined
  if (!/^[\x21-\x7e]{1,64}$/.test(clientToken)) {
    throw invalid('clientToken', `${shown(clientToken)}: 1 to 64 printable ASCII characters`)
  }
  return { text: clientToken, request: canonical(request) }
}
