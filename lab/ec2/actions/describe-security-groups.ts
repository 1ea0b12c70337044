// DescribeSecurityGroups.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import type { World } from '../../model/world.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { groupNamed } from '../group-lookup.ts'
import { type FilterOf, type FilterValue, type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { securityGroupShape } from '../shapes/security-group.ts'

/** A group, and the world in which the groups that its rules name have names. */
type Row = { readonly world: World; readonly group: ec2.SecurityGroup }
type Permissions = (group: ec2.SecurityGroup) => readonly ec2.IpPermission[] | undefined

const LISTING: Listing<Row> = {
  key: ({ group }) => group.GroupId ?? '',
  tags: ({ group }) => group.Tags,
  pages: PAGES_OF_1000,
  filters: {
    description: ({ group }) => group.Description,
    'group-id': ({ group }) => group.GroupId,
    'group-name': ({ group }) => group.GroupName,
    'owner-id': ({ group }) => group.OwnerId,
    'vpc-id': ({ group }) => group.VpcId,
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
    const shapes = groups.map((group) => ({ world, group: securityGroupShape(world, group) }))
    const { rows, ...next } = list(shapes, input, LISTING, asked)
    return { SecurityGroups: rows.map(({ group }) => group), ...next }
  },
}

function permissionFilters(prefix: string, of: Permissions): Record<string, FilterOf<Row>> {
  const all =
    (view: (permission: ec2.IpPermission, world: World) => readonly FilterValue[]) =>
    ({ world, group }: Row) =>
      (of(group) ?? []).flatMap((permission) => view(permission, world))
  return {
    [`${prefix}cidr`]: all((each) => (each.IpRanges ?? []).map((range) => range.CidrIp)),
    [`${prefix}from-port`]: all((each) => [each.FromPort]),
    [`${prefix}group-id`]: all((each) => (each.UserIdGroupPairs ?? []).map((g) => g.GroupId)),
    [`${prefix}group-name`]: all((each, world) =>
      (each.UserIdGroupPairs ?? []).map(({ GroupId = '' }) => world.groups.get(GroupId)?.name),
    ),
    [`${prefix}ipv6-cidr`]: all((each) => (each.Ipv6Ranges ?? []).map((range) => range.CidrIpv6)),
    [`${prefix}prefix-list-id`]: all((each) =>
      (each.PrefixListIds ?? []).map((list) => list.PrefixListId),
    ),
    [`${prefix}protocol`]: all((each) => [each.IpProtocol]),
    [`${prefix}to-port`]: all((each) => [each.ToPort]),
    [`${prefix}user-id`]: all((each) => (each.UserIdGroupPairs ?? []).map((g) => g.UserId)),
  }
}
