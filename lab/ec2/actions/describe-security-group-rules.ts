// DescribeSecurityGroupRules: rules as things of their own, with ids and tags.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEach } from '../../model/look-up.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list, PAGES_OF_1000 } from '../listing.ts'
import { ruleShape } from '../shapes/security-group.ts'

const LISTING: Listing<ec2.SecurityGroupRule> = {
  key: (rule) => rule.SecurityGroupRuleId ?? '',
  tags: (rule) => rule.Tags,
  pages: PAGES_OF_1000,
  filters: {
    'group-id': (rule) => rule.GroupId,
    'security-group-rule-id': (rule) => rule.SecurityGroupRuleId,
  },
}

export const describeSecurityGroupRules: ReadAction<
  ec2.DescribeSecurityGroupRulesRequest,
  ec2.DescribeSecurityGroupRulesResult
> = {
  name: 'DescribeSecurityGroupRules',
  honours: ['SecurityGroupRuleIds', ...FILTERS, ...PAGES],
  read(world, input) {
    const { SecurityGroupRuleIds: ids } = input
    const all = new Map(
      [...world.groups.values()].flatMap((group) =>
        group.rules.map((rule) => [rule.ruleId, { group, rule }] as const),
      ),
    )
    const found = ids === undefined ? [...all.values()] : findEach('rule', all, ids)
    const shapes = found.map(({ group, rule }) => ruleShape(world, group, rule))
    const { rows, ...next } = list(shapes, input, LISTING, ids !== undefined)
    return { SecurityGroupRules: rows, ...next }
  },
}
