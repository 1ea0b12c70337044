// Every action that the lab implements, one file each, by the name AWS gives it. What is not here is
// refused by name.

import type { Action } from './action.ts'
import { allocateAddress } from './actions/allocate-address.ts'
import { assignIpv6Addresses } from './actions/assign-ipv6-addresses.ts'
import { assignPrivateIpAddresses } from './actions/assign-private-ip-addresses.ts'
import { associateAddress } from './actions/associate-address.ts'
import { associateDhcpOptions } from './actions/associate-dhcp-options.ts'
import { associateRouteTable } from './actions/associate-route-table.ts'
import { associateSubnetCidrBlock } from './actions/associate-subnet-cidr-block.ts'
import { attachInternetGateway } from './actions/attach-internet-gateway.ts'
import { attachNetworkInterface } from './actions/attach-network-interface.ts'
import { authorizeSecurityGroupEgress } from './actions/authorize-security-group-egress.ts'
import { authorizeSecurityGroupIngress } from './actions/authorize-security-group-ingress.ts'
import { createDhcpOptions } from './actions/create-dhcp-options.ts'
import { createEgressOnlyInternetGateway } from './actions/create-egress-only-internet-gateway.ts'
import { createInternetGateway } from './actions/create-internet-gateway.ts'
import { createManagedPrefixList } from './actions/create-managed-prefix-list.ts'
import { createNatGateway } from './actions/create-nat-gateway.ts'
import { createNetworkAcl } from './actions/create-network-acl.ts'
import { createNetworkAclEntry } from './actions/create-network-acl-entry.ts'
import { createNetworkInterface } from './actions/create-network-interface.ts'
import { createRoute } from './actions/create-route.ts'
import { createRouteTable } from './actions/create-route-table.ts'
import { createSecurityGroup } from './actions/create-security-group.ts'
import { createSubnet } from './actions/create-subnet.ts'
import { createSubnetCidrReservation } from './actions/create-subnet-cidr-reservation.ts'
import { createTags } from './actions/create-tags.ts'
import { createVpc } from './actions/create-vpc.ts'
import { deleteDhcpOptions } from './actions/delete-dhcp-options.ts'
import { deleteEgressOnlyInternetGateway } from './actions/delete-egress-only-internet-gateway.ts'
import { deleteInternetGateway } from './actions/delete-internet-gateway.ts'
import { deleteManagedPrefixList } from './actions/delete-managed-prefix-list.ts'
import { deleteNatGateway } from './actions/delete-nat-gateway.ts'
import { deleteNetworkAcl } from './actions/delete-network-acl.ts'
import { deleteNetworkAclEntry } from './actions/delete-network-acl-entry.ts'
import { deleteNetworkInterface } from './actions/delete-network-interface.ts'
import { deleteRoute } from './actions/delete-route.ts'
import { deleteRouteTable } from './actions/delete-route-table.ts'
import { deleteSecurityGroup } from './actions/delete-security-group.ts'
import { deleteSubnet } from './actions/delete-subnet.ts'
import { deleteSubnetCidrReservation } from './actions/delete-subnet-cidr-reservation.ts'
import { deleteTags } from './actions/delete-tags.ts'
import { deleteVpc } from './actions/delete-vpc.ts'
import { describeAccountAttributes } from './actions/describe-account-attributes.ts'
import { describeAddresses } from './actions/describe-addresses.ts'
import { describeAvailabilityZones } from './actions/describe-availability-zones.ts'
import { describeDhcpOptions } from './actions/describe-dhcp-options.ts'
import { describeEgressOnlyInternetGateways } from './actions/describe-egress-only-internet-gateways.ts'
import { describeInstanceStatus } from './actions/describe-instance-status.ts'
import { describeInstanceTypeOfferings } from './actions/describe-instance-type-offerings.ts'
import { describeInstanceTypes } from './actions/describe-instance-types.ts'
import { describeInstances } from './actions/describe-instances.ts'
import { describeInternetGateways } from './actions/describe-internet-gateways.ts'
import { describeManagedPrefixLists } from './actions/describe-managed-prefix-lists.ts'
import { describeNatGateways } from './actions/describe-nat-gateways.ts'
import { describeNetworkAcls } from './actions/describe-network-acls.ts'
import { describeNetworkInterfaceAttribute } from './actions/describe-network-interface-attribute.ts'
import { describeNetworkInterfaces } from './actions/describe-network-interfaces.ts'
import { describeRegions } from './actions/describe-regions.ts'
import { describeRouteTables } from './actions/describe-route-tables.ts'
import { describeSecurityGroupReferences } from './actions/describe-security-group-references.ts'
import { describeSecurityGroupRules } from './actions/describe-security-group-rules.ts'
import { describeSecurityGroups } from './actions/describe-security-groups.ts'
import { describeStaleSecurityGroups } from './actions/describe-stale-security-groups.ts'
import { describeSubnets } from './actions/describe-subnets.ts'
import { describeTags } from './actions/describe-tags.ts'
import { describeVpcAttribute } from './actions/describe-vpc-attribute.ts'
import { describeVpcs } from './actions/describe-vpcs.ts'
import { detachInternetGateway } from './actions/detach-internet-gateway.ts'
import { detachNetworkInterface } from './actions/detach-network-interface.ts'
import { disassociateAddress } from './actions/disassociate-address.ts'
import { disassociateRouteTable } from './actions/disassociate-route-table.ts'
import { disassociateSubnetCidrBlock } from './actions/disassociate-subnet-cidr-block.ts'
import { getManagedPrefixListAssociations } from './actions/get-managed-prefix-list-associations.ts'
import { getManagedPrefixListEntries } from './actions/get-managed-prefix-list-entries.ts'
import { getSecurityGroupsForVpc } from './actions/get-security-groups-for-vpc.ts'
import { getSubnetCidrReservations } from './actions/get-subnet-cidr-reservations.ts'
import { modifyInstanceMetadataOptions } from './actions/modify-instance-metadata-options.ts'
import { modifyManagedPrefixList } from './actions/modify-managed-prefix-list.ts'
import { modifyNetworkInterfaceAttribute } from './actions/modify-network-interface-attribute.ts'
import { modifyPrivateDnsNameOptions } from './actions/modify-private-dns-name-options.ts'
import { modifySecurityGroupRules } from './actions/modify-security-group-rules.ts'
import { modifySubnetAttribute } from './actions/modify-subnet-attribute.ts'
import { modifyVpcAttribute } from './actions/modify-vpc-attribute.ts'
import { releaseAddress } from './actions/release-address.ts'
import { replaceNetworkAclAssociation } from './actions/replace-network-acl-association.ts'
import { replaceNetworkAclEntry } from './actions/replace-network-acl-entry.ts'
import { replaceRoute } from './actions/replace-route.ts'
import { replaceRouteTableAssociation } from './actions/replace-route-table-association.ts'
import { resetNetworkInterfaceAttribute } from './actions/reset-network-interface-attribute.ts'
import { restoreManagedPrefixListVersion } from './actions/restore-managed-prefix-list-version.ts'
import { revokeSecurityGroupEgress } from './actions/revoke-security-group-egress.ts'
import { revokeSecurityGroupIngress } from './actions/revoke-security-group-ingress.ts'
import { runInstances } from './actions/run-instances.ts'
import { terminateInstances } from './actions/terminate-instances.ts'
import { unassignIpv6Addresses } from './actions/unassign-ipv6-addresses.ts'
import { unassignPrivateIpAddresses } from './actions/unassign-private-ip-addresses.ts'
import { updateSecurityGroupRuleDescriptionsEgress } from './actions/update-security-group-rule-descriptions-egress.ts'
import { updateSecurityGroupRuleDescriptionsIngress } from './actions/update-security-group-rule-descriptions-ingress.ts'

