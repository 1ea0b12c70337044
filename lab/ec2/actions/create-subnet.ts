// CreateSubnet: a block of its VPC's block that no other subnet has, in one of the two zones.

import type { CreateSubnetRequest, CreateSubnetResult } from '@aws-sdk/client-ec2'
import { knownCidr } from '../../model/addresses.ts'
import { type Cidr, contains, formatCidr, overlaps, parseCidr } from '../../model/cidr.ts'
import { addSubnet } from '../../model/fresh-world.ts'
import { findVpc } from '../../model/look-up.ts'
import { QUOTA } from '../../model/quota.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import { type Vpc, type World, ZONES } from '../../model/world.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { subnetShape } from '../shapes/subnet.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateSubnetRequest

export const createSubnet: ChangeAction<Input, CreateSubnetResult> = {
  name: 'CreateSubnet',
  honours: [
    'VpcId',
    'CidrBlock',
    'Ipv6CidrBlock',
    'AvailabilityZone',
    'AvailabilityZoneId',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const vpc = findVpc(world, input.VpcId ?? '')
    const zone = readZone(input)
    const ipv4Cidr = readIpv4(world, vpc, input.CidrBlock)
    const ipv6Cidr = readIpv6(world, vpc, input.Ipv6CidrBlock)
    const siblings = [...world.subnets.values()].filter((each) => each.vpcId === vpc.vpcId)
    if (siblings.length >= QUOTA.subnetsPerVpc) {
      throw new Refusal('SubnetLimitExceeded', 'The maximum number of subnets has been reached.')
    }
    const wish = { vpcId: vpc.vpcId, zone, ipv4Cidr, defaultForAz: false }
    const made = addSubnet(
      world,
      ipv6Cidr === undefined ? wish : { ...wish, ipv6Cidr },
      call.random,
    )
    const { subnetId } = made.subnet
    const next = withTags(made.world, subnetId, specifiedTags(input.TagSpecifications, 'subnet'))
    return { world: next, output: { Subnet: subnetShape(next, made.subnet) } }
  },
}

function readZone({ AvailabilityZone: name, AvailabilityZoneId: zoneId }: Input): string {
  if (name !== undefined && zoneId !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'AvailabilityZone and AvailabilityZoneId cannot be used together.',
    )
  }
  const found = ZONES.find((zone) =>
    zoneId === undefined ? zone.name === (name ?? ZONES[0].name) : zone.zoneId === zoneId,
  )
  if (found !== undefined) return found.name
  const names = ZONES.map((zone) => zone.name).join(', ')
  throw badValue(
    'availabilityZone',
    name ?? zoneId ?? '',
    `Subnets can currently only be created in the following availability zones: ${names}.`,
  )
}

function readIpv4(world: World, vpc: Vpc, text: string | undefined): string {
  if (text === undefined || text === '') {
    throw new Refusal('MissingParameter', 'The request must contain the parameter cidrBlock')
  }
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

function readIpv6(world: World, vpc: Vpc, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
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
