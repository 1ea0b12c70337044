// RunInstances: hosts of the lab (lab/hosts/), without a dockerd, each with a name that the lab gives
// it. `pending` in the answer and `running` when the machine is up. What describes a disk, a key or
// what runs at the start is refused by name: the lab's machines have none of it.

import type * as ec2 from '@aws-sdk/client-ec2'
import { addHosts } from '../../model/host.ts'
import { homeSubnet, namedGroups } from '../../model/place.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { type WrittenTag, withTags } from '../../model/tag-rules.ts'
import { ACCOUNT_ID, IMAGE_ID, type Reservation, type World } from '../../model/world.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { once } from '../once.ts'
import { instanceShape } from '../shapes/instance.ts'

type Input = ec2.RunInstancesRequest

export const runInstances: ChangeAction<Input, ec2.Reservation> = {
  name: 'RunInstances',
  honours: [
    'ImageId',
    'InstanceType',
    'MinCount',
    'MaxCount',
    'SubnetId',
    'SecurityGroupIds',
    'SecurityGroups',
    'PrivateIpAddress',
    'Ipv6AddressCount',
    'ClientToken',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const { world: next, made } = once('RunInstances', world, input, call, {
      make: () => run(world, input, call),
      again: (was) => ('instances' in was ? was : undefined),
    })
    const { reservationId, instances } = made
    const output = {
      ReservationId: reservationId,
      OwnerId: ACCOUNT_ID,
      Groups: [],
      Instances: instances.map((was) =>
        instanceShape(next, next.instances.get(was.instanceId) ?? was),
      ),
    }
    return { world: next, output }
  },
}

function run(world: World, input: Input, call: Call): { world: World; made: Reservation } {
  checkImage(input.ImageId)
  const { InstanceType: type, PrivateIpAddress: ipv4, Ipv6AddressCount: ipv6Count } = input
  if (type === undefined) {
    throw new Refusal(
      'MissingParameter',
      "The request must contain the parameter InstanceType: EC2's default, m1.small, is none of the lab's.",
    )
  }
  const subnet = homeSubnet(world, input.SubnetId)
  const groupIds = [
    ...(input.SecurityGroupIds ?? []),
    ...namedGroups(world, subnet, input.SecurityGroups ?? []),
  ]
  const count = countOf(input)
  if (ipv4 !== undefined && count > 1) {
    throw new Refusal(
      'InvalidParameterCombination',
      'PrivateIpAddress names one address: it cannot be used for more than one instance.',
    )
  }
  const wish = {
    count,
    instanceType: String(type),
    subnetId: subnet.subnetId,
    groupIds,
    ipv4Asked: ipv4 === undefined ? [] : [ipv4],
    ipv6Count,
    docker: false,
  }
  const { world: added, made } = addHosts(world, wish, call.random, call.now)
  const tags = tagsByType(input.TagSpecifications)
  let next = added
  for (const { instance, primary } of made) {
    next = withTags(next, instance.instanceId, tags.instance)
    next = withTags(next, primary.eniId, tags['network-interface'])
  }
  const instances = made.map(({ instance }) => instance)
  const [first] = instances
  return { world: next, made: { reservationId: first?.reservationId ?? '', instances } }
}

function checkImage(imageId: string | undefined): void {
  if (imageId === undefined || imageId === '') {
    throw new Refusal('MissingParameter', 'The request must contain the parameter ImageId')
  }
  if (imageId === IMAGE_ID) return
  throw new Refusal(
    'InvalidAMIID.NotFound',
    `The image id '[${imageId}]' does not exist: the lab has ${IMAGE_ID}, this machine.`,
  )
}

function countOf({ MinCount: min = 0, MaxCount: max = 0 }: Input): number {
  if (min < 1) throw badValue('minCount', min, 'It must be at least 1.')
  if (max < min) throw badValue('maxCount', max, `It must be at least minCount, ${min}.`)
  return max
}

type Tagged = 'instance' | 'network-interface'

function tagsByType(
  specifications: readonly ec2.TagSpecification[] = [],
): Record<Tagged, readonly WrittenTag[]> {
  const of = (type: Tagged): readonly WrittenTag[] =>
    specifications.filter((each) => each.ResourceType === type).flatMap(({ Tags = [] }) => Tags)
  const other = specifications.find(
    ({ ResourceType: type }) => type !== 'instance' && type !== 'network-interface',
  )
  if (other === undefined) {
    return { instance: of('instance'), 'network-interface': of('network-interface') }
  }
  throw new Refusal(
    'InvalidParameterValue',
    `"${other.ResourceType ?? ''}" is not a taggable resource type for this operation in the ` +
      'lab: use "instance" or "network-interface".',
  )
}
