// CreateNetworkInterface: an ENI in a subnet, `pending` in the answer and `available` at once after;
// made once for a client token (once.ts).

import type {
  CreateNetworkInterfaceRequest,
  CreateNetworkInterfaceResult,
} from '@aws-sdk/client-ec2'
import { makeEni, settlePending } from '../../model/network-interface.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { NetworkInterface, World } from '../../model/world.ts'
import type { Change } from '../../region.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
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
    'Ipv6AddressCount',
    'Ipv6Addresses.Ipv6Address',
    'InterfaceType',
    'ClientToken',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const done = once('CreateNetworkInterface', world, input, call, {
      make: () => create(world, input, call),
      again: (was) => ('eniId' in was ? (world.enis.get(was.eniId) ?? was) : undefined),
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
      ...ipv4Wish(input),
      ...ipv6Wish(input),
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

function ipv4Wish(input: Input): { ipv4Asked: string[]; ipv4Count: number } {
  const { PrivateIpAddress: single, PrivateIpAddresses: several = [] } = input
  const count = input.SecondaryPrivateIpAddressCount
  if (count !== undefined && (count < 0 || count > 49)) {
    throw badValue('secondaryPrivateIpAddressCount', count, 'It must be 0 to 49.')
  }
  const primaries = several.filter((each) => each.Primary === true)
  if (primaries.length > 1 || (primaries.length === 1 && single !== undefined)) {
    throw new Refusal('InvalidParameterValue', 'Only one address can be the primary address.')
  }
  if (several.length > 1 && count !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'SecondaryPrivateIpAddressCount cannot be used with several PrivateIpAddresses.',
    )
  }
  for (const [index, each] of several.entries()) {
    if (each.PrivateIpAddress !== undefined) continue
    const at = `PrivateIpAddresses.${index + 1}.PrivateIpAddress`
    throw new Refusal('MissingParameter', `The request must contain the parameter ${at}`)
  }
  const text = (each: { PrivateIpAddress?: string | undefined }): string =>
    each.PrivateIpAddress ?? ''
  const primary = single ?? (primaries[0] === undefined ? undefined : text(primaries[0]))
  const secondary = several.filter((each) => each.Primary !== true).map(text)
  if (primary === undefined && secondary.length > 0) {
    throw new Refusal(
      'InvalidParameterCombination',
      'PrivateIpAddresses without a primary one: mark one with Primary, or give PrivateIpAddress.',
    )
  }
  const ipv4Asked = primary === undefined ? [] : [primary, ...secondary]
  return { ipv4Asked, ipv4Count: (count ?? 0) + (primary === undefined ? 1 : 0) }
}

function ipv6Wish(input: Input): { ipv6Asked: string[]; ipv6Count?: number } {
  const { Ipv6Addresses: asked = [], Ipv6AddressCount: count } = input
  if (count === undefined) return { ipv6Asked: asked.map((each) => each.Ipv6Address ?? '') }
  if (asked.length > 0) {
    throw new Refusal(
      'InvalidParameterCombination',
      'Ipv6AddressCount and Ipv6Addresses cannot be used together.',
    )
  }
  if (count < 0 || count > 50) throw badValue('ipv6AddressCount', count, 'It must be 0 to 50.')
  return { ipv6Asked: [], ipv6Count: count }
}

function answer(
  world: World,
  eni: NetworkInterface,
  token: string | undefined,
): CreateNetworkInterfaceResult {
  const NetworkInterface = networkInterfaceShape(world, eni)
  return { NetworkInterface, ...(token === undefined ? {} : { ClientToken: token }) }
}
