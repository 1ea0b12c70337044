// DescribeInstanceTypes: the network limits of the types that the lab knows.

import type * as ec2 from '@aws-sdk/client-ec2'
import { INSTANCE_TYPES, type InstanceType } from '../../model/instance-type.ts'
import { Refusal } from '../../model/refusal.ts'
import { FILTERS, PAGES, type ReadAction } from '../action.ts'
import { type Listing, list } from '../listing.ts'

/** What EC2 filters by and the lab does not know of a type: all but its network limits. */
const UNSAID: readonly string[] = [
  'auto-recovery-supported',
  'burstable-performance-supported',
  'dedicated-hosts-supported',
  'ebs-info.attachment-limit-type',
  'ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps',
  'ebs-info.ebs-optimized-info.baseline-iops',
  'ebs-info.ebs-optimized-info.baseline-throughput-in-mbps',
  'ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps',
  'ebs-info.ebs-optimized-info.maximum-iops',
  'ebs-info.ebs-optimized-info.maximum-throughput-in-mbps',
  'ebs-info.ebs-optimized-support',
  'ebs-info.encryption-support',
  'ebs-info.maximum-ebs-attachments',
  'ebs-info.nvme-support',
  'free-tier-eligible',
  'hibernation-supported',
  'instance-storage-info.disk.count',
  'instance-storage-info.disk.size-in-gb',
  'instance-storage-info.disk.type',
  'instance-storage-info.encryption-support',
  'instance-storage-info.nvme-support',
  'instance-storage-info.total-size-in-gb',
  'instance-storage-supported',
  'memory-info.size-in-mib',
  'network-info.bandwidth-weightings',
  'network-info.efa-info.maximum-efa-interfaces',
  'network-info.encryption-in-transit-supported',
  'network-info.flexible-ena-queues-support',
  'network-info.network-performance',
  'nitro-enclaves-support',
  'nitro-tpm-info.supported-versions',
  'nitro-tpm-support',
  'processor-info.supported-features',
  'processor-info.sustained-clock-speed-in-ghz',
  'reboot-migration-support',
  'supported-boot-mode',
  'supported-root-device-type',
  'supported-usage-class',
  'supported-virtualization-type',
  'vcpu-info.default-cores',
  'vcpu-info.default-threads-per-core',
  'vcpu-info.default-vcpus',
  'vcpu-info.valid-cores',
  'vcpu-info.valid-threads-per-core',
]

const LISTING: Listing<ec2.InstanceTypeInfo> = {
  key: (type) => String(type.InstanceType),
  unsaid: UNSAID,
  pages: { min: 5, max: 100 },
  filters: {
    'bare-metal': (type) => type.BareMetal,
    'current-generation': (type) => type.CurrentGeneration,
    hypervisor: (type) => type.Hypervisor,
    'instance-type': (type) => type.InstanceType,
    'network-info.efa-supported': (type) => type.NetworkInfo?.EfaSupported,
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
