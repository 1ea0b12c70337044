// RevokeSecurityGroupEgress: rules taken away, gone from the packets' way when the call is answered.

import type {
  RevokeSecurityGroupEgressRequest,
  RevokeSecurityGroupEgressResult,
} from '@aws-sdk/client-ec2'
import type { ChangeAction } from '../action.ts'
import { PERMISSIONS, revoke } from '../rule-change.ts'

export const revokeSecurityGroupEgress: ChangeAction<
  RevokeSecurityGroupEgressRequest,
  RevokeSecurityGroupEgressResult
> = {
  name: 'RevokeSecurityGroupEgress',
  honours: ['GroupId', 'SecurityGroupRuleIds', ...PERMISSIONS],
  change: (world, input) => revoke(world, 'egress', input),
}
