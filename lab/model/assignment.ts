// What an ENI is given of its subnet and gives back: addresses and prefixes of one family, chosen by
// the caller or by EC2. Pure: all of a wish is done, or none and the reason. One way for an ENI that
// is being made and for one that is there.

import { holdings, isTaken, readAsked, takeAddresses, takenIn } from './addresses.ts'
import { type Family, formatAddress, formatCidr, parseAddress, parseCidr } from './cidr.ts'
import { instanceType } from './instance-type.ts'
import { isPrefixTaken, readAskedPrefix, takePrefixes } from './prefixes.ts'
import { badValue, Refusal } from './refusal.ts'
import { handedOver } from './way-out.ts'
import {
  type Instance,
  type NetworkInterface,
  put,
  type Subnet,
  type World,
  withEni,
} from './world.ts'

/** What an ENI should get of one family; absent members are nothing. */
export type AddressWish = {
  readonly asked?: readonly string[] | undefined
  readonly count?: number | undefined
  readonly prefixesAsked?: readonly string[] | undefined
  readonly prefixCount?: number | undefined
  /** What is asked for may be a secondary address of another ENI, and leaves it. */
  readonly mayReassign?: boolean | undefined
}

/** What an ENI got, and the world in which it has it. */
export type Assigned = {
  readonly world: World
  readonly eni: NetworkInterface
  readonly addresses: readonly string[]
  readonly prefixes: readonly string[]
}

/** Gives an ENI addresses and prefixes of one family. */
export function assign(
  world: World,
  eni: NetworkInterface,
  family: Family,
  wish: AddressWish,
): Assigned {
  const { asked = [], count = 0, prefixesAsked = [], prefixCount = 0 } = wish
  let subnet = world.subnets.get(eni.subnetId)
  if (subnet === undefined) throw new Error(`the model has an ENI in no subnet: ${eni.eniId}`)
  const chosen = takeAsked(world, eni, subnet, family, asked, wish.mayReassign ?? false)
  let draft = withHoldings(eni, family, chosen.addresses, [])
  const took = takeAddresses(chosen.world, draft, subnet, family, count)
  draft = withHoldings(draft, family, took.addresses, [])
  const prefixes = checkPrefixes(chosen.world, draft, subnet, family, prefixesAsked)
  draft = withHoldings(draft, family, [], prefixes)
  const tookPrefixes = takePrefixes(chosen.world, draft, took.subnet, family, prefixCount)
  draft = withHoldings(draft, family, [], tookPrefixes.prefixes)
  subnet = tookPrefixes.subnet
  const subnets = put(chosen.world.subnets, subnet.subnetId, subnet)
  return {
    world: withEni({ ...chosen.world, subnets }, draft),
    eni: draft,
    addresses: [...chosen.addresses, ...took.addresses],
    prefixes: [...prefixes, ...tookPrefixes.prefixes],
  }
}

/** The ENI without those addresses and prefixes. What it does not have, or the primary, is refused. */
export function unassign(
  eni: NetworkInterface,
  family: Family,
  asked: readonly string[],
  prefixesAsked: readonly string[],
): { eni: NetworkInterface; addresses: string[]; prefixes: string[] } {
  const { addresses: own, prefixes: ownPrefixes } = holdings(eni, family)
  const addresses = asked.map((text) => {
    const number = parseAddress(family, text)
    const canonical = number === undefined ? text : formatAddress(family, number)
    if (family === 4 && canonical === own[0]) {
      throw badValue('privateIpAddress', text, 'The primary address cannot be unassigned.')
    }
    if (!own.includes(canonical)) throw notAssigned('addresses', eni)
    return canonical
  })
  const prefixes = prefixesAsked.map((text) => {
    const cidr = parseCidr(family, text)
    const canonical = cidr === undefined ? text : formatCidr(cidr)
    if (!ownPrefixes.includes(canonical)) throw notAssigned('prefixes', eni)
    return canonical
  })
  const rest = {
    addresses: own.filter((each) => !addresses.includes(each)),
    prefixes: ownPrefixes.filter((each) => !prefixes.includes(each)),
  }
  return { eni: holding(eni, family, rest), addresses, prefixes }
}

/** How many of an interface's places are used, in the family that uses more: a prefix takes one. */
export const placesOf = (eni: NetworkInterface): number =>
  Math.max(eni.ipv4.length + eni.ipv4Prefixes.length, eni.ipv6.length + eni.ipv6Prefixes.length)

