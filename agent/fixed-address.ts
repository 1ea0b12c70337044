// What a caller wishes of an ENI's addresses: whether one of the subnets named can give it. Whether an
// address is free only EC2 knows; what it refuses is never tried with another address. Pure.

import ipaddr from 'ipaddr.js'
import type { SubnetFacts } from '../state/allocation.ts'
import type { EniSpec } from '../state/spec.ts'
import { Failure } from './failure.ts'
import type { PlacementFacts } from './placement.ts'

type Wish = Pick<EniSpec, 'ipv4' | 'ipv6' | 'publicIp'>

/** Whether all addresses that are asked for lie in this subnet, and an IPv4 one where a public one is. */
export const hasAddresses = (subnet: SubnetFacts, { ipv4, ipv6, publicIp }: Wish): boolean =>
  [ipv4, ipv6].every(
    (address) => address === undefined || subnet.cidrs?.some((cidr) => contains(cidr, address)),
  ) &&
  (publicIp === undefined || hasIpv4(subnet))

/** Unless its blocks are known to be of IPv6 alone. */
const hasIpv4 = ({ cidrs = [] }: SubnetFacts): boolean =>
  cidrs.length === 0 || cidrs.some((cidr) => ipaddr.parseCIDR(cidr)[0].kind() === 'ipv4')

/**
 * Throws a Failure `refused` where no subnet in the host's zone has the addresses, AWS keeps them, or
 * a public address is asked for and there is no IPv4 that it could stand for.
 */
export function checkAddresses(
  { host, subnet }: Pick<PlacementFacts, 'host' | 'subnet'>,
  enis: readonly EniSpec[],
): void {
  for (const eni of enis) {
    const addresses = [eni.ipv4, eni.ipv6].filter((address) => address !== undefined)
    const here = eni.subnetIds
      .flatMap((id) => subnet(id) ?? [])
      .filter(({ availabilityZone }) => availabilityZone === host.availabilityZone)
    const wantsIpv4 = eni.publicIp !== undefined && here.length > 0
    if (wantsIpv4 && !here.some(hasIpv4)) throw publicIpWithoutIpv4(here[0]?.subnetId ?? '')
    if (addresses.length === 0) continue
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

/** For a public IPv4 address that has nothing to stand for. */
export const publicIpWithoutIpv4 = (where: string): Failure =>
  new Failure('refused', 'PublicIpWithoutIpv4', `${where} has IPv6 alone: no public IPv4 address`, {
    hint: 'Ask for no public address: an IPv6 address is one where the subnet has an internet gateway.',
  })

const keptByAws = (address: string, cidr: string): Failure =>
  new Failure('refused', 'AddressReserved', `AWS keeps ${address} of ${cidr} for itself`, {
    hint: 'The first four addresses of a subnet and its last cannot be given to anybody.',
  })
