// DescribeNetworkInterfaceAttribute: one attribute a call.

import type * as ec2 from '@aws-sdk/client-ec2'
import { findEni } from '../../model/look-up.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import type { NetworkInterface, World } from '../../model/world.ts'
import type { ReadAction } from '../action.ts'
import { attachmentShape, groupList } from '../shapes/network-interface.ts'

type Output = ec2.DescribeNetworkInterfaceAttributeResult

const ATTRIBUTES: Readonly<Record<string, (world: World, eni: NetworkInterface) => Output>> = {
  attachment: (_world, { attachment }) =>
    attachment === undefined ? {} : { Attachment: attachmentShape(attachment) },
  description: (_world, eni) => ({ Description: { Value: eni.description } }),
  groupSet: (world, eni) => ({ Groups: groupList(world, eni) }),
  sourceDestCheck: (_world, eni) => ({ SourceDestCheck: { Value: eni.sourceDestCheck } }),
}

export const describeNetworkInterfaceAttribute: ReadAction<
  ec2.DescribeNetworkInterfaceAttributeRequest,
  Output
> = {
  name: 'DescribeNetworkInterfaceAttribute',
  honours: ['NetworkInterfaceId', 'Attribute'],
  read(world, input) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const name = input.Attribute
    if (name === undefined) {
      throw new Refusal('MissingParameter', 'The request must contain the parameter Attribute')
    }
    const view = Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined
    if (view === undefined) {
      throw badValue('Attribute', name, `Allowed: ${Object.keys(ATTRIBUTES).join(', ')}.`)
    }
    return { NetworkInterfaceId: eni.eniId, ...view(world, eni) }
  },
}
