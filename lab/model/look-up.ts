// Finding a resource by the id a caller wrote. Each kind has its own two error codes, and EC2's
// spelling of them follows no rule (`InvalidGroup.NotFound` but `InvalidGroupId.Malformed`), so
// they stand in a table (AWS, "Error codes for the Amazon EC2 API").

import { type IdPrefix, isId } from './ids.ts'
import { Refusal } from './refusal.ts'
import type {
  Attachment,
  DhcpOptions,
  Instance,
  NetworkAcl,
  NetworkInterface,
  PrefixList,
  SecurityGroup,
  Subnet,
  SubnetCidrReservation,
  Vpc,
  World,
} from './world.ts'

type Kind = {
  readonly prefix: IdPrefix
  readonly notFound: string
  readonly malformed: string
  /** The noun in EC2's message: "The `noun` ID 'x' does not exist". */
  readonly noun: string
}

/** The kinds of resource that a caller can name by id. */
export const KINDS = {
  vpc: {
    prefix: 'vpc',
    notFound: 'InvalidVpcID.NotFound',
    malformed: 'InvalidVpcID.Malformed',
    noun: 'vpc ID',
  },
  subnet: {
    prefix: 'subnet',
    notFound: 'InvalidSubnetID.NotFound',
    malformed: 'InvalidSubnetID.Malformed',
    noun: 'subnet ID',
  },
  subnetCidrReservation: {
    prefix: 'scr',
    notFound: 'InvalidSubnetCidrReservationID.NotFound',
    malformed: 'InvalidSubnetCidrReservationID.Malformed',
    noun: 'subnet CIDR reservation ID',
  },
  subnetCidrAssociation: {
    prefix: 'subnet-cidr-assoc',
    notFound: 'InvalidSubnetCidrBlockAssociationID.NotFound',
    malformed: 'InvalidSubnetCidrBlockAssociationID.Malformed',
    noun: 'subnet CIDR block association ID',
  },
  group: {
    prefix: 'sg',
    notFound: 'InvalidGroup.NotFound',
    malformed: 'InvalidGroupId.Malformed',
    noun: 'security group',
  },
  rule: {
    prefix: 'sgr',
    notFound: 'InvalidSecurityGroupRuleId.NotFound',
    malformed: 'InvalidSecurityGroupRuleId.Malformed',
    noun: 'security group rule ID',
  },
  prefixList: {
    prefix: 'pl',
    notFound: 'InvalidPrefixListID.NotFound',
    malformed: 'InvalidPrefixListId.Malformed',
    noun: 'prefix list ID',
  },
  eni: {
    prefix: 'eni',
    notFound: 'InvalidNetworkInterfaceID.NotFound',
    malformed: 'InvalidNetworkInterfaceId.Malformed',
    noun: 'networkInterface ID',
  },
  attachment: {
    prefix: 'eni-attach',
    notFound: 'InvalidAttachmentID.NotFound',
    malformed: 'InvalidNetworkInterfaceAttachmentId.Malformed',
    noun: 'interface attachment',
  },
  instance: {
    prefix: 'i',
    notFound: 'InvalidInstanceID.NotFound',
    malformed: 'InvalidInstanceID.Malformed',
    noun: 'instance ID',
  },
  dhcpOptions: {
    prefix: 'dopt',
    notFound: 'InvalidDhcpOptionsID.NotFound',
    malformed: 'InvalidDhcpOptionsId.Malformed',
    noun: 'dhcpOption ID',
  },
  routeTable: {
    prefix: 'rtb',
    notFound: 'InvalidRouteTableID.NotFound',
    malformed: 'InvalidRouteTableId.Malformed',
    noun: 'routeTable ID',
  },
  networkAcl: {
    prefix: 'acl',
    notFound: 'InvalidNetworkAclID.NotFound',
    malformed: 'InvalidNetworkAclId.Malformed',
    noun: 'networkAcl ID',
  },
  aclAssociation: {
    prefix: 'aclassoc',
    notFound: 'InvalidAssociationID.NotFound',
    malformed: 'InvalidAssociationID.NotFound', // EC2's table has no code of its own for it.
    noun: 'association ID',
  },
} as const satisfies Record<string, Kind>

/** The names of the kinds. */
export type KindName = keyof typeof KINDS

/** EC2's refusal of an id: malformed, or of nothing that exists. */
export function noSuch(kindName: KindName, id: string): Refusal {
  const kind: Kind = KINDS[kindName]
  return isId(kind.prefix, id)
    ? new Refusal(kind.notFound, `The ${kind.noun} '${id}' does not exist`)
    : new Refusal(kind.malformed, `Invalid id: "${id}" (expecting "${kind.prefix}-...")`)
}

/** The values of those ids, in the order asked; the first unknown id fails the whole call. */
export function findEach<T>(
  kind: KindName,
  from: ReadonlyMap<string, T>,
  ids: readonly string[],
): T[] {
  return ids.map((id) => find(kind, from, id))
}

/** The VPC of that id, or InvalidVpcID.NotFound. */
export const findVpc = (world: World, id: string): Vpc => find('vpc', world.vpcs, id)

/** The subnet of that id, or InvalidSubnetID.NotFound. */
export const findSubnet = (world: World, id: string): Subnet => find('subnet', world.subnets, id)

/** The security group of that id, or InvalidGroup.NotFound. */
export const findGroup = (world: World, id: string): SecurityGroup =>
  find('group', world.groups, id)

/** The prefix list of that id, or InvalidPrefixListID.NotFound. */
export const findPrefixList = (world: World, id: string): PrefixList =>
  find('prefixList', world.prefixLists, id)

/** The subnet CIDR reservation of that id, or InvalidSubnetCidrReservationID.NotFound. */
export const findSubnetCidrReservation = (world: World, id: string): SubnetCidrReservation =>
  find('subnetCidrReservation', world.subnetCidrReservations, id)

/** The ENI of that id, or InvalidNetworkInterfaceID.NotFound. */
export const findEni = (world: World, id: string): NetworkInterface => find('eni', world.enis, id)

/** The instance of that id, or InvalidInstanceID.NotFound. */
export const findInstance = (world: World, id: string): Instance =>
  find('instance', world.instances, id)

/** The DHCP options set of that id, or InvalidDhcpOptionsID.NotFound. */
export const findDhcpOptions = (world: World, id: string): DhcpOptions =>
  find('dhcpOptions', world.dhcpOptions, id)

/** The network ACL of that id, or InvalidNetworkAclID.NotFound. */
export const findNetworkAcl = (world: World, id: string): NetworkAcl =>
  find('networkAcl', world.networkAcls, id)

/** The ENI that has that attachment, or InvalidAttachmentID.NotFound. */
export function findAttached(
  world: World,
  attachmentId: string,
): NetworkInterface & { readonly attachment: Attachment } {
  for (const eni of world.enis.values()) {
    const { attachment } = eni
    if (attachment?.attachmentId === attachmentId) return { ...eni, attachment }
  }
  if (isId('ela-attach', attachmentId) || isId('eni-attach', attachmentId)) {
    throw new Refusal(
      'InvalidAttachmentID.NotFound',
      `The interface attachment '${attachmentId}' does not exist.`,
    )
  }
  throw noSuch('attachment', attachmentId)
}

function find<T>(kind: KindName, from: ReadonlyMap<string, T>, id: string): T {
  const found = from.get(id)
  if (found === undefined) throw noSuch(kind, id)
  return found
}
