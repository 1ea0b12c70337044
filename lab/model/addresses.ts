// Which addresses of a subnet are free. The first four and the last are reserved in both families
// (network, router, resolver, future; IPv4 has a broadcast address that nothing uses). The search
// goes round: it starts behind the address given last, so one that was given back rests as long as
// the subnet is large, and no ARP entry or client out there still means its former owner. Of a
// reservation (reservation.ts) no address is given to who did not name it.

import type { Cidr, Family } from './cidr.ts'
import {
  addressAt,
  bitsOf,
  formatAddress,
  formatCidr,
  holds,
  parseAddress,
  parseCidr,
  sizeOf,
} from './cidr.ts'
import { badValue, Refusal } from './refusal.ts'
import type { NetworkInterface, Subnet, World } from './world.ts'

/** Host numbers below this one are reserved in every subnet, and so is the last. */
export const FIRST_HOST = 4

/** The length of a delegated prefix (EC2 user guide, "Prefix delegation"). */
export const PREFIX_LENGTH = { 4: 28, 6: 80 } as const

/** IPv6 host numbers are handed out within 16 bits: ::4 to ::fffe, readable and plenty. */
const IPV6_HOSTS = 1n << 16n

/** A CIDR that the model itself wrote, as numbers; throws on a defect. */
export function knownCidr(family: Family, text: string): Cidr {
  const cidr = parseCidr(family, text)
  if (cidr === undefined) throw new Error(`the model holds a bad CIDR: ${text}`)
  return cidr
}

/** What the ENIs of a subnet have of one family. */
export type Taken = {
  readonly addresses: ReadonlySet<string>
  readonly prefixes: ReadonlySet<string>
}

/** What is taken in a subnet; `draft` stands for the ENI of its id, as it is going to be. */
export function takenIn(
  world: World,
  subnetId: string,
  family: Family,
  draft?: NetworkInterface,
): Taken {
  const taken = { addresses: new Set<string>(), prefixes: new Set<string>() }
  const [addresses, prefixes] =
    family === 4 ? (['ipv4', 'ipv4Prefixes'] as const) : (['ipv6', 'ipv6Prefixes'] as const)
  // Asked for each new address, of every ENI: nothing is made for any of them.
  const add = (eni: NetworkInterface): void => {
    for (const address of eni[addresses]) taken.addresses.add(address)
    for (const prefix of eni[prefixes]) taken.prefixes.add(prefix)
  }
  for (const eni of world.enis.values()) {
    if (eni.subnetId === subnetId && eni.eniId !== draft?.eniId) add(eni)
  }
  if (draft !== undefined) add(draft)
  return taken
}

/** The addresses and prefixes of one family that an ENI has. */
export const holdings = (
  eni: NetworkInterface,
  family: Family,
): { readonly addresses: readonly string[]; readonly prefixes: readonly string[] } =>
  family === 4
    ? { addresses: eni.ipv4, prefixes: eni.ipv4Prefixes }
    : { addresses: eni.ipv6, prefixes: eni.ipv6Prefixes }

/** Whether an address is somebody's, alone or in a prefix. */
export function isTaken({ addresses, prefixes }: Taken, family: Family, address: bigint): boolean {
  if (addresses.has(formatAddress(family, address))) return true
  return prefixes.size > 0 && prefixes.has(prefixAround(family, address))
}

/** The prefix that an address would be in, as text. */
export function prefixAround(family: Family, address: bigint): string {
  const prefix = PREFIX_LENGTH[family]
  const host = BigInt(bitsOf(family) - prefix)
  return formatCidr({ family, base: (address >> host) << host, prefix })
}

/**
 * How many IPv4 addresses the subnet could still give, beside a draft where there is one. A prefix
 * takes all of its sixteen.
 */
export function availableCount(world: World, subnet: Subnet, draft?: NetworkInterface): number {
  if (subnet.ipv4Cidr === undefined) return 0
  const all = Number(sizeOf(knownCidr(4, subnet.ipv4Cidr)))
  const { addresses, prefixes } = takenIn(world, subnet.subnetId, 4, draft)
  return all - FIRST_HOST - 1 - addresses.size - prefixes.size * 2 ** (32 - PREFIX_LENGTH[4])
}

/**
 * Takes `count` free addresses for an ENI and moves the subnet's starting point behind them.
 * InsufficientFreeAddressesInSubnet when there are not so many.
 */
export function takeAddresses(
  world: World,
  eni: NetworkInterface,
  subnet: Subnet,
  family: Family,
  count: number,
): { addresses: string[]; subnet: Subnet } {
  if (count === 0) return { addresses: [], subnet }
  const cidr = cidrOf(subnet, family)
  const taken = takenIn(world, subnet.subnetId, family, eni)
  const reserved = reservedIn(world, subnet.subnetId, family)
  const last = Number(family === 4 ? sizeOf(cidr) : IPV6_HOSTS) - 1
  const addresses: string[] = []
  let host = family === 4 ? subnet.ipv4Next : subnet.ipv6Next
  for (let tried = FIRST_HOST; tried < last && addresses.length < count; tried++) {
    if (host >= last) host = FIRST_HOST
    const address = cidr.base + BigInt(host)
    if (!isTaken(taken, family, address) && !reserved.some((each) => holds(each.cidr, address))) {
      addresses.push(addressAt(cidr, BigInt(host)))
    }
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

/** Reads one address that a caller chose: in the subnet, not reserved; used or not is not asked. */
export function readAsked(
  subnet: Subnet,
  family: Family,
  text: string,
  parameter: string,
): { address: bigint; canonical: string } {
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
  return { address, canonical: formatAddress(family, address) }
}

/** The subnet's block of that family; a subnet without one is refused. */
export function cidrOf(subnet: Subnet, family: Family): Cidr {
  const block = family === 4 ? subnet.ipv4Cidr : subnet.ipv6Cidr
  if (block !== undefined) return knownCidr(family, block)
  throw new Refusal(
    'InvalidParameterValue',
    `The subnet '${subnet.subnetId}' has no IPv${family} CIDR block: ask for no IPv${family} ` +
      'address in it.',
  )
}

/** The subnet's reservations of that family, as numbers. */
export function reservedIn(
  world: World,
  subnetId: string,
  family: Family,
): { readonly type: 'prefix' | 'explicit'; readonly cidr: Cidr }[] {
  const found: { type: 'prefix' | 'explicit'; cidr: Cidr }[] = []
  for (const each of world.subnetCidrReservations.values()) {
    if (each.subnetId !== subnetId || each.family !== family) continue
    found.push({ type: each.type, cidr: knownCidr(family, each.cidr) })
  }
  return found
}
