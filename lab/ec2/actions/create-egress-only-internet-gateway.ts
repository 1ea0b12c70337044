// CreateEgressOnlyInternetGateway: IPv6 out of a VPC, and back only in answer.

import type {
  CreateEgressOnlyInternetGatewayRequest,
  CreateEgressOnlyInternetGatewayResult,
} from '@aws-sdk/client-ec2'
import { addEgressOnly } from '../../model/internet-gateway.ts'
import { findVpc } from '../../model/look-up.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { EgressOnlyGateway } from '../../model/way-out.ts'
import type { World } from '../../model/world.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { once } from '../once.ts'
import { egressOnlyShape } from '../shapes/gateway.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateEgressOnlyInternetGatewayRequest

export const createEgressOnlyInternetGateway: ChangeAction<
  Input,
  CreateEgressOnlyInternetGatewayResult
> = {
  name: 'CreateEgressOnlyInternetGateway',
  honours: ['VpcId', 'ClientToken', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const { world: next, made } = once('CreateEgressOnlyInternetGateway', world, input, call, {
      make: () => create(world, input, call),
      again: (was) =>
        'gatewayId' in was ? (world.egressOnlyGateways.get(was.gatewayId) ?? was) : undefined,
    })
    const { ClientToken: token } = input
    const EgressOnlyInternetGateway = egressOnlyShape(next, made)
    const output = { EgressOnlyInternetGateway, ...(token ? { ClientToken: token } : {}) }
    return { world: next, output }
  },
}

function create(world: World, input: Input, call: Call): { world: World; made: EgressOnlyGateway } {
  const vpc = findVpc(world, input.VpcId ?? '')
  const { world: next, made } = addEgressOnly(world, vpc, call.random)
  const tags = specifiedTags(input.TagSpecifications, 'egress-only-internet-gateway')
  return { world: withTags(next, made.gatewayId, tags), made }
}
