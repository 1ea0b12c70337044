// CreateNetworkInterface: an ENI in a subnet, `pending` in the answer and `available` at once after;
// made once for a client token (once.ts).

import type {
  CreateNetworkInterfaceRequest,
  CreateNetworkInterfaceResult,
} from '@aws-sdk/client-ec2'
import { makeEni, settlePending } from '../../model/network-interface.ts'
import { badValue } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { NetworkInterface, World } from '../../model/world.ts'
import type { Change } from '../../region.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { addressWish } from '../address-wish.ts'
import { once } from '../once.ts'
import { networkInterfaceShape } from '../shapes/network-interface.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateNetworkInterfaceRequest

export const createNetworkInterface: ChangeAction<Input, CreateNetworkInterfaceResult> = {
  name: 'CreateNetworkInterface',
  honours: [
    'SubnetId',
    'Groups',
    'Description',
    'PrivateIpAddress',
    'PrivateIpAddresses.PrivateIpAddress',
    'PrivateIpAddresses.Primary',
    'SecondaryPrivateIpAddressCount',
    'Ipv4PrefixCount',
    'Ipv4Prefixes.Ipv4Prefix',
    'Ipv6AddressCount',
    'Ipv6Addresses.Ipv6Address',
    'Ipv6PrefixCount',
    'Ipv6Prefixes.Ipv6Prefix',
    'InterfaceType',
    'ClientToken',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const done = once('CreateNetworkInterface', world, input, call, {
      make: () => create(world, input, call),
      again: (was) => ('mac' in was ? (world.enis.get(was.eniId) ?? was) : undefined),
    })
    return { ...done, output: answer(done.world, done.made, input.ClientToken) }
  },
}

function create(
  world: World,
  input: Input,
  call: Call,
): Omit<Change<unknown>, 'output'> & { made: NetworkInterface } {
  if (input.InterfaceType !== undefined && String(input.InterfaceType) !== 'interface') {
    throw badValue('InterfaceType', input.InterfaceType, 'The lab makes type interface only.')
  }
  const made = makeEni(
    world,
    {
      subnetId: input.SubnetId ?? '',
      groupIds: input.Groups,
      description: input.Description,
      ...addressWish(input),
    },
    call.random,
  )
  const { eniId } = made.eni
  const tags = specifiedTags(input.TagSpecifications, 'network-interface')
  const tagged = withTags(made.world, eniId, tags)
  return {
    world: tagged,
    made: made.eni,
    settle: (now) => settlePending(now, eniId),
  }
}

function answer(
  world: World,
  eni: NetworkInterface,
  token: string | undefined,
): CreateNetworkInterfaceResult {
  const NetworkInterface = networkInterfaceShape(world, eni)
  return { NetworkInterface, ...(token === undefined ? {} : { ClientToken: token }) }
}