/** Refuses prefixes on an instance that carries none. */
export function checkPrefixSupport(eni: NetworkInterface, instance: Instance): void {
  const type = instanceType(instance.instanceType)
  if (type.hypervisor === 'nitro' || eni.ipv4Prefixes.length + eni.ipv6Prefixes.length === 0) return
  throw new Refusal(
    'InvalidParameterValue',
    `The instance type ${type.name} does not support prefixes: use a type built on Nitro.`,
  )
}

/** Refuses what is more than an interface of that instance carries. */
export function checkPlaces(eni: NetworkInterface, instance: Instance): void {
  checkPrefixSupport(eni, instance)
  if (placesOf(eni) <= instanceType(instance.instanceType).addressesPerEni) return
  throw new Refusal(
    'PrivateIpAddressLimitExceeded',
    `${eni.eniId}: Number of private addresses will exceed limit.`,
  )
}

function takeAsked(
  world: World,
  eni: NetworkInterface,
  subnet: Subnet,
  family: Family,
  asked: readonly string[],
  mayReassign: boolean,
): { world: World; addresses: string[] } {
  if (asked.length === 0) return { world, addresses: [] }
  const taken = takenIn(world, subnet.subnetId, family, eni)
  const addresses: string[] = []
  let next = world
  for (const [index, text] of asked.entries()) {
    const parameter = family === 4 ? 'privateIpAddress' : 'ipv6Addresses'
    const { address, canonical } = readAsked(subnet, family, text, parameter)
    if (addresses.includes(canonical)) {
      throw new Refusal('InvalidParameterValue', 'An address is asked for twice.')
    }
    if (mayReassign && eni.ipv4.indexOf(canonical) > 0) continue // It is here already.
    addresses.push(canonical)
    if (!isTaken(taken, family, address)) continue
    const owner = mayReassign ? secondaryOwner(next, eni, canonical) : undefined
    if (owner === undefined) {
      const isPrimary = family === 4 && index === 0 && eni.ipv4.length === 0
      throw new Refusal(
        isPrimary ? 'InvalidIPAddress.InUse' : 'InvalidParameterValue',
        `Address ${canonical} is in use.`,
      )
    }
    // Its Elastic IP goes with it (EC2 API reference, AssignPrivateIpAddresses).
    const { publicAddresses: had } = next
    next = { ...next, publicAddresses: handedOver(had, canonical, owner.eniId, eni.eniId) }
    next = withEni(next, { ...owner, ipv4: owner.ipv4.filter((each) => each !== canonical) })
  }
  return { world: next, addresses }
}

/** The other ENI of which that is a secondary IPv4 address, and which may be asked to give it. */
function secondaryOwner(
  world: World,
  eni: NetworkInterface,
  ipv4: string,
): NetworkInterface | undefined {
  for (const other of world.enis.values()) {
    if (other.subnetId !== eni.subnetId || other.eniId === eni.eniId || other.managed) continue
    if (other.ipv4.indexOf(ipv4) > 0) return other
  }
  return undefined
}

function checkPrefixes(
  world: World,
  eni: NetworkInterface,
  subnet: Subnet,
  family: Family,
  asked: readonly string[],
): string[] {
  if (asked.length === 0) return []
  const taken = takenIn(world, subnet.subnetId, family, eni)
  const parameter = family === 4 ? 'ipv4Prefix' : 'ipv6Prefix'
  const prefixes: string[] = []
  for (const text of asked) {
    const { canonical } = readAskedPrefix(subnet, family, text, parameter)
    if (prefixes.includes(canonical) || isPrefixTaken(taken, family, canonical)) {
      throw badValue(parameter, text, 'The prefix, or an address in it, is in use.')
    }
    prefixes.push(canonical)
  }
  return prefixes
}

function withHoldings(
  eni: NetworkInterface,
  family: Family,
  addresses: readonly string[],
  prefixes: readonly string[],
): NetworkInterface {
  const had = holdings(eni, family)
  return holding(eni, family, {
    addresses: [...had.addresses, ...addresses],
    prefixes: [...had.prefixes, ...prefixes],
  })
}

const holding = (
  eni: NetworkInterface,
  family: Family,
  { addresses, prefixes }: { addresses: readonly string[]; prefixes: readonly string[] },
): NetworkInterface => ({
  ...eni,
  ...(family === 4
    ? { ipv4: addresses, ipv4Prefixes: prefixes }
    : { ipv6: addresses, ipv6Prefixes: prefixes }),
})

const notAssigned = (what: string, eni: NetworkInterface): Refusal =>
  new Refusal(
    'InvalidParameterValue',
    `Some of the specified ${what} are not assigned to interface ${eni.eniId}`,
  )
