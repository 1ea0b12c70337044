// DescribeVpcAttribute: one attribute a call.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { badValue } from '../../model/refusal.ts'
import type { Vpc } from '../../model/world.ts'
import type { ReadAction } from '../action.ts'

type Output = ec2.DescribeVpcAttributeResult

const ATTRIBUTES: Readonly<Record<string, (vpc: Vpc) => Output>> = {
  enableDnsHostnames: (vpc) => ({ EnableDnsHostnames: { Value: vpc.enableDnsHostnames } }),
  enableDnsSupport: (vpc) => ({ EnableDnsSupport: { Value: vpc.enableDnsSupport } }),
}

export const describeVpcAttribute: ReadAction<ec2.DescribeVpcAttributeRequest, Output> = {
  name: 'DescribeVpcAttribute',
  honours: ['VpcId', 'Attribute'],
  read(world, input) {
    const vpc = findVpc(world, input.VpcId ?? '')
    const name = input.Attribute ?? ''
    const view = Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined
    if (view === undefined) {
      throw badValue('attribute', name, `Allowed: ${Object.keys(ATTRIBUTES).join(', ')}.`)
    }
    return { VpcId: vpc.vpcId, ...view(vpc) }
  },
}
