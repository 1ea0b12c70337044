// UpdateSecurityGroupRuleDescriptionsIngress: what is written beside rules; no packet feels it.

import type {
  UpdateSecurityGroupRuleDescriptionsIngressRequest,
  UpdateSecurityGroupRuleDescriptionsIngressResult,
} from '@aws-sdk/client-ec2'
import type { ChangeAction } from '../action.ts'
import { PERMISSIONS } from '../rule-change.ts'
import { describeAnew, RULE_DESCRIPTIONS } from '../rule-description.ts'

export const updateSecurityGroupRuleDescriptionsIngress: ChangeAction<
  UpdateSecurityGroupRuleDescriptionsIngressRequest,
  UpdateSecurityGroupRuleDescriptionsIngressResult
> = {
  name: 'UpdateSecurityGroupRuleDescriptionsIngress',
  honours: ['GroupId', 'GroupName', ...PERMISSIONS, ...RULE_DESCRIPTIONS],
  change: (world, input) => describeAnew(world, 'ingress', input),
}
