// AuthorizeSecurityGroupIngress: new rules, in force when the call is answered.

import type {
  AuthorizeSecurityGroupIngressRequest,
  AuthorizeSecurityGroupIngressResult,
} from '@aws-sdk/client-ec2'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { authorize, FLAT_RULE, PERMISSIONS } from '../rule-change.ts'

export const authorizeSecurityGroupIngress: ChangeAction<
  AuthorizeSecurityGroupIngressRequest,
  AuthorizeSecurityGroupIngressResult
> = {
  name: 'AuthorizeSecurityGroupIngress',
  honours: ['GroupId', 'GroupName', ...PERMISSIONS, ...FLAT_RULE, ...TAG_SPECIFICATIONS],
  change: (world, input, call) => authorize(world, 'ingress', input, call),
}
