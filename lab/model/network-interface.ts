// An ENI is made here, for CreateNetworkInterface and for the lab's own probes alike: groups are
// checked against the subnet's VPC, addresses are taken, the MAC is new for life.

import { knownCidr } from './addresses.ts'
import { assign } from './assignment.ts'
import { addressAt } from './cidr.ts'
import { newId, newMac, type Random } from './ids.ts'
import { findGroup, findSubnet } from './look-up.ts'
import { QUOTA } from './quota.ts'
import { Refusal } from './refusal.ts'
import { defaultGroupOf } from './security-group.ts'
import {
  ACCOUNT_ID,
  type Attachment,
  type Instance,
  type NetworkInterface,
  type Subnet,
  type World,
  withEni,
} from './world.ts'

/** What a new ENI should be like; absent members mean EC2's defaults. */
export type EniWish = {
  readonly subnetId: string
  readonly groupIds?: readonly string[] | undefined
  readonly description?: string | undefined
  /** Addresses the caller chose, the primary first. */
  readonly ipv4Asked?: readonly string[]
  /** IPv4 addresses to choose, besides those asked; 1 unless an address was asked. */
  readonly ipv4Count?: number
  readonly ipv6Asked?: readonly string[]
  /** IPv6 addresses to choose; else what the subnet says, unless IPv6 prefixes are wished. */
  readonly ipv6Count?: number | undefined
  /** Delegated prefixes, chosen by the caller or to choose. */
  readonly ipv4PrefixesAsked?: readonly string[] | undefined
  readonly ipv4PrefixCount?: number | undefined
  readonly ipv6PrefixesAsked?: readonly string[] | undefined
  readonly ipv6PrefixCount?: number | undefined
  readonly managed?: boolean
}

/** Makes an ENI (`pending`) and gives the world that has it. */
export function makeEni(
  world: World,
  wish: EniWish,
  random: Random,
): { world: World; eni: NetworkInterface } {
  if (world.enis.size >= QUOTA.enisPerRegion) {
    throw new Refusal(
      'NetworkInterfaceLimitExceeded',
      `The maximum number of network interfaces (${QUOTA.enisPerRegion}) has been reached.`,
    )
  }
  const subnet = findSubnet(world, wish.subnetId)
  const groupIds = checkGroups(world, subnet.vpcId, wish.groupIds)
  const macs = new Set([...world.enis.values()].map((eni) => eni.mac))
  const eni: NetworkInterface = {
    eniId: newId('eni', random),
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    zone: subnet.zone,
    mac: newMac(random, macs),
    ipv4: [],
    ipv6: [],
    ipv4Prefixes: [],
    ipv6Prefixes: [],
    groupIds,
    description: wish.description ?? '',
    sourceDestCheck: true,
    status: 'pending',
    managed: wish.managed ?? false,
  }
  const hasIpv4 = subnet.ipv4Cidr !== undefined
  const with4 = assign(world, eni, 4, {
    asked: wish.ipv4Asked,
    count: wish.ipv4Count ?? ((wish.ipv4Asked ?? []).length > 0 || !hasIpv4 ? 0 : 1),
    prefixesAsked: wish.ipv4PrefixesAsked,
    prefixCount: wish.ipv4PrefixCount,
  })
  const said6 = [wish.ipv6Asked, wish.ipv6PrefixesAsked].some((asked = []) => asked.length > 0)
  const byDefault6 = subnet.assignIpv6OnCreation && !said6 && wish.ipv6PrefixCount === undefined
  const made = assign(with4.world, with4.eni, 6, {
    asked: wish.ipv6Asked,
    count: wish.ipv6Count ?? (byDefault6 ? 1 : 0),
    prefixesAsked: wish.ipv6PrefixesAsked,
    prefixCount: wish.ipv6PrefixCount,
  })
  const { ipv4, ipv6, ipv6Prefixes } = made.eni
  if (ipv4.length + ipv6.length + ipv6Prefixes.length === 0) {
    throw new Refusal(
      'InvalidParameterValue',
      `The subnet '${subnet.subnetId}' is IPv6-only: a network interface in it needs IPv6.`,
    )
  }
  return { world: made.world, eni: made.eni }
}

