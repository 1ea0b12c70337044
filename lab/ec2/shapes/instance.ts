// An instance as EC2 writes it, with the ENIs attached to it. What describes the machine and not
// its network (image, root device, key) is fixed: the lab's instances are the host it runs on.

import type * as ec2 from '@aws-sdk/client-ec2'
import { nameOptionsOf } from '../../model/dns-name.ts'
import { instanceType } from '../../model/instance-type.ts'
import { metadataOptionsOf } from '../../model/metadata-options.ts'
import { attachedTo } from '../../model/network-interface.ts'
import {
  ACCOUNT_ID,
  type Attachment,
  IMAGE_ID,
  type Instance,
  type NetworkInterface,
  type World,
} from '../../model/world.ts'
import { attachmentShape, dnsName, groupList, prefixLists, zoneIdOf } from './network-interface.ts'
import { instanceAssociationOf } from './public-address.ts'
import { tagList } from './tags.ts'

type Attached = NetworkInterface & { readonly attachment: Attachment }

/** The whole instance, as DescribeInstances gives it. */
export function instanceShape(world: World, instance: Instance): ec2.Instance {
  const enis = attachedTo(world, instance.instanceId)
  const primary = enis.find((eni) => eni.attachment.deviceIndex === 0)
  const type = instanceType(instance.instanceType)
  return {
    InstanceId: instance.instanceId,
    ImageId: IMAGE_ID,
    AmiLaunchIndex: 0,
    // A string in every answer; the SDK's type lists AWS's own names only.
    InstanceType: instance.instanceType as ec2._InstanceType,
    LaunchTime: instance.launchedAt,
    State: stateShape(instance),
    ...reasonOf(instance),
    Placement: {
      AvailabilityZone: instance.zone,
      ...zoneIdOf(instance.zone),
      GroupName: '',
      Tenancy: 'default',
    },
    Monitoring: { State: 'disabled' },
    MetadataOptions: metadataOptionsShape(instance, 'applied'),
    PrivateDnsNameOptions: nameOptionsShape(instance),
    Architecture: type.architecture,
    Hypervisor: 'xen', // EC2 answers so for Nitro too.
    VirtualizationType: 'hvm',
    EnaSupport: type.hypervisor === 'nitro',
    PublicDnsName: '',
    Operator: { Managed: false },
    ...(primary === undefined ? {} : primaryMembers(world, primary)),
    NetworkInterfaces: enis.map((eni) => instanceInterface(world, eni)),
    Tags: tagList(world, instance.instanceId),
  }
}

/** How the instance may ask for its metadata, as EC2 writes it. */
export function metadataOptionsShape(
  instance: Instance,
  State: ec2.InstanceMetadataOptionsState,
): ec2.InstanceMetadataOptionsResponse {
  const options = metadataOptionsOf(instance)
  return {
    State,
    HttpTokens: options.httpTokens,
    HttpPutResponseHopLimit: options.httpPutResponseHopLimit,
    HttpEndpoint: options.httpEndpoint,
    HttpProtocolIpv6: options.httpProtocolIpv6,
    InstanceMetadataTags: options.instanceMetadataTags,
  }
}

function nameOptionsShape(instance: Instance): ec2.PrivateDnsNameOptionsResponse {
  const { hostnameType, resourceNameA, resourceNameAaaa } = nameOptionsOf(instance)
  return {
    HostnameType: hostnameType,
    EnableResourceNameDnsARecord: resourceNameA,
    EnableResourceNameDnsAAAARecord: resourceNameAaaa,
  }
}

/** An instance's state, by EC2's code and name. */
export const stateShape = ({ state }: Instance): ec2.InstanceState => ({
  Code: STATE_CODES[state],
  Name: state,
})

const STATE_CODES = { pending: 0, running: 16, 'shutting-down': 32, terminated: 48 } as const

function reasonOf({ stateReason }: Instance): Pick<ec2.Instance, 'StateReason'> {
  if (stateReason === undefined) return {}
  return { StateReason: { Code: stateReason.split(':', 1)[0], Message: stateReason } }
}

function primaryMembers(world: World, eni: Attached): ec2.Instance {
  const ipv4 = eni.ipv4[0]
  const { Association } = instanceAssociationOf(world, eni, ipv4 ?? '')
  return {
    VpcId: eni.vpcId,
    SubnetId: eni.subnetId,
    SourceDestCheck: eni.sourceDestCheck,
    SecurityGroups: groupList(world, eni),
    ...(ipv4 === undefined ? {} : { PrivateIpAddress: ipv4, ...dnsName(world, eni, ipv4) }),
    ...(Association === undefined
      ? {}
      : {
          PublicIpAddress: Association.PublicIp,
          PublicDnsName: Association.PublicDnsName,
        }),
  }
}

function instanceInterface(world: World, eni: Attached): ec2.InstanceNetworkInterface {
  const ipv4 = eni.ipv4[0]
  const {
    InstanceId: _id,
    InstanceOwnerId: _owner,
    ...Attachment
  } = attachmentShape(eni.attachment)
  return {
    ...instanceAssociationOf(world, eni, ipv4 ?? ''),
    Attachment,
    Description: eni.description,
    Groups: groupList(world, eni),
    InterfaceType: 'interface',
    Ipv6Addresses: eni.ipv6.map((Ipv6Address) => ({ Ipv6Address, IsPrimaryIpv6: false })),
    ...prefixLists(eni),
    MacAddress: eni.mac,
    NetworkInterfaceId: eni.eniId,
    Operator: { Managed: false },
    OwnerId: ACCOUNT_ID,
    ...(ipv4 === undefined ? {} : { PrivateIpAddress: ipv4, ...dnsName(world, eni, ipv4) }),
    PrivateIpAddresses: eni.ipv4.map((PrivateIpAddress, index) => ({
      Primary: index === 0,
      ...dnsName(world, eni, PrivateIpAddress),
      PrivateIpAddress,
      ...instanceAssociationOf(world, eni, PrivateIpAddress),
    })),
    SourceDestCheck: eni.sourceDestCheck,
    Status: 'in-use',
    SubnetId: eni.subnetId,
    VpcId: eni.vpcId,
  }
}
