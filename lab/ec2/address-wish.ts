// What CreateNetworkInterface says of addresses and prefixes. Its ways of asking exclude each other
// (EC2 API reference): of IPv6 all four; of IPv4 the prefixes and whatever asks for secondary
// addresses, while the primary one may be chosen beside either.

import type { CreateNetworkInterfaceRequest } from '@aws-sdk/client-ec2'
import type { EniWish } from '../model/network-interface.ts'
import { badValue, Refusal } from '../model/refusal.ts'

type Input = CreateNetworkInterfaceRequest
type Given = Readonly<Record<string, unknown>>

/** Reads the wish; refuses what cannot go together, and counts that no interface has. */
export function addressWish(input: Input): Partial<EniWish> {
  return { ...ipv4Wish(input), ...ipv6Wish(input) }
}

/** The name of the one that is given, or none; several are refused by their names. */
export function onlyOne(given: Given): string | undefined {
  const names = Object.keys(given).filter((name) => {
    const value = given[name]
    return Array.isArray(value) ? value.length > 0 : value !== undefined
  })
  if (names.length < 2) return names[0]
  throw new Refusal(
    'InvalidParameterCombination',
    `${names.join(' and ')} cannot be used together: give one of them.`,
  )
}

/** A count of addresses or prefixes; refused outside `min` to `max`. */
export function countOf(name: string, count: number | undefined, min: number, max: number): number {
  const value = count ?? 0
  if (count !== undefined && (value < min || value > max)) {
    throw badValue(name, value, `It must be ${min} to ${max}.`)
  }
  return value
}

function ipv4Wish(input: Input): Partial<EniWish> {
  const { PrivateIpAddress: single, PrivateIpAddresses: several = [] } = input
  const { SecondaryPrivateIpAddressCount, Ipv4PrefixCount, Ipv4Prefixes = [] } = input
  const count = countOf('secondaryPrivateIpAddressCount', SecondaryPrivateIpAddressCount, 0, 49)
  const prefixCount = countOf('ipv4PrefixCount', Ipv4PrefixCount, 1, 49)
  const primaries = several.filter((each) => each.Primary === true)
  if (primaries.length > 1 || (primaries.length === 1 && single !== undefined)) {
    throw new Refusal('InvalidParameterValue', 'Only one address can be the primary address.')
  }
  const others = several.length > 1 ? several : []
  onlyOne({ SecondaryPrivateIpAddressCount, PrivateIpAddresses: others })
  onlyOne({ Ipv4PrefixCount, Ipv4Prefixes, SecondaryPrivateIpAddressCount })
  onlyOne({ Ipv4PrefixCount, Ipv4Prefixes, PrivateIpAddresses: several })
  for (const [index, each] of several.entries()) {
    if (each.PrivateIpAddress !== undefined) continue
    const at = `PrivateIpAddresses.${index + 1}.PrivateIpAddress`
    throw new Refusal('MissingParameter', `The request must contain the parameter ${at}`)
  }
  const text = (each: { PrivateIpAddress?: string | undefined }): string =>
    each.PrivateIpAddress ?? ''
  const primary = single ?? (primaries[0] === undefined ? undefined : text(primaries[0]))
  const secondary = several.filter((each) => each.Primary !== true).map(text)
  if (primary === undefined && secondary.length > 0) {
    throw new Refusal(
      'InvalidParameterCombination',
      'PrivateIpAddresses without a primary one: mark one with Primary, or give PrivateIpAddress.',
    )
  }
  return {
    ipv4Asked: primary === undefined ? [] : [primary, ...secondary],
    ...(count === 0 ? {} : { ipv4Count: count + (primary === undefined ? 1 : 0) }),
    ipv4PrefixCount: prefixCount,
    ipv4PrefixesAsked: Ipv4Prefixes.map(({ Ipv4Prefix = '' }) => Ipv4Prefix),
  }
}

function ipv6Wish(input: Input): Partial<EniWish> {
  const { Ipv6AddressCount, Ipv6Addresses = [], Ipv6PrefixCount, Ipv6Prefixes = [] } = input
  onlyOne({ Ipv6AddressCount, Ipv6Addresses, Ipv6PrefixCount, Ipv6Prefixes })
  countOf('ipv6AddressCount', Ipv6AddressCount, 0, 50)
  countOf('ipv6PrefixCount', Ipv6PrefixCount, 1, 50)
  return {
    ipv6Count: Ipv6AddressCount,
    ipv6Asked: Ipv6Addresses.map(({ Ipv6Address = '' }) => Ipv6Address),
    ipv6PrefixCount: Ipv6PrefixCount,
    ipv6PrefixesAsked: Ipv6Prefixes.map(({ Ipv6Prefix = '' }) => Ipv6Prefix),
  }
}
