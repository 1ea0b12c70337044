// CreateSubnet: blocks of its VPC's blocks that no other subnet has, in one of the two zones; IPv4,
// or IPv6 beside it, or IPv6 alone (Ipv6Native).

import type { CreateSubnetRequest, CreateSubnetResult } from '@aws-sdk/client-ec2'
import { addSubnet } from '../../model/fresh-world.ts'
import { findVpc } from '../../model/look-up.ts'
import { QUOTA } from '../../model/quota.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { subnetIpv4Block, subnetIpv6Block } from '../../model/subnet-block.ts'
import { withTags } from '../../model/tag-rules.ts'
import { type Subnet, type Vpc, type World, ZONES } from '../../model/world.ts'
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
    'Ipv6Native',
    'AvailabilityZone',
    'AvailabilityZoneId',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const vpc = findVpc(world, input.VpcId ?? '')
    const zone = readZone(input)
    const blocks = readBlocks(world, vpc, input)
    const siblings = [...world.subnets.values()].filter((each) => each.vpcId === vpc.vpcId)
    if (siblings.length >= QUOTA.subnetsPerVpc) {
      throw new Refusal('SubnetLimitExceeded', 'The maximum number of subnets has been reached.')
    }
    const wish = { vpcId: vpc.vpcId, zone, defaultForAz: false, ...blocks }
    const made = addSubnet(world, wish, call.random)
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

function readBlocks(
  world: World,
  vpc: Vpc,
  { CidrBlock = '', Ipv6CidrBlock = '', Ipv6Native = false }: Input,
): Pick<Subnet, 'ipv4Cidr' | 'ipv6Cidr'> {
  if (Ipv6Native && CidrBlock !== '') {
    throw new Refusal(
      'InvalidParameterCombination',
      'CidrBlock cannot be used with Ipv6Native: an IPv6-only subnet has no IPv4 block.',
    )
  }
  const needed = Ipv6Native ? Ipv6CidrBlock : CidrBlock
  if (needed === '') {
    const name = Ipv6Native ? 'ipv6CidrBlock' : 'cidrBlock'
    throw new Refusal('MissingParameter', `The request must contain the parameter ${name}`)
  }
  return {
    ...(CidrBlock === '' ? {} : { ipv4Cidr: subnetIpv4Block(world, vpc, CidrBlock) }),
    ...(Ipv6CidrBlock === '' ? {} : { ipv6Cidr: subnetIpv6Block(world, vpc, Ipv6CidrBlock) }),
  }
}
