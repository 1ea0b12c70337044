// Public addresses as EC2 writes them: an Elastic IP of its own, and the association of a private
// address, which says who owns the public one: the account, or Amazon where it came by a launch.

import type * as ec2 from '@aws-sdk/client-ec2'
import { instanceOf } from '../../model/network-interface.ts'
import { addressFor, type ElasticIp, isElastic, publicNameIn } from '../../model/public-address.ts'
import { ACCOUNT_ID, type NetworkInterface, REGION, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** An Elastic IP, as DescribeAddresses gives it. */
export function addressShape(world: World, address: ElasticIp): ec2.Address {
  const { publicIp, allocationId, association } = address
  const eni = association === undefined ? undefined : world.enis.get(association.eniId)
  const instance = eni === undefined ? undefined : instanceOf(world, eni)
  return {
    ...(instance === undefined ? {} : { InstanceId: instance.instanceId }),
    PublicIp: publicIp,
    AllocationId: allocationId,
    ...(association === undefined
      ? {}
      : {
          AssociationId: association.associationId,
          NetworkInterfaceId: association.eniId,
          NetworkInterfaceOwnerId: ACCOUNT_ID,
          PrivateIpAddress: association.privateIp,
        }),
    Domain: 'vpc',
    Tags: tagList(world, allocationId),
    PublicIpv4Pool: 'amazon',
    NetworkBorderGroup: REGION,
  }
}

/** The association of one private address of an ENI, where it has one. */
export function associationOf(
  world: World,
  eni: NetworkInterface,
  privateIp: string,
): { Association?: ec2.NetworkInterfaceAssociation } {
  const address = addressFor(world, eni.eniId, privateIp)
  if (address === undefined) return {}
  const { publicIp, association } = address
  return {
    Association: {
      ...(isElastic(address)
        ? {
            AllocationId: address.allocationId,
            AssociationId: association.associationId,
            IpOwnerId: ACCOUNT_ID,
          }
        : { IpOwnerId: 'amazon' }),
      PublicDnsName: publicNameIn(world, eni.vpcId, publicIp),
      PublicIp: publicIp,
    },
  }
}

/** The same, as an instance's interface shows it. */
export function instanceAssociationOf(
  world: World,
  eni: NetworkInterface,
  privateIp: string,
): { Association?: ec2.InstanceNetworkInterfaceAssociation } {
  const { Association } = associationOf(world, eni, privateIp)
  if (Association === undefined) return {}
  const { AllocationId: _id, AssociationId: _other, ...shown } = Association
  return { Association: shown }
}
