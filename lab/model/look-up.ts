// Finding a resource by the id a caller wrote: it is there, or EC2 refuses with the code of its kind.

import { isId } from './ids.ts'
import { KINDS, type Kind, type KindName } from './kinds.ts'
import { Refusal } from './refusal.ts'
import type {
  EgressOnlyGateway,
  InternetGateway,
  NatGateway,
  PublicAddress,
  RouteTable,
} from './way-out.ts'
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

/** The route table of that id, or InvalidRouteTableID.NotFound. */
export const findRouteTable = (world: World, id: string): RouteTable =>
  find('routeTable', world.routeTables, id)

/** The internet gateway of that id, or InvalidInternetGatewayID.NotFound. */
export const findInternetGateway = (world: World, id: string): InternetGateway =>
  find('internetGateway', world.internetGateways, id)

/** The egress-only one of that id, or InvalidEgressOnlyInternetGatewayId.NotFound. */
export const findEgressOnlyGateway = (world: World, id: string): EgressOnlyGateway =>
  find('egressOnlyGateway', world.egressOnlyGateways, id)

/** The NAT gateway of that id, or NatGatewayNotFound. */
export const findNatGateway = (world: World, id: string): NatGateway =>
  find('natGateway', world.natGateways, id)

/** The Elastic IP of that allocation, or InvalidAllocationID.NotFound. */
export function findAllocation(world: World, id: string): PublicAddress & { allocationId: string } {
  for (const address of world.publicAddresses.values()) {
    const { allocationId } = address
    if (allocationId === id) return { ...address, allocationId }
  }
  throw noSuch('allocation', id)
}

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
