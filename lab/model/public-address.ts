// Public addresses: Elastic IPs, which are allocated, associated and released, and those that come
// with an interface when what has it is launched. Each stands for one private address of one ENI,
// and a private address has one at most. They are all of 198.51.100.0/24 (RFC 5737). Pure.

import { knownCidr } from './addresses.ts'
import { addressAt } from './cidr.ts'
import { publicDnsName } from './dns-name.ts'
import { newId, type Random } from './ids.ts'
import { gatewayOf } from './internet-gateway.ts'
import { QUOTA } from './quota.ts'
import { badValue, Refusal } from './refusal.ts'
import { letGo, type PublicAddress } from './way-out.ts'
import { drop, type NetworkInterface, put, REGION, type World } from './world.ts'

/** Where public addresses come from. */
export const PUBLIC_POOL = '198.51.100.0/24'
const HOSTS = 254

/** A public address with its association. */
export type Associated = PublicAddress & {
  readonly association: NonNullable<PublicAddress['association']>
}
/** An Elastic IP. */
export type ElasticIp = PublicAddress & { readonly allocationId: string }

/** Allocates an Elastic IP. */
export function allocate(world: World, random: Random): { world: World; address: ElasticIp } {
  const elastic = [...world.publicAddresses.values()].filter(isElastic)
  if (elastic.length >= QUOTA.addressesPerRegion) {
    throw new Refusal('AddressLimitExceeded', 'The maximum number of addresses has been reached.')
  }
  const address = { publicIp: freeAddress(world, random), allocationId: newId('eipalloc', random) }
  return { world: withAddress(world, address), address }
}

/** Gives it back; refused while it is associated. */
export function release(world: World, { publicIp, allocationId, association }: ElasticIp): World {
  if (association !== undefined) {
    throw new Refusal('InvalidIPAddress.InUse', `Address ${publicIp} is in use.`)
  }
  return {
    ...world,
    publicAddresses: drop(world.publicAddresses, publicIp),
    tags: drop(world.tags, allocationId),
  }
}

/**
 * Has an Elastic IP stand for a private address. The same again changes nothing; one that stands
 * for another, or a private address that has another, moves only when that is allowed.
 */
export function associate(
  world: World,
  address: ElasticIp,
  eni: NetworkInterface,
  { privateIp, mayMove }: { privateIp: string; mayMove: boolean },
  random: Random,
): { world: World; associationId: string } {
  const { publicIp, allocationId, association } = address
  if (association?.eniId === eni.eniId && association.privateIp === privateIp) {
    return { world, associationId: association.associationId }
  }
  const other = addressFor(world, eni.eniId, privateIp)
  const conflict = association === undefined ? other : { ...address, association }
  if (conflict !== undefined && conflict.allocationId !== undefined && !mayMove) {
    throw new Refusal(
      'Resource.AlreadyAssociated',
      `resource ${conflict.allocationId} is already associated with associate-id ` +
        conflict.association.associationId,
    )
  }
  if (gatewayOf(world, eni.vpcId) === undefined) {
    throw new Refusal(
      'Gateway.NotAttached',
      `Network ${eni.vpcId} is not attached to any internet gateway`,
    )
  }
  const associationId = newId('eipassoc', random)
  const freed = letGo(world.publicAddresses, (each) => each.publicIp === other?.publicIp)
  const moved = {
    publicIp,
    allocationId,
    association: { associationId, eniId: eni.eniId, privateIp },
  }
  return { world: withAddress({ ...world, publicAddresses: freed }, moved), associationId }
}

/** Ends an association; what came with the interface is gone with it. */
export const disassociate = (world: World, { publicIp }: PublicAddress): World => ({
  ...world,
  publicAddresses: letGo(world.publicAddresses, (each) => each.publicIp === publicIp),
})

/** Gives an ENI's primary address a public one for as long as the ENI lives, as a launch does. */
export function launchAddress(world: World, eni: NetworkInterface, random: Random): World {
  const [privateIp] = eni.ipv4
  if (privateIp === undefined) return world
  const association = { associationId: newId('eipassoc', random), eniId: eni.eniId, privateIp }
  return withAddress(world, { publicIp: freeAddress(world, random), association })
}

/** The public address that stands for a private one of an ENI. */
export function addressFor(world: World, eniId: string, privateIp: string): Associated | undefined {
  return associatedWith(world, eniId).find((each) => each.association.privateIp === privateIp)
}

/** The public addresses of an ENI. */
export function associatedWith(world: World, eniId: string): Associated[] {
  return [...world.publicAddresses.values()].flatMap((address) => {
    const { association } = address
    return association?.eniId === eniId ? [{ ...address, association }] : []
  })
}

/** Whether an address is the account's own, and not one that came with an interface. */
export const isElastic = (address: PublicAddress): address is ElasticIp =>
  address.allocationId !== undefined

/** The public DNS name of an address of a VPC's, or an empty text where the VPC gives no names. */
export function publicNameIn(world: World, vpcId: string, publicIp: string): string {
  const named = world.vpcs.get(vpcId)?.enableDnsHostnames ?? false
  return named ? publicDnsName(publicIp, REGION) : ''
}

/** The private address that is meant: the one asked for, else the primary one. */
export function privateOf(eni: NetworkInterface, asked: string | undefined): string {
  const [primary] = eni.ipv4
  const privateIp = asked ?? primary
  if (privateIp !== undefined && eni.ipv4.includes(privateIp)) return privateIp
  throw badValue(
    'privateIpAddress',
    asked ?? '',
    `The network interface '${eni.eniId}' does not have this private IP address.`,
  )
}

/** Any that is free: one that was given back seldom comes again at once. */
function freeAddress(world: World, random: Random): string {
  const pool = knownCidr(4, PUBLIC_POOL)
  const start = random(1)[0] ?? 0
  for (let step = 0; step < HOSTS; step++) {
    const publicIp = addressAt(pool, BigInt(1 + ((start + step) % HOSTS)))
    if (!world.publicAddresses.has(publicIp)) return publicIp
  }
  throw new Refusal(
    'InsufficientAddressCapacity',
    `Not enough available addresses to satisfy your request: ${PUBLIC_POOL} is all given out.`,
  )
}

const withAddress = (world: World, address: PublicAddress): World => ({
  ...world,
  publicAddresses: put(world.publicAddresses, address.publicIp, address),
})
