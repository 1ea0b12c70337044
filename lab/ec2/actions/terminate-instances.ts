// TerminateInstances: the machines end (lab/hosts/), and when they have, interfaces that are to go
// with them are deleted and the others become available. All of the ids, or none.

import type * as ec2 from '@aws-sdk/client-ec2'
import { beginTermination } from '../../model/host.ts'
import { findEach } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import type { ChangeAction } from '../action.ts'
import { stateShape } from '../shapes/instance.ts'

/** Why an instance ends that its owner ends. */
export const USER_INITIATED = 'Client.UserInitiatedShutdown: User initiated shutdown'

export const terminateInstances: ChangeAction<
  ec2.TerminateInstancesRequest,
  ec2.TerminateInstancesResult
> = {
  name: 'TerminateInstances',
  honours: ['InstanceIds'],
  change(world, input) {
    const ids = [...new Set(input.InstanceIds ?? [])]
    if (ids.length === 0) {
      throw new Refusal('MissingParameter', 'The request must contain the parameter InstanceId')
    }
    const before = findEach('instance', world.instances, ids)
    let next = world
    for (const id of ids) next = beginTermination(next, id, USER_INITIATED)
    const TerminatingInstances = before.map((was) => ({
      InstanceId: was.instanceId,
      PreviousState: stateShape(was),
      CurrentState: stateShape(next.instances.get(was.instanceId) ?? was),
    }))
    return { world: next, output: { TerminatingInstances } }
  },
}
