// A network ACL's life: made with its VPC (allowing all) or by hand (denying all), its numbered
// entries, which subnets it judges, and its end. Each subnet has exactly one, so the association
// stands in the subnet. Pure; the actions call these and the fabric follows.

import { newId, type Random } from './ids.ts'
import { noSuch } from './look-up.ts'
import { QUOTA } from './quota.ts'
import { badValue, Refusal } from './refusal.ts'
import {
  drop,
  type NetworkAcl,
  type NetworkAclEntry,
  put,
  type Subnet,
  type Vpc,
  type World,
} from './world.ts'

type Place = Pick<NetworkAclEntry, 'direction' | 'ruleNumber'>

/** A new ACL without entries: everything that crosses a border is denied. */
export const newAcl = (vpc: Vpc, random: Random): NetworkAcl => ({
  aclId: newId('acl', random),
  vpcId: vpc.vpcId,
  isDefault: false,
  entries: [],
})

/** A VPC's default ACL: 100 allows all IPv4 and, where the VPC has IPv6, 101 all of that. */
export function newDefaultAcl(vpc: Vpc, random: Random): NetworkAcl {
  const all = { action: 'allow', protocol: 'all' } as const
  const entries = (['egress', 'ingress'] as const).flatMap((direction): NetworkAclEntry[] => [
    { direction, ruleNumber: 100, ...all, peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } },
    ...(vpc.ipv6Cidr === undefined
      ? []
      : ([{ direction, ruleNumber: 101, ...all, peer: { kind: 'ipv6', cidr: '::/0' } }] as const)),
  ])
  return { ...newAcl(vpc, random), isDefault: true, entries }
}

/** The default ACL of a VPC; every VPC has one. */
export function defaultAclOf(world: World, vpcId: string): NetworkAcl {
  for (const acl of world.networkAcls.values()) {
    if (acl.vpcId === vpcId && acl.isDefault) return acl
  }
  throw new Error(`the model has a VPC without a default network ACL: ${vpcId}`)
}

/** The world with that ACL added or replaced. */
export const withAcl = (world: World, acl: NetworkAcl): World => ({
  ...world,
  networkAcls: put(world.networkAcls, acl.aclId, acl),
})

/** The world without that ACL and its tags; no questions asked. */
export const withoutAcl = (world: World, aclId: string): World => ({
  ...world,
  networkAcls: drop(world.networkAcls, aclId),
  tags: drop(world.tags, aclId),
})

/** The subnets that an ACL judges. */
export const subnetsOf = (world: World, aclId: string): Subnet[] =>
  [...world.subnets.values()].filter((subnet) => subnet.aclId === aclId)

/** Adds an entry, at a number that is free in its direction, within the quota. */
export function addEntry(world: World, acl: NetworkAcl, entry: NetworkAclEntry): World {
  if (acl.entries.some((each) => samePlace(each, entry))) {
    throw new Refusal(
      'NetworkAclEntryAlreadyExists',
      `The network acl entry identified by ${entry.ruleNumber} already exists.`,
    )
  }
  return withEntries(world, acl, [...acl.entries, entry])
}

/** Replaces the entry of that direction and number, which must be there. */
export function replaceEntry(world: World, acl: NetworkAcl, entry: NetworkAclEntry): World {
  return withEntries(world, acl, [...othersThan(acl, entry), entry])
}

/** Takes the entry of that direction and number away. */
export function removeEntry(world: World, acl: NetworkAcl, place: Place): World {
  return withEntries(world, acl, othersThan(acl, place))
}

/** The subnet that has that association, or InvalidAssociationID.NotFound. */
export function findAssociated(world: World, associationId: string): Subnet {
  for (const subnet of world.subnets.values()) {
    if (subnet.aclAssociationId === associationId) return subnet
  }
  throw noSuch('aclAssociation', associationId)
}

/** Gives a subnet another ACL of its VPC, under a new association id. */
export function associate(
  world: World,
  subnet: Subnet,
  acl: NetworkAcl,
  random: Random,
): { world: World; associationId: string } {
  if (acl.vpcId !== subnet.vpcId) {
    throw badValue(
      'networkAclId',
      acl.aclId,
      `It belongs to ${acl.vpcId}, and the subnet ${subnet.subnetId} to ${subnet.vpcId}.`,
    )
  }
  const associationId = newId('aclassoc', random)
  const moved = { ...subnet, aclId: acl.aclId, aclAssociationId: associationId }
  const subnets = put(world.subnets, subnet.subnetId, moved)
  return { world: { ...world, subnets }, associationId }
}

/** Drops an ACL that is no VPC's default and that no subnet has. */
export function dropAcl(world: World, { aclId, isDefault }: NetworkAcl): World {
  if (isDefault) {
    throw new Refusal('InvalidParameterValue', `cannot delete default network ACL ${aclId}`)
  }
  if (subnetsOf(world, aclId).length > 0) {
    throw new Refusal(
      'DependencyViolation',
      `The networkAcl '${aclId}' has dependencies and cannot be deleted.`,
    )
  }
  return withoutAcl(world, aclId)
}

const samePlace = (a: Place, b: Place): boolean =>
  a.direction === b.direction && a.ruleNumber === b.ruleNumber

function othersThan(acl: NetworkAcl, place: Place): NetworkAclEntry[] {
  const others = acl.entries.filter((each) => !samePlace(each, place))
  if (others.length < acl.entries.length) return others
  throw new Refusal(
    'InvalidNetworkAclEntry.NotFound',
    `no ${place.direction} entry with number ${place.ruleNumber}`,
  )
}

/** The quota counts each direction and IP version by itself, and EC2's own last entry with them. */
function withEntries(world: World, acl: NetworkAcl, entries: readonly NetworkAclEntry[]): World {
  for (const direction of ['ingress', 'egress'] as const) {
    for (const kind of ['ipv4', 'ipv6'] as const) {
      const mine = entries.filter((e) => e.direction === direction && e.peer.kind === kind)
      if (mine.length + 1 <= QUOTA.entriesPerAcl) continue
      throw new Refusal(
        'NetworkAclEntryLimitExceeded',
        `The maximum number of network acl entries (${QUOTA.entriesPerAcl}, the default deny ` +
          `counted) has been reached.`,
      )
    }
  }
  return withAcl(world, { ...acl, entries })
}
