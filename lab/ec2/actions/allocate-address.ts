// AllocateAddress: an Elastic IP of the lab's pool, which is a documentation range.

import type { AllocateAddressRequest, AllocateAddressResult } from '@aws-sdk/client-ec2'
import { allocate } from '../../model/public-address.ts'
import { badValue } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import { REGION } from '../../model/world.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { specifiedTags } from '../tag-specification.ts'

export const allocateAddress: ChangeAction<AllocateAddressRequest, AllocateAddressResult> = {
  name: 'AllocateAddress',
  honours: ['Domain', 'NetworkBorderGroup', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const { Domain: domain = 'vpc', NetworkBorderGroup: border = REGION } = input
    if (domain !== 'vpc') throw badValue('domain', domain, 'The lab has domain vpc only.')
    if (border !== REGION) throw badValue('networkBorderGroup', border, `The lab has ${REGION}.`)
    const { world: made, address } = allocate(world, call.random)
    const { allocationId: AllocationId, publicIp: PublicIp } = address
    const tags = specifiedTags(input.TagSpecifications, 'elastic-ip')
    const next = withTags(made, AllocationId, tags)
    const place = { PublicIpv4Pool: 'amazon', NetworkBorderGroup: REGION }
    return { world: next, output: { PublicIp, AllocationId, Domain: 'vpc', ...place } }
  },
}
