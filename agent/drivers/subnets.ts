// What is known of subnets: enough to place a task and to configure its link. Asked of EC2 for those
// not seen in the last minute, many at once; addresses that we take are counted off in between.

import type { Subnet as Ec2Subnet } from '@aws-sdk/client-ec2'
import ipaddr from 'ipaddr.js'
import type { SubnetFacts } from '../../state/allocation.ts'
import { Failure } from '../failure.ts'
import type { Ec2 } from './ec2.ts'

/** One subnet. */
export type Subnet = SubnetFacts & {
  readonly vpcId: string
  readonly ipv4PrefixLength: number
  /** The VPC's router: the first address of the subnet. */
  readonly ipv4Gateway: string
  readonly hasIpv6: boolean
}

export type Subnets = {
  /**
   * Learns of these subnets, if it does not know them yet or only of old. Throws `refused` for one
   * that does not exist, is in another VPC or has no IPv4 addresses.
   */
  prepare(subnetIds: readonly string[], signal: AbortSignal): Promise<void>
  /** What is known now. Undefined: never prepared. */
  known(subnetId: string): Subnet | undefined
  /** Prepares one and returns it. */
  facts(subnetId: string, signal: AbortSignal): Promise<Subnet>
  /** One address was taken from it, or (-1) given back. */
  took(subnetId: string, count?: number): void
  /** EC2 says that it has no room: none until it is asked about again. */
  isFull(subnetId: string): void
}

/** A free-address count is at most this old, milliseconds. Everything else about a subnet is fixed. */
const FRESH_MS = 60_000

/** Opens the book. `now`: milliseconds, from any start. */
export function openSubnets(options: {
  readonly ec2: Ec2
  readonly vpcId: string
  readonly now?: () => number
}): Subnets {
  const { ec2, vpcId, now = () => performance.now() } = options
  const book = new Map<string, { subnet: Subnet; asOf: number }>()

  function count(subnetId: string, change: (freeAddressCount: number) => number): void {
    const entry = book.get(subnetId)
    if (entry === undefined) return
    const freeAddressCount = Math.max(0, change(entry.subnet.freeAddressCount))
    book.set(subnetId, { ...entry, subnet: { ...entry.subnet, freeAddressCount } })
  }

  async function prepare(subnetIds: readonly string[], signal: AbortSignal): Promise<void> {
    const isOld = (id: string) => now() - (book.get(id)?.asOf ?? -Infinity) > FRESH_MS
    const asked = [...new Set(subnetIds)].filter(isOld)
    if (asked.length === 0) return
    const { Subnets: answer } = await ec2.call('DescribeSubnets', { SubnetIds: asked }, signal)
    const asOf = now()
    for (const described of answer ?? []) {
      const subnet = subnetOf(described, vpcId)
      book.set(subnet.subnetId, { subnet, asOf })
    }
    const missing = asked.find((id) => !book.has(id))
    if (missing !== undefined) throw unknown(missing)
  }

  return {
    prepare,
    known: (subnetId) => book.get(subnetId)?.subnet,
    async facts(subnetId, signal) {
      await prepare([subnetId], signal)
      const entry = book.get(subnetId)
      if (entry === undefined) throw unknown(subnetId)
      return entry.subnet
    },
    took: (subnetId, taken = 1) => count(subnetId, (free) => free - taken),
    isFull: (subnetId) => count(subnetId, () => 0),
  }
}

function unknown(subnetId: string): Failure {
  const message = `The subnet ID '${subnetId}' does not exist`
  return new Failure('refused', 'InvalidSubnetID.NotFound', message, {
    hint: 'Check the subnet id, and that the subnet is in this region and account.',
  })
}

/** Ours from EC2's. Throws `refused` where a task of this host could not live in it. */
function subnetOf(described: Ec2Subnet, vpcId: string): Subnet {
  const { SubnetId: subnetId = '', CidrBlock: cidr = '', VpcId: itsVpcId = '' } = described
  if (itsVpcId !== vpcId) {
    const message = `subnet ${subnetId} is in ${itsVpcId}, but this host is in ${vpcId}`
    throw new Failure('refused', 'SubnetInAnotherVpc', message, {
      hint: 'Name subnets of the VPC that the host is in.',
    })
  }
  if (cidr === '' || described.Ipv6Native) {
    throw new Failure('refused', 'SubnetWithoutIpv4', `subnet ${subnetId} has no IPv4 addresses`, {
      hint: 'Name a subnet with an IPv4 CIDR block; it may have an IPv6 one beside it.',
    })
  }
  const blocks = described.Ipv6CidrBlockAssociationSet ?? []
  return {
    subnetId,
    vpcId: itsVpcId,
    availabilityZone: described.AvailabilityZone ?? '',
    freeAddressCount: described.AvailableIpAddressCount ?? 0,
    hasIpv6: blocks.some(({ Ipv6CidrBlockState: state }) => state?.State === 'associated'),
    ...routerOf(cidr),
  }
}

/** The prefix length of a subnet, and its router: network + 1 (VPC user guide, "Subnet sizing"). */
export function routerOf(cidr: string): { ipv4PrefixLength: number; ipv4Gateway: string } {
  const [, ipv4PrefixLength] = ipaddr.IPv4.parseCIDR(cidr)
  // A subnet is never smaller than /28, so the last byte of its network has room for the one.
  const [a, b, c, d = 0] = ipaddr.IPv4.networkAddressFromCIDR(cidr).octets
  return { ipv4PrefixLength, ipv4Gateway: [a, b, c, d + 1].join('.') }
}
