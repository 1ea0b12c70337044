// The filters of DescribeInstances: as many as EC2 documents, and no two alike. What no instance of
// the lab has (a key pair, a capacity reservation …) matches nothing; what its answer does not say
// (disks, boot modes …) is refused by name.

import type * as ec2 from '@aws-sdk/client-ec2'
import { ACCOUNT_ID } from '../model/world.ts'
import { type FilterOf, type FilterValue, type Listing, nothing } from './listing.ts'

/** An instance with its reservation. */
export type InstanceRow = {
  readonly reservationId: string
  readonly instance: ec2.Instance
  /** Its interfaces as DescribeNetworkInterfaces has them: with more than the instance says. */
  readonly enis: readonly ec2.NetworkInterface[]
}

const of =
  (view: (instance: ec2.Instance) => FilterValue | readonly FilterValue[]): FilterOf<InstanceRow> =>
  ({ instance }) =>
    view(instance)

const ofEnis = (
  view: (eni: ec2.InstanceNetworkInterface) => FilterValue | readonly FilterValue[],
): FilterOf<InstanceRow> =>
  of((instance) => (instance.NetworkInterfaces ?? []).flatMap((eni) => view(eni)))

const tagsOf =
  (member: keyof ec2.Tag): FilterOf<InstanceRow> =>
  ({ enis }) =>
    enis.flatMap((eni) => eni.TagSet?.map((tag) => tag[member]) ?? [])

/**
 * Of the public addresses of interfaces. Those of the interfaces themselves, because an instance's
 * answer does not say the ids of allocations, and is found by them.
 */
const associations = (
  prefix: string,
  view: (eni: ec2.NetworkInterface) => readonly (ec2.NetworkInterfaceAssociation | undefined)[],
): Record<string, FilterOf<InstanceRow>> => {
  const filter =
    (member: keyof ec2.NetworkInterfaceAssociation): FilterOf<InstanceRow> =>
    ({ enis }) =>
      enis.flatMap((eni) => view(eni).map((each) => each?.[member]))
  return {
    [`${prefix}allocation-id`]: filter('AllocationId'),
    [`${prefix}association-id`]: filter('AssociationId'),
    [`${prefix}carrier-ip`]: filter('CarrierIp'),
    [`${prefix}customer-owned-ip`]: filter('CustomerOwnedIp'),
    [`${prefix}ip-owner-id`]: filter('IpOwnerId'),
    [`${prefix}public-dns-name`]: filter('PublicDnsName'),
    [`${prefix}public-ip`]: filter('PublicIp'),
  }
}

const ABSENT = nothing(
  'affinity',
  'capacity-reservation-id',
  'client-token',
  'host-id',
  'iam-instance-profile.arn',
  'iam-instance-profile.id',
  'instance-lifecycle',
  'kernel-id',
  'key-name',
  'network-interface.outpost-arn',
  'network-interface.public-dns-name',
  'outpost-arn',
  'placement-partition-number',
  'platform',
  'product-code',
  'product-code.type',
  'ramdisk-id',
  'reason',
  'requester-id',
  'spot-instance-request-id',
  'state-reason-code',
  'state-reason-message',
)

