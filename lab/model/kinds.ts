// The kinds of resource that a caller names by id. Each has its own two error codes, and EC2's
// spelling of them follows no rule (`InvalidGroup.NotFound` but `InvalidGroupId.Malformed`), so
// they stand in a table (AWS, "Error codes for the Amazon EC2 API").

import type { IdPrefix } from './ids.ts'

/** A kind: how its ids begin, and EC2's words when one is not found. */
export type Kind = {
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
  routeAssociation: {
    prefix: 'rtbassoc',
    notFound: 'InvalidAssociationID.NotFound',
    malformed: 'InvalidAssociationID.NotFound',
    noun: 'association ID',
  },
  internetGateway: {
    prefix: 'igw',
    notFound: 'InvalidInternetGatewayID.NotFound',
    malformed: 'InvalidInternetGatewayId.Malformed',
    noun: 'internetGateway ID',
  },
  egressOnlyGateway: {
    prefix: 'eigw',
    notFound: 'InvalidEgressOnlyInternetGatewayId.NotFound',
    malformed: 'InvalidEgressOnlyInternetGatewayId.Malformed',
    noun: 'egressOnlyInternetGateway ID',
  },
  natGateway: {
    prefix: 'nat',
    notFound: 'NatGatewayNotFound',
    malformed: 'NatGatewayMalformed',
    noun: 'NAT gateway ID',
  },
  allocation: {
    prefix: 'eipalloc',
    notFound: 'InvalidAllocationID.NotFound',
    malformed: 'InvalidAllocationID.Malformed',
    noun: 'allocation ID',
  },
  addressAssociation: {
    prefix: 'eipassoc',
    notFound: 'InvalidAssociationID.NotFound',
    malformed: 'InvalidAssociationID.NotFound',
    noun: 'association ID',
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
