// DeleteDhcpOptions: refused while a VPC has the set.

import type { DeleteDhcpOptionsRequest } from '@aws-sdk/client-ec2'
import { vpcWith } from '../../model/dhcp-options.ts'
import { findDhcpOptions } from '../../model/look-up.ts'
import { Refusal } from '../../model/refusal.ts'
import { drop } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const deleteDhcpOptions: ChangeAction<DeleteDhcpOptionsRequest, object> = {
  name: 'DeleteDhcpOptions',
  honours: ['DhcpOptionsId'],
  change(world, input) {
    const { dhcpOptionsId: id } = findDhcpOptions(world, input.DhcpOptionsId ?? '')
    if (vpcWith(world, id) !== undefined) {
      throw new Refusal(
        'DependencyViolation',
        `The dhcpOptions '${id}' has dependencies and cannot be deleted.`,
      )
    }
    const [dhcpOptions, tags] = [drop(world.dhcpOptions, id), drop(world.tags, id)]
    return { world: { ...world, dhcpOptions, tags }, output: {} }
  },
}
