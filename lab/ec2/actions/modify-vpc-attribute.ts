// ModifyVpcAttribute: exactly one of the two DNS attributes a call.

import type { ModifyVpcAttributeRequest } from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const modifyVpcAttribute: ChangeAction<ModifyVpcAttributeRequest, object> = {
  name: 'ModifyVpcAttribute',
  honours: ['VpcId', 'EnableDnsHostnames.Value', 'EnableDnsSupport.Value'],
  change(world, input) {
    const vpc = findVpc(world, input.VpcId ?? '')
    const hostnames = input.EnableDnsHostnames?.Value
    const support = input.EnableDnsSupport?.Value
    if ((hostnames === undefined) === (support === undefined)) {
      throw new Refusal(
        'InvalidParameterCombination',
        'Give exactly one of EnableDnsHostnames.Value and EnableDnsSupport.Value.',
      )
    }
    const changed = {
      ...vpc,
      enableDnsHostnames: hostnames ?? vpc.enableDnsHostnames,
      enableDnsSupport: support ?? vpc.enableDnsSupport,
    }
    return { world: { ...world, vpcs: put(world.vpcs, vpc.vpcId, changed) }, output: {} }
  },
}
