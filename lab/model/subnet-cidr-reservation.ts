// Subnet CIDR reservations (VPC user guide, "Subnet CIDR reservations"): a range that EC2 gives to
// nobody by itself (explicit), or to prefixes alone (prefix). Addresses that are in use when it is
// made stay with who has them, and what is in use when it goes too. Two of a VPC never overlap.

import { cidrOf, knownCidr } from './addresses.ts'
import { contains, type Family, formatCidr, overlaps, parseCidr } from './cidr.ts'
import { newId, type Random } from './ids.ts'
import { badValue, Refusal } from './refusal.ts'
import { drop, put, type Subnet, type SubnetCidrReservation, type World } from './world.ts'

/** What a caller wants reserved. */
export type ReservationWish = {
  readonly cidr: string
  readonly type: string
  readonly description: string
}

/** Reserves a range of a subnet. */
export function reserve(
  world: World,
  subnet: Subnet,
  { cidr: text, type, description }: ReservationWish,
  random: Random,
): { world: World; reservation: SubnetCidrReservation } {
  if (type !== 'prefix' && type !== 'explicit') {
    throw badValue('reservationType', type, 'Valid values are prefix and explicit.')
  }
  const family: Family = text.includes(':') ? 6 : 4
  const cidr = parseCidr(family, text)
  if (cidr === undefined) throw badValue('cidr', text, 'This is not a valid CIDR block.')
  if (!contains(cidrOf(subnet, family), cidr)) {
    throw badValue('cidr', text, `It is not within the subnet's CIDR block.`)
  }
  for (const other of world.subnetCidrReservations.values()) {
    if (other.family !== family) continue
    if (world.subnets.get(other.subnetId)?.vpcId !== subnet.vpcId) continue
    if (!overlaps(knownCidr(family, other.cidr), cidr)) continue
    throw new Refusal(
      'InvalidParameterValue',
      `The CIDR '${text}' overlaps with the reservation ${other.reservationId} (${other.cidr}).`,
    )
  }
  const reservation: SubnetCidrReservation = {
    reservationId: newId('scr', random),
    subnetId: subnet.subnetId,
    family,
    cidr: formatCidr(cidr),
    type,
    description,
  }
  const all = put(world.subnetCidrReservations, reservation.reservationId, reservation)
  return { world: { ...world, subnetCidrReservations: all }, reservation }
}

/** The world without that reservation and its tags. */
export const withoutReservation = (world: World, reservationId: string): World => ({
  ...world,
  subnetCidrReservations: drop(world.subnetCidrReservations, reservationId),
  tags: drop(world.tags, reservationId),
})

/** The world without the reservations of a subnet. */
export function withoutReservations(world: World, subnetId: string): World {
  let next = world
  for (const each of world.subnetCidrReservations.values()) {
    if (each.subnetId === subnetId) next = withoutReservation(next, each.reservationId)
  }
  return next
}
