// An address that a caller chose: whether one of the subnets named can give it. Whether it is free only
// EC2 knows; what it refuses is never tried with another address. Pure.

import ipaddr from 'ipaddr.js'
import type { SubnetFacts } from '../state/allocation.ts'
import type { EniSpec } from '../state/spec.ts'
import { Failure } from './failure.ts'
import type { PlacementFacts } from './placement.ts'

type Addresses = Pick<EniSpec, 'ipv4' | 'ipv6'>

/** Whether all addresses that are asked for lie in this subnet. */
export const hasAddresses = ({ cidrs = [] }: SubnetFacts, { ipv4, ipv6 }: Addresses): boolean =>
  [ipv4, ipv6].every(
    (address) => address === undefined || cidrs.some((cidr) => contains(cidr, address)),
  )

/** Throws a Failure `refused` where no subnet in the host's zone has the addresses, or AWS keeps them. */
export function checkAddresses(
  { host, subnet }: Pick<PlacementFacts, 'host' | 'subnet'>,
  enis: readonly EniSpec[],
): void {
  for (const eni of enis) {
    const addresses = [eni.ipv4, eni.ipv6].filter((address) => address !== undefined)
    if (addresses.length === 0) continue
    const here = eni.subnetIds
      .flatMap((id) => subnet(id) ?? [])
      .filter(({ availabilityZone }) => availabilityZone === host.availabilityZone)
    const home = here.find((each) => hasAddresses(each, eni))
    if (home === undefined) throw nowhere(addresses, here, host.availabilityZone)
    for (const cidr of home.cidrs ?? []) {
      const kept = addresses.find((address) => contains(cidr, address) && isKept(cidr, address))
      if (kept !== undefined) throw keptByAws(kept, cidr)
    }
  }
}

/** Whether a block holds an address; of another family it does not. */
function contains(cidr: string, address: string): boolean {
  const [network, length] = ipaddr.parseCIDR(cidr)
  const one = ipaddr.parse(address)
  return one.kind() === network.kind() && one.match(network, length)
}

/** AWS keeps the first four addresses of a subnet and its last (VPC user guide, "Subnet sizing"). */
function isKept(cidr: string, address: string): boolean {
  const [, length] = ipaddr.parseCIDR(cidr)
  const bytes = ipaddr.parse(address).toByteArray()
  const number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const size = 1n << BigInt(bytes.length * 8 - length)
  const place = number & (size - 1n)
  return place < 4n || place === size - 1n
}

function nowhere(addresses: readonly string[], here: readonly SubnetFacts[], zone: string) {
  const known = here.map(({ subnetId, cidrs = [] }) => `${subnetId} has ${cidrs.join(', ')}`)
  const message =
    `no subnet named in ${zone} has ${addresses.join(' and ')}` +
    (known.length === 0 ? '' : `: ${known.join('; ')}`)
  return new Failure('refused', 'AddressNotInSubnet', message, {
    hint: 'Name the subnet that the address is of, or another address.',
  })
}

const keptByAws = (address: string, cidr: string): Failure =>
  new Failure('refused', 'AddressReserved', `AWS keeps ${address} of ${cidr} for itself`, {
    hint: 'The first four addresses of a subnet and its last cannot be given to anybody.',
  })
