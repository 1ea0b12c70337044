// AttachNetworkInterface: the ENI's link appears in the instance's namespace, and then the call is
// answered. DeleteOnTermination starts false, as on EC2; ModifyNetworkInterfaceAttribute sets it.

import type {
  AttachNetworkInterfaceRequest,
  AttachNetworkInterfaceResult,
} from '@aws-sdk/client-ec2'
import { checkPrefixSupport, placesOf } from '../../model/assignment.ts'
import { newId } from '../../model/ids.ts'
import { instanceType } from '../../model/instance-type.ts'
import { findEni, findInstance } from '../../model/look-up.ts'
import {
  attached,
  attachedTo,
  refuseManaged,
  settleAttaching,
} from '../../model/network-interface.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import {
  type Attachment,
  type Instance,
  type NetworkInterface,
  withEni,
} from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

type Input = AttachNetworkInterfaceRequest
/** The ENIs that the instance has already. */
type Beside = ReturnType<typeof attachedTo>

export const attachNetworkInterface: ChangeAction<Input, AttachNetworkInterfaceResult> = {
  name: 'AttachNetworkInterface',
  honours: ['NetworkInterfaceId', 'InstanceId', 'DeviceIndex', 'NetworkCardIndex'],
  change(world, input, call) {
    const eni = findEni(world, input.NetworkInterfaceId ?? '')
    const instance = findInstance(world, input.InstanceId ?? '')
    const deviceIndex = input.DeviceIndex ?? -1
    refuseManaged(eni)
    checkCard(instance, input.NetworkCardIndex ?? 0)
    checkState(instance)
    const beside = attachedTo(world, instance.instanceId)
    checkPlace(eni, instance, beside)
    checkSlot(instance, deviceIndex, beside)
    checkLimits(eni, instance, beside)
    const attachment: Attachment = {
      attachmentId: newId('eni-attach', call.random),
      to: { instanceId: instance.instanceId },
      deviceIndex,
      status: 'attaching',
      deleteOnTermination: false,
      attachedAt: call.now,
      netns: instance.netns,
    }
    return {
      world: withEni(world, attached(eni, attachment)),
      output: { AttachmentId: attachment.attachmentId, NetworkCardIndex: 0 },
      settle: (now) => settleAttaching(now, eni.eniId, attachment.attachmentId),
    }
  },
}

function checkState({ instanceId, state }: Instance): void {
  if (state === 'running') return
  throw new Refusal('IncorrectState', `Instance '${instanceId}' is not 'running'.`)
}

function checkCard(instance: Instance, card: number): void {
  const { cardCount } = instanceType(instance.instanceType)
  if (card < 0 || card >= cardCount) {
    throw badValue(
      'networkCardIndex',
      card,
      `The instance type ${instance.instanceType} has ${cardCount} network card(s).`,
    )
  }
  if (card > 0) throw badValue('networkCardIndex', card, 'The lab attaches to card 0 only.')
}

function checkPlace(eni: NetworkInterface, instance: Instance, beside: Beside): void {
  if (eni.attachment !== undefined) {
    throw new Refusal(
      'InvalidParameterValue',
      `Network interface '${eni.eniId}' is currently in use.`,
    )
  }
  const primary = beside[0]
  if (primary !== undefined && primary.vpcId !== eni.vpcId) {
    throw new Refusal(
      'InvalidParameterValue',
      `Network interface '${eni.eniId}' and instance '${instance.instanceId}' are not in the ` +
        `same VPC (${eni.vpcId}, ${primary.vpcId}).`,
    )
  }
  if (eni.zone !== instance.zone) {
    throw new Refusal(
      'InvalidParameterValue',
      'You may not attach a network interface to an instance if they are not in the same ' +
        `availability zone: ${eni.eniId} is in ${eni.zone}, ${instance.instanceId} in ` +
        `${instance.zone}.`,
    )
  }
}

function checkSlot(instance: Instance, deviceIndex: number, beside: Beside): void {
  if (deviceIndex < 0 || deviceIndex > 65535) {
    throw badValue('deviceIndex', deviceIndex, 'It must be 1 to 65535.')
  }
  const taken = beside.some((each) => each.attachment.deviceIndex === deviceIndex)
  if (taken) {
    throw new Refusal(
      'InvalidParameterValue',
      `Instance '${instance.instanceId}' already has an interface attached at device index ` +
        `'${deviceIndex}'.`,
    )
  }
}

function checkLimits(eni: NetworkInterface, instance: Instance, beside: Beside): void {
  const type = instanceType(instance.instanceType)
  const count = beside.length + 1
  // Every attachment of the lab is on card 0, and each card has an equal share of the interfaces.
  if (count > Math.floor(type.eniCountMax / type.cardCount)) {
    throw new Refusal(
      'AttachmentLimitExceeded',
      `Interface count ${count} exceeds the limit for ${type.name}`,
    )
  }
  checkPrefixSupport(eni, instance)
  const addresses = placesOf(eni)
  if (addresses > type.addressesPerEni) {
    throw new Refusal(
      'InvalidInterface.IpAddressLimitExceeded',
      `Address count ${addresses} on ${eni.eniId} exceeds the limit for ${type.name}`,
    )
  }
}
