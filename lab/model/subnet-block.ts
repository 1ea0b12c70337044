// The blocks a subnet may have: of its VPC's block, and not of another subnet's.

import { knownCidr } from './addresses.ts'
import { type Cidr, contains, formatCidr, overlaps, parseCidr } from './cidr.ts'
import { badValue, Refusal } from './refusal.ts'
import type { Vpc, World } from './world.ts'

/** The IPv4 block that a caller wrote, canonical: /16 to /28, of the VPC, and no other subnet's. */
export function subnetIpv4Block(world: World, vpc: Vpc, text: string): string {
  const cidr = parseCidr(4, text)
  if (cidr === undefined) throw badValue('cidrBlock', text, 'This is not a valid CIDR block.')
  const inVpc = contains(knownCidr(4, vpc.ipv4Cidr), cidr)
  if (cidr.prefix < 16 || cidr.prefix > 28 || !inVpc) {
    throw new Refusal(
      'InvalidSubnet.Range',
      `The CIDR '${text}' is invalid: it must be /16 to /28 and lie in ${vpc.ipv4Cidr}.`,
    )
  }
  refuseOverlap(world, vpc, cidr, text)
  return formatCidr(cidr)
}

/** The IPv6 block that a caller wrote, canonical: a /64 of the VPC, and no other subnet's. */
export function subnetIpv6Block(world: World, vpc: Vpc, text: string): string {
  const cidr = parseCidr(6, text)
  if (cidr === undefined) throw badValue('ipv6CidrBlock', text, 'This is not a valid CIDR block.')
  const inVpc = vpc.ipv6Cidr !== undefined && contains(knownCidr(6, vpc.ipv6Cidr), cidr)
  if (cidr.prefix !== 64 || !inVpc) {
    throw new Refusal(
      'InvalidSubnet.Range',
      `The CIDR '${text}' is invalid: it must be a /64 in ${vpc.ipv6Cidr ?? 'no IPv6 block'}.`,
    )
  }
  refuseOverlap(world, vpc, cidr, text)
  return formatCidr(cidr)
}

function refuseOverlap(world: World, vpc: Vpc, cidr: Cidr, text: string): void {
  for (const subnet of world.subnets.values()) {
    if (subnet.vpcId !== vpc.vpcId) continue
    const block = cidr.family === 4 ? subnet.ipv4Cidr : subnet.ipv6Cidr
    if (block === undefined || !overlaps(knownCidr(cidr.family, block), cidr)) continue
    throw new Refusal(
      'InvalidSubnet.Conflict',
      `The CIDR '${text}' conflicts with another subnet (${subnet.subnetId}, ${block})`,
    )
  }
}
