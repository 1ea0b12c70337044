// CreateInternetGateway: attached to nothing yet.

import type { CreateInternetGatewayRequest, CreateInternetGatewayResult } from '@aws-sdk/client-ec2'
import { addGateway } from '../../model/internet-gateway.ts'
import { withTags } from '../../model/tag-rules.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { internetGatewayShape } from '../shapes/gateway.ts'
import { specifiedTags } from '../tag-specification.ts'

export const createInternetGateway: ChangeAction<
  CreateInternetGatewayRequest,
  CreateInternetGatewayResult
> = {
  name: 'CreateInternetGateway',
  honours: TAG_SPECIFICATIONS,
  change(world, input, call) {
    const { world: made, gateway } = addGateway(world, call.random)
    const tags = specifiedTags(input.TagSpecifications, 'internet-gateway')
    const next = withTags(made, gateway.gatewayId, tags)
    return { world: next, output: { InternetGateway: internetGatewayShape(next, gateway) } }
  },
}
