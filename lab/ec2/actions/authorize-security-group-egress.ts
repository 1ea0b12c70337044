// AuthorizeSecurityGroupEgress: new rules, in force when the call is answered.

import type {
  AuthorizeSecurityGroupEgressRequest,
  AuthorizeSecurityGroupEgressResult,
} from '@aws-sdk/client-ec2'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { authorize, PERMISSIONS } from '../rule-change.ts'

export const authorizeSecurityGroupEgress: ChangeAction<
  AuthorizeSecurityGroupEgressRequest,
  AuthorizeSecurityGroupEgressResult
> = {
  name: 'AuthorizeSecurityGroupEgress',
  honours: ['GroupId', ...PERMISSIONS, ...TAG_SPECIFICATIONS],
  change: (world, input, call) => authorize(world, 'egress', input, call),
}
