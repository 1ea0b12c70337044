// Whose an address is: an ENI's own, or one of a prefix that is delegated to it. Pure.

import { type Family, formatCidr, parseCidr } from '../model/cidr.ts'
import type { NetworkInterface, World } from '../model/world.ts'

/** What of an ENI says which addresses are its own. */
export type Addressed = Pick<
  NetworkInterface,
  'eniId' | 'ipv4' | 'ipv6' | 'ipv4Prefixes' | 'ipv6Prefixes'
>
type OwnerOf = (address: string) => string | undefined

/** Finds ENIs by address. */
export function ownersOf(enis: Iterable<Addressed>): OwnerOf {
  const owners = new Map<string, string>()
  for (const { eniId, ipv4, ipv6, ipv4Prefixes, ipv6Prefixes } of enis) {
    for (const each of [...ipv4, ...ipv6, ...ipv4Prefixes, ...ipv6Prefixes]) owners.set(each, eniId)
  }
  return (address) => owners.get(address) ?? owners.get(prefixOf(address))
}

/** The same for a world, its map made once for each. */
export function addressBook(): (world: World, address: string) => string | undefined {
  let known: World['enis'] | undefined
  let ownerOf: OwnerOf = () => undefined
  return ({ enis }, address) => {
    if (known !== enis) {
      known = enis
      ownerOf = ownersOf(enis.values())
    }
    return ownerOf(address)
  }
}

/** The block that an address would be delegated with: EC2 has /28 and /80. */
function prefixOf(address: string): string {
  const [family, bits]: [Family, number] = address.includes(':') ? [6, 80] : [4, 28]
  const cidr = parseCidr(family, `${address}/${bits}`)
  return cidr === undefined ? '' : formatCidr(cidr)
}
