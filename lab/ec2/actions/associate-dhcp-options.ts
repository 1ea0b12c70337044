// AssociateDhcpOptions: the set that a VPC has from now on, or `default` for none. Hosts learn of it
// with their next lease, names in IMDS change at once.

import type { AssociateDhcpOptionsRequest } from '@aws-sdk/client-ec2'
import { NO_OPTIONS } from '../../model/dhcp-options.ts'
import { findDhcpOptions, findVpc } from '../../model/look-up.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const associateDhcpOptions: ChangeAction<AssociateDhcpOptionsRequest, object> = {
  name: 'AssociateDhcpOptions',
  honours: ['DhcpOptionsId', 'VpcId'],
  change(world, input) {
    const { DhcpOptionsId: asked = '' } = input
    const vpc = findVpc(world, input.VpcId ?? '')
    const dhcpOptionsId =
      asked === NO_OPTIONS ? NO_OPTIONS : findDhcpOptions(world, asked).dhcpOptionsId
    const changed = { ...vpc, dhcpOptionsId }
    return { world: { ...world, vpcs: put(world.vpcs, vpc.vpcId, changed) }, output: {} }
  },
}
