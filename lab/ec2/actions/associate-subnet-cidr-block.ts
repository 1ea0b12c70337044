// AssociateSubnetCidrBlock: an IPv6 /64 for a subnet that has none. Associated when it is answered;
// EC2 says `associating` first and takes a moment.

import type {
  AssociateSubnetCidrBlockRequest,
  AssociateSubnetCidrBlockResult,
} from '@aws-sdk/client-ec2'
import { newId } from '../../model/ids.ts'
import { findSubnet, findVpc } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { subnetIpv6Block } from '../../model/subnet-block.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { ipv6AssociationShape } from '../shapes/subnet.ts'

export const associateSubnetCidrBlock: ChangeAction<
  AssociateSubnetCidrBlockRequest,
  AssociateSubnetCidrBlockResult
> = {
  name: 'AssociateSubnetCidrBlock',
  honours: ['SubnetId', 'Ipv6CidrBlock'],
  change(world, input, call) {
    const subnet = findSubnet(world, input.SubnetId ?? '')
    if (input.Ipv6CidrBlock === undefined || input.Ipv6CidrBlock === '') {
      throw new Refusal('MissingParameter', 'The request must contain the parameter ipv6CidrBlock')
    }
    if (subnet.ipv6Cidr !== undefined) {
      throw new Refusal(
        'InvalidParameterValue',
        `The subnet '${subnet.subnetId}' has the IPv6 CIDR block ${subnet.ipv6Cidr}: ` +
          'disassociate it first.',
      )
    }
    const ipv6Cidr = subnetIpv6Block(world, findVpc(world, subnet.vpcId), input.Ipv6CidrBlock)
    const ipv6AssociationId = newId('subnet-cidr-assoc', call.random)
    const changed = { ...subnet, ipv6Cidr, ipv6AssociationId }
    return {
      world: { ...world, subnets: put(world.subnets, subnet.subnetId, changed) },
      output: {
        SubnetId: subnet.subnetId,
        Ipv6CidrBlockAssociation: ipv6AssociationShape(ipv6AssociationId, ipv6Cidr, 'associated'),
      },
    }
  },
}
