// DisassociateSubnetCidrBlock: a subnet gives its IPv6 block back, when no ENI has an address of it.

import type {
  DisassociateSubnetCidrBlockRequest,
  DisassociateSubnetCidrBlockResult,
} from '@aws-sdk/client-ec2'
import { takenIn } from '../../model/addresses.ts'
import { noSuch } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { withoutReservation } from '../../model/subnet-cidr-reservation.ts'
import { put, type World } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { ipv6AssociationShape } from '../shapes/subnet.ts'

export const disassociateSubnetCidrBlock: ChangeAction<
  DisassociateSubnetCidrBlockRequest,
  DisassociateSubnetCidrBlockResult
> = {
  name: 'DisassociateSubnetCidrBlock',
  honours: ['AssociationId'],
  change(world, input) {
    const id = input.AssociationId ?? ''
    const subnet = [...world.subnets.values()].find((each) => each.ipv6AssociationId === id)
    if (subnet?.ipv6Cidr === undefined) throw noSuch('subnetCidrAssociation', id)
    const { ipv6Cidr, ipv6AssociationId: _gone, ...rest } = subnet
    if (subnet.ipv4Cidr === undefined) {
      throw new Refusal(
        'InvalidParameterValue',
        `The subnet '${subnet.subnetId}' is IPv6-only and has no other block: delete the subnet.`,
      )
    }
    const { addresses, prefixes } = takenIn(world, subnet.subnetId, 6)
    if (addresses.size + prefixes.size > 0) {
      throw new Refusal(
        'DependencyViolation',
        `The CIDR block '${ipv6Cidr}' is in use by network interfaces: unassign their addresses.`,
      )
    }
    const changed = { ...rest, assignIpv6OnCreation: false }
    const subnets = put(world.subnets, subnet.subnetId, changed)
    return {
      world: withoutIpv6Reservations({ ...world, subnets }, subnet.subnetId),
      output: {
        SubnetId: subnet.subnetId,
        Ipv6CidrBlockAssociation: ipv6AssociationShape(id, ipv6Cidr, 'disassociated'),
      },
    }
  },
}

function withoutIpv6Reservations(world: World, subnetId: string): World {
  let next = world
  for (const each of world.subnetCidrReservations.values()) {
    if (each.subnetId !== subnetId || each.family !== 6) continue
    next = withoutReservation(next, each.reservationId)
  }
  return next
}
