// CreateDhcpOptions: a set that no VPC has yet.

import type { CreateDhcpOptionsRequest, CreateDhcpOptionsResult } from '@aws-sdk/client-ec2'
import { newDhcpOptions } from '../../model/dhcp-options.ts'
import { withTags } from '../../model/tag-rules.ts'
import { put } from '../../model/world.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { dhcpOptionsShape } from '../shapes/dhcp-options.ts'
import { specifiedTags } from '../tag-specification.ts'

export const createDhcpOptions: ChangeAction<CreateDhcpOptionsRequest, CreateDhcpOptionsResult> = {
  name: 'CreateDhcpOptions',
  honours: ['DhcpConfigurations.Key', 'DhcpConfigurations.Values', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const made = newDhcpOptions(world, input.DhcpConfigurations ?? [], call.random)
    const id = made.dhcpOptionsId
    const next = withTags(
      { ...world, dhcpOptions: put(world.dhcpOptions, id, made) },
      id,
      specifiedTags(input.TagSpecifications, 'dhcp-options'),
    )
    return { world: next, output: { DhcpOptions: dhcpOptionsShape(next, made) } }
  },
}