/** The groups an ENI of that VPC may wear: those asked, else the default one. */
export function checkGroups(
  world: World,
  vpcId: string,
  asked: readonly string[] | undefined,
): readonly string[] {
  if (asked === undefined || asked.length === 0) return [defaultGroupOf(world, vpcId).groupId]
  const groupIds = [...new Set(asked)]
  for (const groupId of groupIds) {
    if (findGroup(world, groupId).vpcId !== vpcId) {
      throw new Refusal(
        'InvalidGroup.NotFound',
        'You have specified two resources that belong to different networks.',
      )
    }
  }
  if (groupIds.length > QUOTA.groupsPerEni) {
    throw new Refusal(
      'InvalidParameterValue',
      `user ${ACCOUNT_ID} exceeded limit ${QUOTA.groupsPerEni} on the number of interface ` +
        'security group memberships',
    )
  }
  return groupIds
}

/** The ENI with that attachment, in the status that follows from it. */
export const attached = (eni: NetworkInterface, attachment: Attachment): NetworkInterface => ({
  ...eni,
  status: 'in-use',
  attachment,
})

/** The ENI without an attachment. */
export function detached({ attachment: _gone, ...eni }: NetworkInterface): NetworkInterface {
  return { ...eni, status: 'available' }
}

/** The world when that ENI is no longer pending; unchanged where it has gone on or away. */
export function settlePending(world: World, eniId: string): World {
  const eni = world.enis.get(eniId)
  return eni?.status === 'pending' ? withEni(world, { ...eni, status: 'available' }) : world
}

/** The world when that attachment is no longer attaching; unchanged where it no longer was. */
export function settleAttaching(world: World, eniId: string, attachmentId: string): World {
  const eni = world.enis.get(eniId)
  const { attachment } = eni ?? {}
  if (eni === undefined || attachment?.attachmentId !== attachmentId) return world
  if (attachment.status !== 'attaching') return world
  return withEni(world, attached(eni, { ...attachment, status: 'attached' }))
}

/** The world when that attachment's detaching is over; unchanged where it was not detaching. */
export function settleDetaching(world: World, eniId: string, attachmentId: string): World {
  const eni = world.enis.get(eniId)
  if (eni?.attachment?.attachmentId !== attachmentId) return world
  return eni.attachment.status === 'detaching' ? withEni(world, detached(eni)) : world
}

/** The ENIs attached to an instance, by device index. */
export function attachedTo(
  world: World,
  instanceId: string,
): (NetworkInterface & { readonly attachment: Attachment })[] {
  const found: (NetworkInterface & { readonly attachment: Attachment })[] = []
  for (const eni of world.enis.values()) {
    if (isAttached(eni) && instanceOf(world, eni)?.instanceId === instanceId) found.push(eni)
  }
  return found.sort((a, b) => a.attachment.deviceIndex - b.attachment.deviceIndex)
}

const isAttached = (
  eni: NetworkInterface,
): eni is NetworkInterface & { readonly attachment: Attachment } => eni.attachment !== undefined

/** The instance that an ENI is attached to, if it is to one. */
export function instanceOf(world: World, eni: NetworkInterface): Instance | undefined {
  const to = eni.attachment?.to
  return to !== undefined && 'instanceId' in to ? world.instances.get(to.instanceId) : undefined
}

/** Refuses what EC2 refuses of an ENI that another owner manages: here, the lab's own probes. */
export function refuseManaged(eni: NetworkInterface): void {
  if (!eni.managed) return
  throw new Refusal(
    'OperationNotPermitted',
    `You do not have permission to access the specified resource: '${eni.eniId}' belongs to a ` +
      (eni.natGatewayId === undefined
        ? 'probe of the lab, which removes it when the probe ends.'
        : `NAT gateway, ${eni.natGatewayId}, and goes with it.`),
    403,
  )
}

/** The router's addresses in a subnet, which guests use as gateway: `.1` and `::1`. */
export function routerOf({ ipv4Cidr, ipv6Cidr }: Subnet): { ipv4?: string; ipv6?: string } {
  return {
    ...(ipv4Cidr === undefined ? {} : { ipv4: addressAt(knownCidr(4, ipv4Cidr), 1n) }),
    ...(ipv6Cidr === undefined ? {} : { ipv6: addressAt(knownCidr(6, ipv6Cidr), 1n) }),
  }
}
