// DeleteSubnet: refused while an ENI is in it. Its reservations go with it.

import type { DeleteSubnetRequest } from '@aws-sdk/client-ec2'
import { findSubnet } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { withoutReservations } from '../../model/subnet-cidr-reservation.ts'
import { drop } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const deleteSubnet: ChangeAction<DeleteSubnetRequest, object> = {
  name: 'DeleteSubnet',
  honours: ['SubnetId'],
  change(world, input) {
    const { subnetId } = findSubnet(world, input.SubnetId ?? '')
    if ([...world.enis.values()].some((eni) => eni.subnetId === subnetId)) {
      throw new Refusal(
        'DependencyViolation',
        `The subnet '${subnetId}' has dependencies and cannot be deleted.`,
      )
    }
    const subnets = drop(world.subnets, subnetId)
    const cleared = withoutReservations(world, subnetId)
    return { world: { ...cleared, subnets, tags: drop(cleared.tags, subnetId) }, output: {} }
  },
}
