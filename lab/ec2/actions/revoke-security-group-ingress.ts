// RevokeSecurityGroupIngress: rules taken away, gone from the packets' way when the call is answered.

import type {
  RevokeSecurityGroupIngressRequest,
  RevokeSecurityGroupIngressResult,
} from '@aws-sdk/client-ec2'
import type { ChangeAction } from '../action.ts'
import { FLAT_RULE, PERMISSIONS, revoke } from '../rule-change.ts'

export const revokeSecurityGroupIngress: ChangeAction<
  RevokeSecurityGroupIngressRequest,
  RevokeSecurityGroupIngressResult
> = {
  name: 'RevokeSecurityGroupIngress',
  honours: ['GroupId', 'GroupName', 'SecurityGroupRuleIds', ...PERMISSIONS, ...FLAT_RULE],
  change: (world, input) => revoke(world, 'ingress', input),
}
