// ModifyNetworkInterfaceAttribute: exactly one attribute a call. New groups are in force on the
// plugged link when the call is answered.

import type { ModifyNetworkInterfaceAttributeRequest } from '@aws-sdk/client-ec2'
import { findEni, noSuch } from '../../model/look-up.ts'
import { checkGroups, refuseManaged } from '../../model/network-interface.ts'
import { QUOTA } from '../../model/quota.ts'
import { Refusal } from '../../model/refusal.ts'
import { type NetworkInterface, type World, withEni } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

type Input = ModifyNetworkInterfaceAttributeRequest

const ATTRIBUTES = ['Attachment', 'Description', 'Groups', 'SourceDestCheck'] as const

export const modifyNetworkInterfaceAttribute: ChangeAction<Input, object> = {
  name: 'ModifyNetworkInterfaceAttribute',
  honours: [
    'NetworkInterfaceId',
    'Attachment.AttachmentId',
    'Attachment.DeleteOnTermination',
    'Description.Value',
    'Groups',
    'SourceDestCheck.Value',
  ],
  change(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const given = ATTRIBUTES.filter((name) => input[name] !== undefined)
    if (given.length !== 1) {
      throw new Refusal(
        'InvalidParameterCombination',
        `${given.length === 0 ? 'No' : 'Only one'} attribute ${given.length === 0 ? 'is' : 'can be'} ` +
          `specified: give exactly one of ${ATTRIBUTES.join(', ')}.`,
      )
    }
    refuseManaged(eni)
    return { world: withEni(world, modified(world, eni, input)), output: {} }
  },
}

function modified(world: World, eni: NetworkInterface, input: Input): NetworkInterface {
  if (input.Groups !== undefined) {
    if (new Set(input.Groups).size > QUOTA.groupsPerEni) {
      throw new Refusal(
        'SecurityGroupsPerInterfaceLimitExceeded',
        'The maximum number of security groups per interface has been reached.',
      )
    }
    return { ...eni, groupIds: checkGroups(world, eni.vpcId, input.Groups) }
  }
  if (input.Attachment !== undefined) return withDeleteOnTermination(eni, input.Attachment)
  if (input.Description !== undefined) {
    return { ...eni, description: needed(input.Description.Value, 'Description.Value') }
  }
  const { Value } = input.SourceDestCheck ?? {}
  return { ...eni, sourceDestCheck: needed(Value, 'SourceDestCheck.Value') }
}

function withDeleteOnTermination(
  eni: NetworkInterface,
  change: NonNullable<Input['Attachment']>,
): NetworkInterface {
  const attachmentId = needed(change.AttachmentId, 'Attachment.AttachmentId')
  const deleteOnTermination = needed(change.DeleteOnTermination, 'Attachment.DeleteOnTermination')
  const { attachment } = eni
  if (attachment?.attachmentId !== attachmentId) throw noSuch('attachment', attachmentId)
  return { ...eni, attachment: { ...attachment, deleteOnTermination } }
}

function needed<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value
  throw new Refusal('MissingParameter', `The request must contain the parameter ${name}`)
}
