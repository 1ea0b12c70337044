// A subnet CIDR reservation as EC2 writes it.

import type * as ec2 from '@aws-sdk/client-ec2'
import { ACCOUNT_ID, type SubnetCidrReservation, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole reservation, as CreateSubnetCidrReservation and GetSubnetCidrReservations give it. */
export function subnetCidrReservationShape(
  world: World,
  { reservationId, subnetId, cidr, type, description }: SubnetCidrReservation,
): ec2.SubnetCidrReservation {
  return {
    SubnetCidrReservationId: reservationId,
    SubnetId: subnetId,
    Cidr: cidr,
    ReservationType: type,
    OwnerId: ACCOUNT_ID,
    Description: description,
    Tags: tagList(world, reservationId),
  }
}
