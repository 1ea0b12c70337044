// The VPC as one picture: subnets with their ENIs, groups, and who may reach whom. Pure.

import type { NetworkInterface, World } from '../model/world.ts'
import { type Party, type Reach, reach } from './reach.ts'

/** What `enid lab show --json` prints. */
export type Picture = {
  readonly vpcId: string
  readonly ipv4Cidr: string
  readonly ipv6Cidr?: string
  readonly subnets: readonly {
    readonly subnetId: string
    readonly zone: string
    readonly ipv4Cidr?: string
    readonly ipv6Cidr?: string
    readonly aclId: string
    readonly enis: readonly {
      readonly eniId: string
      readonly ipv4: readonly string[]
      readonly ipv6: readonly string[]
      readonly prefixes: readonly string[]
      readonly groupIds: readonly string[]
      readonly description: string
      readonly status: string
      /** The instance or the owner it is attached to. */
      readonly attachedTo?: string
    }[]
  }[]
  readonly groups: readonly {
    readonly groupId: string
    readonly name: string
    readonly eniCount: number
    readonly ruleCount: number
  }[]
  /** Of the ENIs that are plugged in; a reach names two of them by their place in the list. */
  readonly parties: readonly Party[]
  readonly reaches: readonly Reach[]
}

const attachedTo = ({ attachment }: NetworkInterface): { attachedTo?: string } =>
  attachment === undefined
    ? {}
    : { attachedTo: 'owner' in attachment.to ? attachment.to.owner : attachment.to.instanceId }

/** The home VPC: the one whose packets the fabric carries. */
export function picture(world: World): Picture {
  const vpc = world.vpcs.get(world.homeVpcId)
  if (vpc === undefined) throw new Error(`the model has no VPC ${world.homeVpcId}`)
  const { vpcId, ipv4Cidr, ipv6Cidr } = vpc
  const enis = [...world.enis.values()]
  return {
    vpcId,
    ipv4Cidr,
    ...(ipv6Cidr === undefined ? {} : { ipv6Cidr }),
    subnets: [...world.subnets.values()]
      .filter((subnet) => subnet.vpcId === vpcId)
      .map((subnet) => ({
        subnetId: subnet.subnetId,
        zone: subnet.zone,
        ...(subnet.ipv4Cidr === undefined ? {} : { ipv4Cidr: subnet.ipv4Cidr }),
        ...(subnet.ipv6Cidr === undefined ? {} : { ipv6Cidr: subnet.ipv6Cidr }),
        aclId: subnet.aclId,
        enis: enis
          .filter(({ subnetId }) => subnetId === subnet.subnetId)
          .map((eni) => ({
            eniId: eni.eniId,
            ipv4: eni.ipv4,
            ipv6: eni.ipv6,
            prefixes: [...eni.ipv4Prefixes, ...eni.ipv6Prefixes],
            groupIds: eni.groupIds,
            description: eni.description,
            status: eni.status,
            ...attachedTo(eni),
          })),
      })),
    groups: [...world.groups.values()]
      .filter((group) => group.vpcId === vpcId)
      .map(({ groupId, name, rules }) => ({
        groupId,
        name,
        eniCount: enis.filter(({ groupIds }) => groupIds.includes(groupId)).length,
        ruleCount: rules.length,
      })),
    ...reach(world),
  }
}
