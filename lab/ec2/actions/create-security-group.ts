// CreateSecurityGroup: everything out, nothing in.

import type { CreateSecurityGroupRequest, CreateSecurityGroupResult } from '@aws-sdk/client-ec2'
import { findVpc } from '../../model/look-up.ts'
import { QUOTA } from '../../model/quota.ts'
import { Refusal } from '../../model/refusal.ts'
import { newGroup } from '../../model/security-group.ts'
import { withTags } from '../../model/tag-rules.ts'
import { type Vpc, type World, withGroup } from '../../model/world.ts'
import { type ChangeAction, TAG_SPECIFICATIONS } from '../action.ts'
import { securityGroupArn } from '../shapes/security-group.ts'
import { tagList } from '../shapes/tags.ts'
import { specifiedTags } from '../tag-specification.ts'

type Input = CreateSecurityGroupRequest

const TEXT = /^[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]{1,255}$/

export const createSecurityGroup: ChangeAction<Input, CreateSecurityGroupResult> = {
  name: 'CreateSecurityGroup',
  honours: ['GroupName', 'Description', 'VpcId', ...TAG_SPECIFICATIONS],
  change(world, input, call) {
    const { GroupName: name = '', Description: description = '' } = input
    const vpc = input.VpcId === undefined ? defaultVpc(world) : findVpc(world, input.VpcId)
    checkTexts(name, description)
    checkRoom(world, vpc, name)
    const group = newGroup(vpc, name, description, call.random)
    const { groupId } = group
    const tags = specifiedTags(input.TagSpecifications, 'security-group')
    const next = withTags(withGroup(world, group), groupId, tags)
    return {
      world: next,
      output: {
        GroupId: groupId,
        SecurityGroupArn: securityGroupArn(groupId),
        ...(tags.length === 0 ? {} : { Tags: tagList(next, groupId) }),
      },
    }
  },
}

function checkTexts(name: string, description: string): void {
  const allowed = 'up to 255 of a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*'
  if (name.toLowerCase() === 'default') {
    throw new Refusal('InvalidGroup.Reserved', `The security group '${name}' is reserved`)
  }
  if (name.startsWith('sg-')) {
    throw new Refusal(
      'InvalidParameterValue',
      'Invalid value for parameter groupName. Group name may not be in the format sg-*.',
    )
  }
  if (!TEXT.test(name)) {
    throw new Refusal(
      'InvalidParameterValue',
      `Value (${name}) for parameter GroupName is invalid. Character sets: ${allowed}.`,
    )
  }
  if (!TEXT.test(description)) {
    throw new Refusal(
      'InvalidParameterValue',
      `Value (${description}) for parameter GroupDescription is invalid. Character sets: ` +
        `${allowed}.`,
    )
  }
}

function checkRoom(world: World, vpc: Vpc, name: string): void {
  if (world.groups.size >= QUOTA.groupsPerRegion) {
    throw new Refusal(
      'SecurityGroupLimitExceeded',
      `The maximum number of security groups (${QUOTA.groupsPerRegion}) has been reached.`,
    )
  }
  for (const group of world.groups.values()) {
    if (group.vpcId !== vpc.vpcId || group.name !== name) continue
    throw new Refusal(
      'InvalidGroup.Duplicate',
      `The security group '${name}' already exists for VPC '${vpc.vpcId}'`,
    )
  }
}

function defaultVpc(world: World): Vpc {
  for (const vpc of world.vpcs.values()) if (vpc.isDefault) return vpc
  throw new Refusal('VPCIdNotSpecified', 'No default VPC for this user')
}
