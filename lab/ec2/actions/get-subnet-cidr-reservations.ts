// GetSubnetCidrReservations: a subnet's reservations, each IP version in a list of its own; a page
// counts those of both.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findSubnet } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { subnetCidrReservationShape } from '../shapes/subnet-cidr-reservation.ts'

const LISTING: Listing<ec2.SubnetCidrReservation> = {
  key: (each) => each.SubnetCidrReservationId ?? '',
  tags: (each) => each.Tags,
  pages: PAGES_OF_1000,
  filters: {
    reservationType: (each) => each.ReservationType,
    'subnet-id': (each) => each.SubnetId,
  },
}

export const getSubnetCidrReservations: ReadAction<
  ec2.GetSubnetCidrReservationsRequest,
  ec2.GetSubnetCidrReservationsResult
> = {
  name: 'GetSubnetCidrReservations',
  honours: ['SubnetId', ...FILTERS, ...PAGES],
  read(world, input) {
    const { subnetId } = findSubnet(world, input.SubnetId ?? '')
    const shapes = [...world.subnetCidrReservations.values()]
      .filter((each) => each.subnetId === subnetId)
      .map((each) => subnetCidrReservationShape(world, each))
    const { rows, ...next } = list(shapes, input, LISTING)
    const ofVersion = (isIpv6: boolean): ec2.SubnetCidrReservation[] =>
      rows.filter(({ Cidr = '' }) => Cidr.includes(':') === isIpv6)
    return {
      SubnetIpv4CidrReservations: ofVersion(false),
      SubnetIpv6CidrReservations: ofVersion(true),
      ...next,
    }
  },
}