const ALL: readonly Action[] = [
  allocateAddress,
  assignIpv6Addresses,
  assignPrivateIpAddresses,
  associateAddress,
  associateDhcpOptions,
  associateRouteTable,
  associateSubnetCidrBlock,
  attachInternetGateway,
  attachNetworkInterface,
  authorizeSecurityGroupEgress,
  authorizeSecurityGroupIngress,
  createDhcpOptions,
  createEgressOnlyInternetGateway,
  createInternetGateway,
  createManagedPrefixList,
  createNatGateway,
  createNetworkAcl,
  createNetworkAclEntry,
  createNetworkInterface,
  createRoute,
  createRouteTable,
  createSecurityGroup,
  createSubnet,
  createSubnetCidrReservation,
  createTags,
  createVpc,
  deleteDhcpOptions,
  deleteEgressOnlyInternetGateway,
  deleteInternetGateway,
  deleteManagedPrefixList,
  deleteNatGateway,
  deleteNetworkAcl,
  deleteNetworkAclEntry,
  deleteNetworkInterface,
  deleteRoute,
  deleteRouteTable,
  deleteSecurityGroup,
  deleteSubnet,
  deleteSubnetCidrReservation,
  deleteTags,
  deleteVpc,
  describeAccountAttributes,
  describeAddresses,
  describeAvailabilityZones,
  describeDhcpOptions,
  describeEgressOnlyInternetGateways,
  describeInstanceStatus,
  describeInstanceTypeOfferings,
  describeInstanceTypes,
  describeInstances,
  describeInternetGateways,
  describeManagedPrefixLists,
  describeNatGateways,
  describeNetworkAcls,
  describeNetworkInterfaceAttribute,
  describeNetworkInterfaces,
  describeRegions,
  describeRouteTables,
  describeSecurityGroupReferences,
  describeSecurityGroupRules,
  describeSecurityGroups,
  describeStaleSecurityGroups,
  describeSubnets,
  describeTags,
  describeVpcAttribute,
  describeVpcs,
  detachInternetGateway,
  detachNetworkInterface,
  disassociateAddress,
  disassociateRouteTable,
  disassociateSubnetCidrBlock,
  getManagedPrefixListAssociations,
  getManagedPrefixListEntries,
  getSecurityGroupsForVpc,
  getSubnetCidrReservations,
  modifyInstanceMetadataOptions,
  modifyManagedPrefixList,
  modifyNetworkInterfaceAttribute,
  modifyPrivateDnsNameOptions,
  modifySecurityGroupRules,
  modifySubnetAttribute,
  modifyVpcAttribute,
  releaseAddress,
  replaceNetworkAclAssociation,
  replaceNetworkAclEntry,
  replaceRoute,
  replaceRouteTableAssociation,
  resetNetworkInterfaceAttribute,
  restoreManagedPrefixListVersion,
  revokeSecurityGroupEgress,
  revokeSecurityGroupIngress,
  runInstances,
  terminateInstances,
  unassignIpv6Addresses,
  unassignPrivateIpAddresses,
  updateSecurityGroupRuleDescriptionsEgress,
  updateSecurityGroupRuleDescriptionsIngress,
]

/** The actions by name. */
export const ACTIONS: ReadonlyMap<string, Action> = new Map(
  ALL.map((action) => [action.name, action]),
)
