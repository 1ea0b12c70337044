// DescribeInstanceTypes: the network limits of the types that the lab knows.

import type * as ec2 from '@aws-sdk/client-ec2'
import { INSTANCE_TYPES, type InstanceType } from '../../model/instance-type.ts'
import { Refusal } from '../../model/refusal.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list } from '../listing.ts'

const LISTING: Listing<ec2.InstanceTypeInfo> = {
  key: (type) => String(type.InstanceType),
  pages: { min: 5, max: 100 },
  filters: {
    'bare-metal': (type) => type.BareMetal,
    'current-generation': (type) => type.CurrentGeneration,
    hypervisor: (type) => type.Hypervisor,
    'instance-type': (type) => type.InstanceType,
    'network-info.ena-support': (type) => type.NetworkInfo?.EnaSupport,
    'network-info.ipv4-addresses-per-interface': (type) =>
      type.NetworkInfo?.Ipv4AddressesPerInterface,
    'network-info.ipv6-addresses-per-interface': (type) =>
      type.NetworkInfo?.Ipv6AddressesPerInterface,
    'network-info.ipv6-supported': (type) => type.NetworkInfo?.Ipv6Supported,
    'network-info.maximum-network-cards': (type) => type.NetworkInfo?.MaximumNetworkCards,
    'network-info.maximum-network-interfaces': (type) => type.NetworkInfo?.MaximumNetworkInterfaces,
    'processor-info.supported-architecture': (type) => type.ProcessorInfo?.SupportedArchitectures,
  },
}

export const describeInstanceTypes: ReadAction<
  ec2.DescribeInstanceTypesRequest,
  ec2.DescribeInstanceTypesResult
> = {
  name: 'DescribeInstanceTypes',
  honours: ['InstanceTypes', ...FILTERS, ...PAGES],
  read(_world, input) {
    const names = input.InstanceTypes?.map(String)
    if (names !== undefined && names.length > 100) {
      throw new Refusal('InvalidParameterValue', 'At most 100 instance types can be named.')
    }
    const unknown = names?.filter((name) => !INSTANCE_TYPES.has(name)) ?? []
    if (unknown.length > 0) {
      throw new Refusal(
        'InvalidInstanceType',
        `The following supplied instance types do not exist: [${unknown.join(', ')}]`,
      )
    }
    const shapes = [...INSTANCE_TYPES.values()]
      .filter((type) => names?.includes(type.name) ?? true)
      .map(shape)
    const { rows, ...next } = list(shapes, input, LISTING, names !== undefined)
    return { InstanceTypes: rows, ...next }
  },
}

function shape(type: InstanceType): ec2.InstanceTypeInfo {
  const perCard = Math.floor(type.eniCountMax / type.cardCount)
  return {
    // A string in every answer; the SDK's type lists AWS's own names only.
    InstanceType: type.name as ec2._InstanceType,
    CurrentGeneration: type.hypervisor === 'nitro',
    BareMetal: false,
    Hypervisor: type.hypervisor,
    ProcessorInfo: { SupportedArchitectures: [type.architecture] },
    NetworkInfo: {
      MaximumNetworkInterfaces: type.eniCountMax,
      MaximumNetworkCards: type.cardCount,
      DefaultNetworkCardIndex: 0,
      NetworkCards: Array.from({ length: type.cardCount }, (_, NetworkCardIndex) => ({
        NetworkCardIndex,
        MaximumNetworkInterfaces: perCard,
      })),
      Ipv4AddressesPerInterface: type.addressesPerEni,
      Ipv6AddressesPerInterface: type.addressesPerEni,
      Ipv6Supported: true,
      EnaSupport: type.hypervisor === 'nitro' ? 'required' : 'unsupported',
      EfaSupported: false,
    },
  }
}
