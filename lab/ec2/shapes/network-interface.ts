// An ENI as EC2 writes it. What is absent and what is empty is EC2's habit: no `Attachment` when
// there is none, but an empty list of IPv6 addresses and tags.

import type * as ec2 from '@aws-sdk/client-ec2'
import { privateDnsName } from '../../model/dns-name.ts'
import {
  ACCOUNT_ID,
  type Attachment,
  LAB_OWNER,
  type NetworkInterface,
  REGION,
  type World,
  ZONES,
} from '../../model/world.ts'
import { associationOf } from './public-address.ts'
import { tagList } from './tags.ts'

/** The whole ENI, as DescribeNetworkInterfaces and CreateNetworkInterface give it. */
export function networkInterfaceShape(world: World, eni: NetworkInterface): ec2.NetworkInterface {
  const [primary] = eni.ipv4
  return {
    ...(primary === undefined ? {} : associationOf(world, eni, primary)),
    ...(eni.attachment === undefined ? {} : { Attachment: attachmentShape(eni.attachment) }),
    AvailabilityZone: eni.zone,
    ...zoneIdOf(eni.zone),
    Description: eni.description,
    Groups: groupList(world, eni),
    // 'nat_gateway' is what EC2 answers, and the SDK's list of values lacks.
    InterfaceType: (eni.natGatewayId === undefined
      ? 'interface'
      : 'nat_gateway') as ec2.NetworkInterfaceType,
    Ipv6Addresses: eni.ipv6.map((Ipv6Address) => ({ Ipv6Address, IsPrimaryIpv6: false })),
    ...prefixLists(eni),
    ...(world.subnets.get(eni.subnetId)?.ipv4Cidr === undefined ? { Ipv6Native: true } : {}),
    MacAddress: eni.mac,
    NetworkInterfaceId: eni.eniId,
    Operator: { Managed: false },
    OwnerId: ACCOUNT_ID,
    ...(primary === undefined
      ? {}
      : { ...dnsName(world, eni, primary), PrivateIpAddress: primary }),
    PrivateIpAddresses: eni.ipv4.map((PrivateIpAddress, index) => ({
      Primary: index === 0,
      ...dnsName(world, eni, PrivateIpAddress),
      PrivateIpAddress,
      ...associationOf(world, eni, PrivateIpAddress),
    })),
    RequesterId: eni.managed ? LAB_OWNER : ACCOUNT_ID,
    RequesterManaged: eni.managed,
    SourceDestCheck: eni.sourceDestCheck,
    // 'pending' is what EC2 answers and the SDK's list of values lacks.
    Status: eni.status as ec2.NetworkInterfaceStatus,
    SubnetId: eni.subnetId,
    TagSet: tagList(world, eni.eniId),
    VpcId: eni.vpcId,
  }
}

/** The delegated prefixes of an ENI; absent where there are none. */
export function prefixLists({
  ipv4Prefixes,
  ipv6Prefixes,
}: NetworkInterface): Pick<ec2.NetworkInterface, 'Ipv4Prefixes' | 'Ipv6Prefixes'> {
  const Ipv4Prefixes = ipv4Prefixes.map((Ipv4Prefix) => ({ Ipv4Prefix }))
  const Ipv6Prefixes = ipv6Prefixes.map((Ipv6Prefix) => ({ Ipv6Prefix }))
  return {
    ...(Ipv4Prefixes.length === 0 ? {} : { Ipv4Prefixes }),
    ...(Ipv6Prefixes.length === 0 ? {} : { Ipv6Prefixes }),
  }
}

/** An attachment as EC2 writes it. */
export function attachmentShape(attachment: Attachment): ec2.NetworkInterfaceAttachment {
  const { to } = attachment
  return {
    AttachTime: attachment.attachedAt,
    AttachmentId: attachment.attachmentId,
    DeleteOnTermination: attachment.deleteOnTermination,
    DeviceIndex: attachment.deviceIndex,
    NetworkCardIndex: 0,
    ...('instanceId' in to
      ? { InstanceId: to.instanceId, InstanceOwnerId: ACCOUNT_ID }
      : { InstanceOwnerId: to.owner }),
    Status: attachment.status,
  }
}

/** The groups of an ENI, with their names. */
export function groupList(world: World, eni: NetworkInterface): ec2.GroupIdentifier[] {
  return eni.groupIds.map((GroupId) => {
    const group = world.groups.get(GroupId)
    return { GroupId, ...(group === undefined ? {} : { GroupName: group.name }) }
  })
}

/** The zone's id (`usw2-az1`), which is the same in every account. */
export function zoneIdOf(name: string): { AvailabilityZoneId?: string } {
  const zone = ZONES.find((each) => each.name === name)
  return zone === undefined ? {} : { AvailabilityZoneId: zone.zoneId }
}

/** The private DNS name of an address, where the VPC gives names. */
export function dnsName(
  world: World,
  eni: NetworkInterface,
  ipv4: string,
): { PrivateDnsName?: string } {
  const named = world.vpcs.get(eni.vpcId)?.enableDnsHostnames ?? false
  return named ? { PrivateDnsName: privateDnsName(ipv4, REGION) } : {}
}
