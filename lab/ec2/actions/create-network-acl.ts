// CreateNetworkAcl: no entries, so it denies everything, and no subnet has it yet.

import type { CreateNetworkAclRequest, CreateNetworkAclResult } from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { newAcl, withAcl } from '../../model/network-acl.ts'
import { QUOTA } from '../../model/quota.ts'
import { Refusal } from '../../model/refusal.ts'
import { withTags } from '../../model/tag-rules.ts'
import type { NetworkAcl, World } from '../../model/world.ts'
import { type Call, type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { once } from '../once.ts'
import { networkAclShape } from '../shapes/network-acl.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateNetworkAclRequest

export const createNetworkAcl: ChangeAction<Input, CreateNetworkAclResult> = {
  name: 'CreateNetworkAcl',
  honours: ['VpcId', 'ClientToken', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const { world: next, made } = once('CreateNetworkAcl', world, input, call, {
      make: () => create(world, input, call),
      again: (was) => ('aclId' in was ? (world.networkAcls.get(was.aclId) ?? was) : undefined),
    })
    const { ClientToken: token } = input
    const NetworkAcl = networkAclShape(next, made)
    const output = { NetworkAcl, ...(token === undefined ? {} : { ClientToken: token }) }
    return { world: next, output }
  },
}

function create(world: World, input: Input, call: Call): { world: World; made: NetworkAcl } {
  const vpc = findVpc(world, input.VpcId ?? '')
  const siblings = [...world.networkAcls.values()].filter((acl) => acl.vpcId === vpc.vpcId)
  if (siblings.length >= QUOTA.aclsPerVpc) {
    throw new Refusal(
      'NetworkAclLimitExceeded',
      `The maximum number of network acls (${QUOTA.aclsPerVpc}) has been reached.`,
    )
  }
  const made = newAcl(vpc, call.random)
  const tags = specifiedTags(input.TagSpecifications, 'network-acl')
  return { world: withTags(withAcl(world, made), made.aclId, tags), made }
}
