// CreateVpc: with its main route table, default group and ACL and, where asked, an IPv6 /56. No instance
// lives in a VPC made here, so none of its ENIs can be attached, and no packet crosses between VPCs.

import type { CreateVpcRequest, CreateVpcResult } from '@aws-sdk/client-ec2'
import { knownCidr } from '../../model/addresses.ts'
import { formatAddress, formatCidr, parseCidr } from '../../model/cidr.ts'
import { addVpc, DEFAULT_VPC } from '../../model/fresh-world.ts'
import { QUOTA } from '../../model/quota.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { World } from '../../model/world.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { vpcShape } from '../shapes/vpc.ts'
import { specifiedTags } from '../tag-specification.ts'

export const createVpc: ChangeAction<CreateVpcRequest, CreateVpcResult> = {
  name: 'CreateVpc',
  honours: ['CidrBlock', 'AmazonProvidedIpv6CidrBlock', 'InstanceTenancy', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const ipv4Cidr = readBlock(input.CidrBlock)
    if (input.InstanceTenancy !== undefined && input.InstanceTenancy !== 'default') {
      throw badValue('instanceTenancy', input.InstanceTenancy, 'The lab has tenancy default only.')
    }
    if (world.vpcs.size >= QUOTA.vpcsPerRegion) {
      throw new Refusal('VpcLimitExceeded', 'The maximum number of VPCs has been reached.')
    }
    const ipv6 = input.AmazonProvidedIpv6CidrBlock === true ? { ipv6Cidr: freeIpv6(world) } : {}
    const { world: made, vpc } = addVpc(world, { ipv4Cidr, ...ipv6 }, false, call.random)
    const next = withTags(made, vpc.vpcId, specifiedTags(input.TagSpecifications, 'vpc'))
    return { world: next, output: { Vpc: vpcShape(next, vpc) } }
  },
}

function readBlock(text: string | undefined): string {
  if (text === undefined || text === '') {
    throw new Refusal('MissingParameter', 'The request must contain the parameter cidrBlock')
  }
  const cidr = parseCidr(4, text)
  if (cidr === undefined) {
    throw badValue('cidrBlock', text, 'This is not a valid CIDR block.')
  }
  if (cidr.prefix < 16 || cidr.prefix > 28) {
    throw new Refusal('InvalidVpc.Range', `The CIDR '${text}' is invalid: /16 to /28 is allowed.`)
  }
  return formatCidr(cidr)
}

/** The first /56 after the default VPC's that no VPC has. */
function freeIpv6(world: World): string {
  const taken = new Set([...world.vpcs.values()].map((vpc) => vpc.ipv6Cidr))
  const first = knownCidr(6, DEFAULT_VPC.ipv6Cidr).base
  for (let step = 1n; ; step++) {
    const block = `${formatAddress(6, first + (step << 72n))}/56`
    if (!taken.has(block)) return block
  }
}
