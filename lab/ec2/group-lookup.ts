// Naming a security group: by id, or by name in the default VPC, as EC2 allows both.

import { findGroup } from '../model/look-up.ts'
import { Refusal } from '../model/refusal.ts'
import type { SecurityGroup, World } from '../model/world.ts'

/** The group that a caller named; MissingParameter when by neither id nor name. */
export function groupNamed(
  world: World,
  input: { readonly GroupId?: string | undefined; readonly GroupName?: string | undefined },
): SecurityGroup {
  if (input.GroupId !== undefined && input.GroupId !== '') return findGroup(world, input.GroupId)
  const name = input.GroupName
  if (name === undefined || name === '') {
    throw new Refusal(
      'MissingParameter',
      'The request must contain the parameter groupName or groupId',
    )
  }
  for (const group of world.groups.values()) {
    if (group.name === name && world.vpcs.get(group.vpcId)?.isDefault === true) return group
  }
  throw new Refusal(
    'InvalidGroup.NotFound',
    `The security group '${name}' does not exist in default VPC`,
  )
}
