// CreateNatGateway: `pending` in the answer, with an interface of its own; then available, or failed
// for what EC2 finds out only by then (no internet gateway, the Elastic IP in use). One address each:
// secondary ones are not in the lab.

import type { CreateNatGatewayRequest, CreateNatGatewayResult } from '@aws-sdk/client-ec2'
import { findAllocation, findSubnet } from '../../model/look-up.ts'
import { addNat, settleNat } from '../../model/nat-gateway.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { NatGateway } from '../../model/way-out.ts'
import type { World } from '../../model/world.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { once } from '../once.ts'
import { natGatewayShape } from '../shapes/gateway.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateNatGatewayRequest

export const createNatGateway: ChangeAction<Input, CreateNatGatewayResult> = {
  name: 'CreateNatGateway',
  honours: [
    'SubnetId',
    'AllocationId',
    'ConnectivityType',
    'PrivateIpAddress',
    'ClientToken',
    ...TAG_SPECIFICATIONS,
  ],
  change(world, input, call) {
    const { world: next, made } = once('CreateNatGateway', world, input, call, {
      make: () => create(world, input, call),
      again: (was) =>
        'natGatewayId' in was && 'connectivity' in was
          ? (world.natGateways.get(was.natGatewayId) ?? was)
          : undefined,
    })
    const { ClientToken: token } = input
    const NatGateway = natGatewayShape(next, made)
    return {
      world: next,
      output: { NatGateway, ...(token ? { ClientToken: token } : {}) },
      settle: (now) => settleNat(now, made.natGatewayId, call.now),
    }
  },
}

function create(world: World, input: Input, call: Call): { world: World; made: NatGateway } {
  if (input.SubnetId === undefined) {
    throw new Refusal('MissingParameter', 'The request must contain the parameter subnetId')
  }
  const subnet = findSubnet(world, input.SubnetId)
  if (subnet.ipv4Cidr === undefined) {
    throw badValue('subnetId', subnet.subnetId, 'It has no IPv4, and the lab has no NAT64.')
  }
  const elasticIp = readAllocation(world, input)
  const wish = {
    subnet,
    ...(elasticIp === undefined ? {} : { elasticIp }),
    ...(input.PrivateIpAddress === undefined ? {} : { privateIp: input.PrivateIpAddress }),
  }
  const { world: next, made } = addNat(world, wish, call.now, call.random)
  const tags = specifiedTags(input.TagSpecifications, 'natgateway')
  return { world: withTags(next, made.natGatewayId, tags), made }
}

function readAllocation(world: World, input: Input) {
  const { ConnectivityType: type = 'public', AllocationId: id } = input
  if (type !== 'public' && type !== 'private') {
    throw badValue('connectivityType', type, 'It must be public or private.')
  }
  if (type === 'public' && id === undefined) {
    throw new Refusal('MissingParameter', 'The request must contain the parameter allocationId')
  }
  if (type === 'private' && id !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'A private NAT gateway has no Elastic IP address: leave AllocationId out.',
    )
  }
  return id === undefined ? undefined : findAllocation(world, id)
}
