// DescribeNetworkAcls.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type FilterOf, type FilterValue, type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { networkAclShape } from '../shapes/network-acl.ts'

/** A protocol is found by its number and, where EC2 has a name for it, by that. */
const NAMES: Readonly<Record<string, string>> = { '1': 'icmp', '6': 'tcp', '17': 'udp' }

const LISTING: Listing<ec2.NetworkAcl> = {
  key: (acl) => acl.NetworkAclId ?? '',
  tags: (acl) => acl.Tags,
  pages: PAGES_OF_1000,
  filters: {
    'association.association-id': (acl) =>
      acl.Associations?.map((each) => each.NetworkAclAssociationId),
    'association.network-acl-id': (acl) => acl.Associations?.map((each) => each.NetworkAclId),
    'association.subnet-id': (acl) => acl.Associations?.map((each) => each.SubnetId),
    default: (acl) => acl.IsDefault,
    'entry.cidr': entries((entry) => [entry.CidrBlock]),
    'entry.egress': entries((entry) => [entry.Egress]),
    'entry.icmp.code': entries((entry) => [entry.IcmpTypeCode?.Code]),
    'entry.icmp.type': entries((entry) => [entry.IcmpTypeCode?.Type]),
    'entry.ipv6-cidr': entries((entry) => [entry.Ipv6CidrBlock]),
    'entry.port-range.from': entries((entry) => [entry.PortRange?.From]),
    'entry.port-range.to': entries((entry) => [entry.PortRange?.To]),
    'entry.protocol': entries(({ Protocol = '' }) => [Protocol, NAMES[Protocol]]),
    'entry.rule-action': entries((entry) => [entry.RuleAction]),
    'entry.rule-number': entries((entry) => [entry.RuleNumber]),
    'network-acl-id': (acl) => acl.NetworkAclId,
    'owner-id': (acl) => acl.OwnerId,
    'vpc-id': (acl) => acl.VpcId,
  },
}

export const describeNetworkAcls: ReadAction<
  ec2.DescribeNetworkAclsRequest,
  ec2.DescribeNetworkAclsResult
> = {
  name: 'DescribeNetworkAcls',
  honours: ['NetworkAclIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { NetworkAclIds: ids } = input
    const acls =
      ids === undefined
        ? [...world.networkAcls.values()]
        : findEach('networkAcl', world.networkAcls, ids)
    const shapes = acls.map((acl) => networkAclShape(world, acl))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { NetworkAcls: rows, ...next }
  },
}

function entries(
  view: (entry: ec2.NetworkAclEntry) => readonly FilterValue[],
): FilterOf<ec2.NetworkAcl> {
  return (acl) => (acl.Entries ?? []).flatMap(view)
}
