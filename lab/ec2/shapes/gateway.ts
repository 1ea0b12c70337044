// Gateways as EC2 writes them: to the Internet, out only, and NAT.

import type * as ec2 from '@aws-sdk/client-ec2'
import { associatedWith } from '../../model/public-address.ts'
import type { EgressOnlyGateway, InternetGateway, NatGateway } from '../../model/way-out.ts'
import { ACCOUNT_ID, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** An internet gateway. Its attachment is `available`, a word that the SDK's list of values lacks. */
export function internetGatewayShape(world: World, gateway: InternetGateway): ec2.InternetGateway {
  const { gatewayId, vpcId } = gateway
  return {
    Attachments:
      vpcId === undefined ? [] : [{ State: 'available' as ec2.AttachmentStatus, VpcId: vpcId }],
    InternetGatewayId: gatewayId,
    OwnerId: ACCOUNT_ID,
    Tags: tagList(world, gatewayId),
  }
}

/** An egress-only internet gateway. */
export const egressOnlyShape = (
  world: World,
  { gatewayId, vpcId }: EgressOnlyGateway,
): ec2.EgressOnlyInternetGateway => ({
  Attachments: [{ State: 'attached', VpcId: vpcId }],
  EgressOnlyInternetGatewayId: gatewayId,
  Tags: tagList(world, gatewayId),
})

/** A NAT gateway. */
export function natGatewayShape(world: World, nat: NatGateway): ec2.NatGateway {
  const { natGatewayId, endedAt, failure, state } = nat
  const isPending = state === 'pending'
  return {
    CreateTime: nat.createdAt,
    ...(endedAt === undefined ? {} : { DeleteTime: endedAt }),
    ...(failure === undefined || isPending
      ? {}
      : { FailureCode: failure.code, FailureMessage: failure.message }),
    NatGatewayAddresses: [addressOf(world, nat)],
    NatGatewayId: natGatewayId,
    State: state,
    SubnetId: nat.subnetId,
    VpcId: nat.vpcId,
    Tags: tagList(world, natGatewayId),
    ConnectivityType: nat.connectivity,
  }
}

function addressOf(world: World, nat: NatGateway): ec2.NatGatewayAddress {
  const { eniId, privateIp, allocationId, publicIp } = nat
  const association = eniId === undefined ? undefined : associatedWith(world, eniId)[0]?.association
  return {
    ...(allocationId === undefined ? {} : { AllocationId: allocationId }),
    ...(eniId === undefined ? {} : { NetworkInterfaceId: eniId }),
    ...(privateIp === undefined ? {} : { PrivateIp: privateIp }),
    ...(publicIp === undefined ? {} : { PublicIp: publicIp }),
    ...(association === undefined ? {} : { AssociationId: association.associationId }),
    IsPrimary: true,
    Status: nat.failure === undefined ? 'succeeded' : 'failed',
  }
}
