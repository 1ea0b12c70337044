// AssociateAddress: an Elastic IP stands for a private address of an interface, or of an instance's
// primary one, when the call is answered.

import type { AssociateAddressRequest, AssociateAddressResult } from '@aws-sdk/client-ec2'
import { findAllocation, findEni, findInstance } from '../../model/look-up.ts'
import { attachedTo } from '../../model/network-interface.ts'
import { associate, type ElasticIp, privateOf } from '../../model/public-address.ts'
import { badValue, Refusal } from '../../model/refusal.ts'
import type { NetworkInterface, World } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { findPublic, refuseNats } from '../address-request.ts'

type Input = AssociateAddressRequest

export const associateAddress: ChangeAction<Input, AssociateAddressResult> = {
  name: 'AssociateAddress',
  honours: [
    'AllocationId',
    'PublicIp',
    'NetworkInterfaceId',
    'InstanceId',
    'PrivateIpAddress',
    'AllowReassociation',
  ],
  change(world, input, call) {
    const address = readAddress(world, input)
    const eni = readInterface(world, input)
    const move = {
      privateIp: privateOf(eni, input.PrivateIpAddress),
      mayMove: input.AllowReassociation === true,
    }
    refuseNats(world, eni.eniId, address)
    const { world: next, associationId } = associate(world, address, eni, move, call.random)
    return { world: next, output: { AssociationId: associationId } }
  },
}

function readAddress(world: World, { AllocationId: id, PublicIp: publicIp }: Input): ElasticIp {
  if (id !== undefined && publicIp !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'You may specify public IP or allocation id, but not both in the same call',
    )
  }
  if (id !== undefined) return findAllocation(world, id)
  if (publicIp !== undefined) return findPublic(world, publicIp)
  throw new Refusal('MissingParameter', 'Either public IP or allocation id must be specified')
}

function readInterface(
  world: World,
  { NetworkInterfaceId: eniId, InstanceId: instanceId }: Input,
): NetworkInterface {
  if (eniId !== undefined && instanceId !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'You may specify instance id or network interface id, but not both in the same call',
    )
  }
  if (eniId !== undefined) return findEni(world, eniId)
  if (instanceId === undefined) {
    throw new Refusal(
      'MissingParameter',
      'Either instance ID or network interface id must be specified',
    )
  }
  const enis = attachedTo(world, findInstance(world, instanceId).instanceId)
  const primary = enis.find(({ attachment }) => attachment.deviceIndex === 0)
  if (primary === undefined) throw badValue('instanceId', instanceId, 'It has no interface.')
  return primary
}
