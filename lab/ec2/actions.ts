// Every action that the lab implements, one file each, by the name AWS gives it. What is not here is
// refused by name.

import type { Action } from './action.ts'
import { assignIpv6Addresses } from './actions/assign-ipv6-addresses.ts'
import { assignPrivateIpAddresses } from './actions/assign-private-ip-addresses.ts'
import { associateDhcpOptions } from './actions/associate-dhcp-options.ts'
import { associateSubnetCidrBlock } from './actions/associate-subnet-cidr-block.ts'
import { attachNetworkInterface } from './actions/attach-network-interface.ts'
import { authorizeSecurityGroupEgress } from './actions/authorize-security-group-egress.ts'
import { authorizeSecurityGroupIngress } from './actions/authorize-security-group-ingress.ts'
import { createDhcpOptions } from './actions/create-dhcp-options.ts'
import { createManagedPrefixList } from './actions/create-managed-prefix-list.ts'
import { createNetworkAcl } from './actions/create-network-acl.ts'
import { createNetworkAclEntry } from './actions/create-network-acl-entry.ts'
import { createNetworkInterface } from './actions/create-network-interface.ts'
import { createSecurityGroup } from './actions/create-security-group.ts'
import { createSubnet } from './actions/create-subnet.ts'
import { createSubnetCidrReservation } from './actions/create-subnet-cidr-reservation.ts'
import { createTags } from './actions/create-tags.ts'
import { createVpc } from './actions/create-vpc.ts'
import { deleteDhcpOptions } from './actions/delete-dhcp-options.ts'
import { deleteManagedPrefixList } from './actions/delete-managed-prefix-list.ts'
import { deleteNetworkAcl } from './actions/delete-network-acl.ts'
import { deleteNetworkAclEntry } from './actions/delete-network-acl-entry.ts'
import { deleteNetworkInterface } from './actions/delete-network-interface.ts'
import { deleteSecurityGroup } from './actions/delete-security-group.ts'
import { deleteSubnet } from './actions/delete-subnet.ts'
import { deleteSubnetCidrReservation } from './actions/delete-subnet-cidr-reservation.ts'
import { deleteTags } from './actions/delete-tags.ts'
import { deleteVpc } from './actions/delete-vpc.ts'
import { describeAccountAttributes } from './actions/describe-account-attributes.ts'
import { describeAvailabilityZones } from './actions/describe-availability-zones.ts'
import { describeDhcpOptions } from './actions/describe-dhcp-options.ts'
import { describeInstanceStatus } from './actions/describe-instance-status.ts'
import { describeInstanceTypeOfferings } from './actions/describe-instance-type-offerings.ts'
import { describeInstanceTypes } from './actions/describe-instance-types.ts'
import { describeInstances } from './actions/describe-instances.ts'
import { describeManagedPrefixLists } from './actions/describe-managed-prefix-lists.ts'
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
import { detachNetworkInterface } from './actions/detach-network-interface.ts'
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
import { replaceNetworkAclAssociation } from './actions/replace-network-acl-association.ts'
import { replaceNetworkAclEntry } from './actions/replace-network-acl-entry.ts'
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
  assignIpv6Addresses,
  assignPrivateIpAddresses,
  associateDhcpOptions,
  associateSubnetCidrBlock,
  attachNetworkInterface,
  authorizeSecurityGroupEgress,
  authorizeSecurityGroupIngress,
  createDhcpOptions,
  createManagedPrefixList,
  createNetworkAcl,
  createNetworkAclEntry,
  createNetworkInterface,
  createSecurityGroup,
  createSubnet,
  createSubnetCidrReservation,
  createTags,
  createVpc,
  deleteDhcpOptions,
  deleteManagedPrefixList,
  deleteNetworkAcl,
  deleteNetworkAclEntry,
  deleteNetworkInterface,
  deleteSecurityGroup,
  deleteSubnet,
  deleteSubnetCidrReservation,
  deleteTags,
  deleteVpc,
  describeAccountAttributes,
  describeAvailabilityZones,
  describeDhcpOptions,
  describeInstanceStatus,
  describeInstanceTypeOfferings,
  describeInstanceTypes,
  describeInstances,
  describeManagedPrefixLists,
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
  detachNetworkInterface,
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
  replaceNetworkAclAssociation,
  replaceNetworkAclEntry,
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
