// An ENI that is nobody's we know: made in the host's subnet without any mark, and attached to the
// host, by the rules that hold for everybody. It takes a slot, a device index, and its link appears.

import { randomBytes } from 'node:crypto'
import { attachNetworkInterface } from '../ec2/actions/attach-network-interface.ts'
import { attachedTo, makeEni } from '../model/network-interface.ts'
import { Refusal } from '../model/refusal.ts'
import type { World } from '../model/world.ts'

/** What a foreign ENI says of itself. */
export const FOREIGN_DESCRIPTION = 'A foreign interface'

/** The world with a foreign ENI at that device index, or at the lowest that is free. */
export function foreignEni(world: World, deviceIndex?: number): World {
  const [host] = world.instances.values()
  if (host === undefined) throw new Refusal('NoTarget', 'The lab has no instance.', 409)
  const attached = attachedTo(world, host.instanceId)
  const subnetId = attached[0]?.subnetId ?? ''
  const made = makeEni(world, { subnetId, description: FOREIGN_DESCRIPTION }, randomBytes)
  const taken = new Set(attached.map(({ attachment }) => attachment.deviceIndex))
  let free = 1
  while (taken.has(free)) free++
  const change = attachNetworkInterface.change(
    made.world,
    {
      NetworkInterfaceId: made.eni.eniId,
      InstanceId: host.instanceId,
      DeviceIndex: deviceIndex ?? free,
      NetworkCardIndex: 0,
    },
    { now: new Date(), random: randomBytes },
  )
  return change.settle?.(change.world) ?? change.world
}
