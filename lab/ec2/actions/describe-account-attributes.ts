// DescribeAccountAttributes: the default VPC and the account's limits.

import type * as ec2 from '@aws-sdk/client-ec2'
import { QUOTA } from '../../model/quota.ts'
import { badValue } from '../../model/refusal.ts'
import type { World } from '../../model/world.ts'
import type { ReadAction } from '../action.ts'

/** EC2's names and their values. `max-instances` and the two of Elastic IPs are EC2's defaults. */
const ATTRIBUTES: Readonly<Record<string, (world: World) => readonly string[]>> = {
  'supported-platforms': () => ['VPC'],
  'default-vpc': (world) => {
    const vpc = [...world.vpcs.values()].find((each) => each.isDefault)
    return [vpc?.vpcId ?? 'none']
  },
  'max-instances': () => ['20'],
  'vpc-max-security-groups-per-interface': () => [String(QUOTA.groupsPerEni)],
  'max-elastic-ips': () => ['5'],
  'vpc-max-elastic-ips': () => ['5'],
}

export const describeAccountAttributes: ReadAction<
  ec2.DescribeAccountAttributesRequest,
  ec2.DescribeAccountAttributesResult
> = {
  name: 'DescribeAccountAttributes',
  honours: ['AttributeNames'],
  read(world, input) {
    const names = input.AttributeNames?.map(String) ?? Object.keys(ATTRIBUTES)
    return {
      AccountAttributes: names.map((AttributeName) => {
        const values = Object.hasOwn(ATTRIBUTES, AttributeName)
          ? ATTRIBUTES[AttributeName]
          : undefined
        if (values === undefined) {
          const allowed = Object.keys(ATTRIBUTES).join(', ')
          throw badValue('attributeName', AttributeName, `Allowed: ${allowed}.`)
        }
        const AttributeValues = values(world).map((AttributeValue) => ({ AttributeValue }))
        return { AttributeName, AttributeValues }
      }),
    }
  },
}
