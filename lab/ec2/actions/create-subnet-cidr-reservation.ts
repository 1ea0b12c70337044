// CreateSubnetCidrReservation: a range of a subnet for prefixes, or for addresses chosen by hand.

import type {
  CreateSubnetCidrReservationRequest,
  CreateSubnetCidrReservationResult,
} from '@aws-sdk/client-ec2'
import { findSubnet } from '../../model/look-up.ts'
import { reserve } from '../../model/subnet-cidr-reservation.ts'
import { withTags } from '../../model/tag-rules.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { subnetCidrReservationShape } from '../shapes/subnet-cidr-reservation.ts'
import { specifiedTags } from '../tag-specification.ts'

export const createSubnetCidrReservation: ChangeAction<
  CreateSubnetCidrReservationRequest,
  CreateSubnetCidrReservationResult
> = {
  name: 'CreateSubnetCidrReservation',
  honours: ['SubnetId', 'Cidr', 'ReservationType', 'Description', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const subnet = findSubnet(world, input.SubnetId ?? '')
    const wish = {
      cidr: input.Cidr ?? '',
      type: input.ReservationType ?? '',
      description: input.Description ?? '',
    }
    const made = reserve(world, subnet, wish, call.random)
    const tags = specifiedTags(input.TagSpecifications, 'subnet-cidr-reservation')
    const next = withTags(made.world, made.reservation.reservationId, tags)
    const SubnetCidrReservation = subnetCidrReservationShape(next, made.reservation)
    return { world: next, output: { SubnetCidrReservation } }
  },
}