/** How instances are filtered. */
export const INSTANCE_FILTERS: Listing<InstanceRow>['filters'] = {
  ...ABSENT,
  architecture: of((instance) => instance.Architecture),
  'availability-zone': of((instance) => instance.Placement?.AvailabilityZone),
  'availability-zone-id': of((instance) => instance.Placement?.AvailabilityZoneId),
  'dns-name': of((instance) => instance.PublicDnsName),
  'ena-support': of((instance) => instance.EnaSupport),
  hypervisor: of((instance) => instance.Hypervisor),
  'image-id': of((instance) => instance.ImageId),
  'instance-id': of((instance) => instance.InstanceId),
  'instance-state-code': of((instance) => instance.State?.Code),
  'instance-state-name': of((instance) => instance.State?.Name),
  'instance-type': of((instance) => instance.InstanceType),
  'instance.group-id': of((instance) => instance.SecurityGroups?.map((group) => group.GroupId)),
  'instance.group-name': of((instance) => instance.SecurityGroups?.map((group) => group.GroupName)),
  'ip-address': of((instance) => instance.PublicIpAddress),
  'ipv6-address': ofEnis((eni) => eni.Ipv6Addresses?.map((each) => each.Ipv6Address)),
  'launch-index': of((instance) => instance.AmiLaunchIndex),
  'launch-time': of((instance) => instance.LaunchTime?.toISOString()),
  'metadata-options.http-endpoint': of((instance) => instance.MetadataOptions?.HttpEndpoint),
  'metadata-options.http-protocol-ipv6': of(
    (instance) => instance.MetadataOptions?.HttpProtocolIpv6,
  ),
  'metadata-options.http-put-response-hop-limit': of(
    (instance) => instance.MetadataOptions?.HttpPutResponseHopLimit,
  ),
  'metadata-options.http-tokens': of((instance) => instance.MetadataOptions?.HttpTokens),
  'metadata-options.instance-metadata-tags': of(
    (instance) => instance.MetadataOptions?.InstanceMetadataTags,
  ),
  'metadata-options.state': of((instance) => instance.MetadataOptions?.State),
  'monitoring-state': of((instance) => instance.Monitoring?.State),
  ...associations('network-interface.addresses.association.', (eni) =>
    (eni.PrivateIpAddresses ?? []).map((each) => each.Association),
  ),
  ...associations('network-interface.association.', (eni) => [eni.Association]),
  'network-interface.addresses.primary': ofEnis((eni) =>
    eni.PrivateIpAddresses?.map((each) => each.Primary),
  ),
  'network-interface.addresses.private-dns-name': ofEnis((eni) =>
    eni.PrivateIpAddresses?.map((each) => each.PrivateDnsName),
  ),
  'network-interface.addresses.private-ip-address': ofEnis((eni) =>
    eni.PrivateIpAddresses?.map((each) => each.PrivateIpAddress),
  ),
  'network-interface.attachment.attach-time': ofEnis((eni) =>
    eni.Attachment?.AttachTime?.toISOString(),
  ),
  'network-interface.attachment.attachment-id': ofEnis((eni) => eni.Attachment?.AttachmentId),
  'network-interface.attachment.delete-on-termination': ofEnis(
    (eni) => eni.Attachment?.DeleteOnTermination,
  ),
  'network-interface.attachment.device-index': ofEnis((eni) => eni.Attachment?.DeviceIndex),
  'network-interface.attachment.instance-id': of((instance) => instance.InstanceId),
  'network-interface.attachment.instance-owner-id': () => ACCOUNT_ID,
  'network-interface.attachment.network-card-index': ofEnis(
    (eni) => eni.Attachment?.NetworkCardIndex,
  ),
  'network-interface.attachment.status': ofEnis((eni) => eni.Attachment?.Status),
  'network-interface.availability-zone': of((instance) => instance.Placement?.AvailabilityZone),
  'network-interface.description': ofEnis((eni) => eni.Description),
  'network-interface.group-id': ofEnis((eni) => eni.Groups?.map((group) => group.GroupId)),
  'network-interface.group-name': ofEnis((eni) => eni.Groups?.map((group) => group.GroupName)),
  'network-interface.ipv4-prefixes.ipv4-prefix': ofEnis((eni) =>
    eni.Ipv4Prefixes?.map((each) => each.Ipv4Prefix),
  ),
  'network-interface.ipv6-prefixes.ipv6-prefix': ofEnis((eni) =>
    eni.Ipv6Prefixes?.map((each) => each.Ipv6Prefix),
  ),
  'network-interface.ipv6-address': ofEnis((eni) =>
    eni.Ipv6Addresses?.map((each) => each.Ipv6Address),
  ),
  'network-interface.ipv6-addresses.ipv6-address': ofEnis((eni) =>
    eni.Ipv6Addresses?.map((each) => each.Ipv6Address),
  ),
  'network-interface.ipv6-addresses.is-primary-ipv6': ofEnis((eni) =>
    eni.Ipv6Addresses?.map((each) => each.IsPrimaryIpv6),
  ),
  'network-interface.mac-address': ofEnis((eni) => eni.MacAddress),
  'network-interface.network-interface-id': ofEnis((eni) => eni.NetworkInterfaceId),
  'network-interface.operator.managed': ofEnis((eni) => eni.Operator?.Managed),
  'network-interface.operator.principal': ofEnis((eni) => eni.Operator?.Principal),
  'network-interface.owner-id': ofEnis((eni) => eni.OwnerId),
  'network-interface.private-dns-name': ofEnis((eni) => eni.PrivateDnsName),
  'network-interface.private-ip-address': ofEnis((eni) => eni.PrivateIpAddress),
  'network-interface.requester-id': ofEnis((eni) => eni.OwnerId),
  'network-interface.requester-managed': ofEnis(() => false),
  'network-interface.source-dest-check': ofEnis((eni) => eni.SourceDestCheck),
  'network-interface.status': ofEnis((eni) => eni.Status),
  'network-interface.subnet-id': ofEnis((eni) => eni.SubnetId),
  'network-interface.tag-key': tagsOf('Key'),
  'network-interface.tag-value': tagsOf('Value'),
  'network-interface.vpc-id': ofEnis((eni) => eni.VpcId),
  'operator.managed': of((instance) => instance.Operator?.Managed),
  'operator.principal': of((instance) => instance.Operator?.Principal),
  'owner-id': () => ACCOUNT_ID,
  'placement-group-name': of((instance) => instance.Placement?.GroupName),
  'private-dns-name': of((instance) => instance.PrivateDnsName),
  'private-dns-name-options.enable-resource-name-dns-a-record': of(
    (instance) => instance.PrivateDnsNameOptions?.EnableResourceNameDnsARecord,
  ),
  'private-dns-name-options.enable-resource-name-dns-aaaa-record': of(
    (instance) => instance.PrivateDnsNameOptions?.EnableResourceNameDnsAAAARecord,
  ),
  'private-dns-name-options.hostname-type': of(
    (instance) => instance.PrivateDnsNameOptions?.HostnameType,
  ),
  'private-ip-address': of((instance) => instance.PrivateIpAddress),
  'reservation-id': ({ reservationId }) => reservationId,
  'source-dest-check': of((instance) => instance.SourceDestCheck),
  'subnet-id': of((instance) => instance.SubnetId),
  tenancy: of((instance) => instance.Placement?.Tenancy),
  'virtualization-type': of((instance) => instance.VirtualizationType),
  'vpc-id': of((instance) => instance.VpcId),
}

/** What EC2 filters by and the lab does not say of its instances. */
export const INSTANCE_UNSAID: readonly string[] = [
  'block-device-mapping.attach-time',
  'block-device-mapping.delete-on-termination',
  'block-device-mapping.device-name',
  'block-device-mapping.status',
  'block-device-mapping.volume-id',
  'boot-mode',
  'capacity-reservation-specification.capacity-reservation-preference',
  'capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id',
  'capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn',
  'current-instance-boot-mode',
  'ebs-optimized',
  'enclave-options.enabled',
  'hibernation-options.configured',
  'maintenance-options.auto-recovery',
  'metadata-options.http-protocol-ipv4',
  'network-interface.deny-all-igw-traffic',
  'network-interface.ipv6-native',
  'network-performance-options.bandwidth-weighting',
  'platform-details',
  'root-device-name',
  'root-device-type',
  'tpm-support',
  'usage-operation',
  'usage-operation-update-time',
]
