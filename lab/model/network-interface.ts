// An ENI is made here, for CreateNetworkInterface and for the lab's own probes alike: groups are
// checked against the subnet's VPC, addresses are taken, the MAC is new for life.

import { checkAsked, knownCidr, takeAddresses } from './addresses.ts'
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
  put,
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
  /** IPv6 addresses to choose; else what the subnet says. */
  readonly ipv6Count?: number | undefined
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
  const chosen = chooseAddresses(world, subnet, wish)
  const macs = new Set([...world.enis.values()].map((eni) => eni.mac))
  const eni: NetworkInterface = {
    eniId: newId('eni', random),
    subnetId: subnet.subnetId,
    vpcId: subnet.vpcId,
    zone: subnet.zone,
    mac: newMac(random, macs),
    ipv4: chosen.ipv4,
    ipv6: chosen.ipv6,
    groupIds,
    description: wish.description ?? '',
    sourceDestCheck: true,
    status: 'pending',
    managed: wish.managed ?? false,
  }
  const subnets = put(world.subnets, subnet.subnetId, chosen.subnet)
  return { world: withEni({ ...world, subnets }, eni), eni }
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
    const { attachment } = eni
    if (attachment === undefined || instanceOf(world, eni)?.instanceId !== instanceId) continue
    found.push({ ...eni, attachment })
  }
  return found.sort((a, b) => a.attachment.deviceIndex - b.attachment.deviceIndex)
}

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
      'probe of the lab, which removes it when the probe ends.',
    403,
  )
}

/** The router's addresses in a subnet, which guests use as gateway: `.1` and `::1`. */
export function routerOf(subnet: Subnet): { ipv4: string; ipv6?: string } {
  const ipv4 = addressAt(knownCidr(4, subnet.ipv4Cidr), 1n)
  if (subnet.ipv6Cidr === undefined) return { ipv4 }
  return { ipv4, ipv6: addressAt(knownCidr(6, subnet.ipv6Cidr), 1n) }
}

function chooseAddresses(
  world: World,
  subnet: Subnet,
  wish: EniWish,
): { ipv4: string[]; ipv6: string[]; subnet: Subnet } {
  const asked4 = (wish.ipv4Asked ?? []).map((ip) =>
    checkAsked(world, subnet, 4, ip, 'privateIpAddress'),
  )
  const asked6 = (wish.ipv6Asked ?? []).map((ip) =>
    checkAsked(world, subnet, 6, ip, 'ipv6Addresses'),
  )
  for (const asked of [asked4, asked6]) {
    if (new Set(asked).size === asked.length) continue
    throw new Refusal('InvalidParameterValue', 'An address is asked for twice.')
  }
  const count4 = wish.ipv4Count ?? (asked4.length > 0 ? 0 : 1)
  const byDefault6 = asked6.length === 0 && subnet.assignIpv6OnCreation ? 1 : 0
  const took4 = takeAddresses(world, subnet, 4, count4, asked4)
  const took6 = takeAddresses(world, took4.subnet, 6, wish.ipv6Count ?? byDefault6, asked6)
  return {
    ipv4: [...asked4, ...took4.addresses],
    ipv6: [...asked6, ...took6.addresses],
    subnet: took6.subnet,
  }
}
