// A DHCP options set as EC2 writes it.

import type * as ec2 from '@aws-sdk/client-ec2'
import { ACCOUNT_ID, type DhcpOptions, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole set, as DescribeDhcpOptions and CreateDhcpOptions give it. */
export function dhcpOptionsShape(world: World, options: DhcpOptions): ec2.DhcpOptions {
  return {
    DhcpOptionsId: options.dhcpOptionsId,
    DhcpConfigurations: Object.entries(options.configurations).map(([Key, values]) => ({
      Key,
      Values: values.map((Value) => ({ Value })),
    })),
    OwnerId: ACCOUNT_ID,
    Tags: tagList(world, options.dhcpOptionsId),
  }
}
