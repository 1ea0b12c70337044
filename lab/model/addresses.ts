// Which addresses of a subnet are free. The first four and the last are reserved in both families
// (network, router, resolver, future; IPv4 has a broadcast address that nothing uses). The search
// goes round: it starts behind the address given last, so one that was given back rests as long as
// the subnet is large, and no ARP entry or client out there still means its former owner.

import type { Cidr, Family } from './cidr.ts'
import { addressAt, formatAddress, holds, parseAddress, parseCidr, sizeOf } from './cidr.ts'
import { badValue, Refusal } from './refusal.ts'
import type { NetworkInterface, Subnet, World } from './world.ts'

/** Host numbers below this one are reserved in every subnet, and so is the last. */
const FIRST_HOST = 4

/** IPv6 host numbers are handed out within 16 bits: ::4 to ::fffe, readable and plenty. */
const IPV6_HOSTS = 1n << 16n

/** A CIDR that the model itself wrote, as numbers; throws on a defect. */
export function knownCidr(family: Family, text: string): Cidr {
  const cidr = parseCidr(family, text)
  if (cidr === undefined) throw new Error(`the model holds a bad CIDR: ${text}`)
  return cidr
}

/** Every address of that family that an ENI of the subnet has. */
export function usedAddresses(world: World, subnetId: string, family: Family): Set<string> {
  const used = new Set<string>()
  for (const eni of world.enis.values()) {
    if (eni.subnetId === subnetId) for (const ip of addressesOf(eni, family)) used.add(ip)
  }
  return used
}

/** How many IPv4 addresses the subnet could still give. */
export function availableCount(world: World, subnet: Subnet): number {
  const all = Number(sizeOf(knownCidr(4, subnet.ipv4Cidr)))
  return all - FIRST_HOST - 1 - usedAddresses(world, subnet.subnetId, 4).size
}

/**
 * Takes `count` free addresses and moves the subnet's starting point behind them.
 * InsufficientFreeAddressesInSubnet when there are not so many.
 */
export function takeAddresses(
  world: World,
  subnet: Subnet,
  family: Family,
  count: number,
  asked: readonly string[] = [],
): { addresses: string[]; subnet: Subnet } {
  if (count === 0) return { addresses: [], subnet }
  const cidr = cidrOf(subnet, family)
  const used = usedAddresses(world, subnet.subnetId, family)
  for (const address of asked) used.add(address)
  const last = Number(family === 4 ? sizeOf(cidr) : IPV6_HOSTS) - 1
  const addresses: string[] = []
  let host = family === 4 ? subnet.ipv4Next : subnet.ipv6Next
  for (let tried = FIRST_HOST; tried < last && addresses.length < count; tried++) {
    if (host >= last) host = FIRST_HOST
    const address = addressAt(cidr, BigInt(host))
    if (!used.has(address)) addresses.push(address)
    host++
  }
  if (addresses.length < count) {
    throw new Refusal(
      'InsufficientFreeAddressesInSubnet',
      `There are not enough free addresses in subnet '${subnet.subnetId}' to satisfy the ` +
        'requested number of instances.',
    )
  }
  const next = family === 4 ? { ipv4Next: host } : { ipv6Next: host }
  return { addresses, subnet: { ...subnet, ...next } }
}

/** Checks one address that a caller chose, and gives it in canonical form. */
export function checkAsked(
  world: World,
  subnet: Subnet,
  family: Family,
  text: string,
  parameter: string,
): string {
  const address = parseAddress(family, text)
  if (address === undefined) throw badValue(parameter, text, `It is not an IPv${family} address.`)
  const cidr = cidrOf(subnet, family)
  if (!holds(cidr, address)) {
    throw badValue(parameter, text, "Address does not fall within the subnet's address range")
  }
  const host = address - cidr.base
  if (host < BigInt(FIRST_HOST) || host === sizeOf(cidr) - 1n) {
    throw badValue(parameter, text, "Address is in subnet's reserved address range")
  }
  const canonical = formatAddress(family, address)
  if (usedAddresses(world, subnet.subnetId, family).has(canonical)) {
    throw new Refusal('InvalidIPAddress.InUse', `Address ${canonical} is in use.`)
  }
  return canonical
}

const addressesOf = (eni: NetworkInterface, family: Family): readonly string[] =>
  family === 4 ? eni.ipv4 : eni.ipv6

function cidrOf(subnet: Subnet, family: Family): Cidr {
  if (family === 4) return knownCidr(4, subnet.ipv4Cidr)
  if (subnet.ipv6Cidr === undefined) {
    throw new Refusal(
      'InvalidParameterValue',
      `The subnet '${subnet.subnetId}' has no IPv6 CIDR block: ask for no IPv6 address in it.`,
    )
  }
  return knownCidr(6, subnet.ipv6Cidr)
}
