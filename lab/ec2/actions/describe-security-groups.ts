// DescribeSecurityGroups.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { groupNamed } from '../group-lookup.ts'
import { type FilterOf, type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { securityGroupShape } from '../shapes/security-group.ts'

type Permissions = (group: ec2.SecurityGroup) => readonly ec2.IpPermission[] | undefined

const LISTING: Listing<ec2.SecurityGroup> = {
  key: (group) => group.GroupId ?? '',
  tags: (group) => group.Tags,
  pages: PAGES_OF_1000,
  filters: {
    description: (group) => group.Description,
    'group-id': (group) => group.GroupId,
    'group-name': (group) => group.GroupName,
    'owner-id': (group) => group.OwnerId,
    'vpc-id': (group) => group.VpcId,
    ...permissionFilters('ip-permission.', (group) => group.IpPermissions),
    ...permissionFilters('egress.ip-permission.', (group) => group.IpPermissionsEgress),
  },
}

export const describeSecurityGroups: ReadAction<
  ec2.DescribeSecurityGroupsRequest,
  ec2.DescribeSecurityGroupsResult
> = {
  name: 'DescribeSecurityGroups',
  honours: ['GroupIds', 'GroupNames', ...FILTERS, ...PAGES],
  read(world, input) {
    const { GroupIds: ids, GroupNames: names } = input
    const named = names?.map((GroupName) => groupNamed(world, { GroupName })) ?? []
    const byId = ids === undefined ? [] : findEach('group', world.groups, ids)
    const asked = ids !== undefined || names !== undefined
    const groups = asked ? [...new Set([...byId, ...named])] : [...world.groups.values()]
    const shapes = groups.map((group) => securityGroupShape(world, group))
    const { rows, ...next } = list(shapes, input, LISTING, asked)
    return { SecurityGroups: rows, ...next }
  },
}

function permissionFilters(
  prefix: string,
  of: Permissions,
): Record<string, FilterOf<ec2.SecurityGroup>> {
  const all =
    (view: (permission: ec2.IpPermission) => readonly (string | number | undefined)[]) =>
    (group: ec2.SecurityGroup) =>
      (of(group) ?? []).flatMap(view)
  return {
    [`${prefix}cidr`]: all((each) => (each.IpRanges ?? []).map((range) => range.CidrIp)),
    [`${prefix}from-port`]: all((each) => [each.FromPort]),
    [`${prefix}group-id`]: all((each) => (each.UserIdGroupPairs ?? []).map((g) => g.GroupId)),
    [`${prefix}ipv6-cidr`]: all((each) => (each.Ipv6Ranges ?? []).map((range) => range.CidrIpv6)),
    [`${prefix}prefix-list-id`]: all((each) =>
      (each.PrefixListIds ?? []).map((list) => list.PrefixListId),
    ),
    [`${prefix}protocol`]: all((each) => [each.IpProtocol]),
    [`${prefix}to-port`]: all((each) => [each.ToPort]),
    [`${prefix}user-id`]: all((each) => (each.UserIdGroupPairs ?? []).map((g) => g.UserId)),
  }
}
