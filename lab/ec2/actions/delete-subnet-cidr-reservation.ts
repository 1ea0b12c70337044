// DeleteSubnetCidrReservation: what is in use of it stays with who has it.

import type {
  DeleteSubnetCidrReservationRequest,
  DeleteSubnetCidrReservationResult,
} from '@aws-sdk/client-ec2'
import { findSubnetCidrReservation } from '../../model/look-up.ts'
import { withoutReservation } from '../../model/subnet-cidr-reservation.ts'
import type { ChangeAction } from '../action.ts'
import { subnetCidrReservationShape } from '../shapes/subnet-cidr-reservation.ts'

export const deleteSubnetCidrReservation: ChangeAction<
  DeleteSubnetCidrReservationRequest,
  DeleteSubnetCidrReservationResult
> = {
  name: 'DeleteSubnetCidrReservation',
  honours: ['SubnetCidrReservationId'],
  change(world, input) {
    const found = findSubnetCidrReservation(world, input.SubnetCidrReservationId ?? '')
    return {
      world: withoutReservation(world, found.reservationId),
      output: { DeletedSubnetCidrReservation: subnetCidrReservationShape(world, found) },
    }
  },
}
