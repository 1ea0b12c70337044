// Where a guest of the lab's own goes, a probe or a host: its subnet, and the groups it wears by id
// or by name.

import { findSubnet } from './look-up.ts'
import { notInLab, Refusal } from './refusal.ts'
import type { Subnet, World } from './world.ts'

/** The subnet of that id, or the home VPC's first. The fabric carries no packets of another VPC. */
export function homeSubnet(world: World, subnetId: string | undefined): Subnet {
  if (subnetId === undefined) {
    for (const subnet of world.subnets.values()) if (subnet.vpcId === world.homeVpcId) return subnet
    throw new Refusal('InvalidSubnetID.NotFound', 'The default VPC has no subnet: make one.')
  }
  const subnet = findSubnet(world, subnetId)
  if (subnet.vpcId === world.homeVpcId) return subnet
  throw notInLab(
    `packets of another VPC than ${world.homeVpcId}`,
    `Choose a subnet of it: ${subnetId} is in ${subnet.vpcId}.`,
  )
}

/** The ids of the groups of those names in the subnet's VPC. */
export function namedGroups(world: World, subnet: Subnet, names: readonly string[]): string[] {
  return names.map((name) => {
    for (const group of world.groups.values()) {
      if (group.vpcId === subnet.vpcId && group.name === name) return group.groupId
    }
    throw new Refusal('InvalidGroup.NotFound', `The security group '${name}' does not exist`)
  })
}
