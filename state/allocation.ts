// Which of several does it get: a subnet, a device index, a token. Pure answers over plain facts;
// the runner journals the answer before anything is done with it.

import type { HolderId } from './spec.ts'

/** A subnet as far as placement cares. */
export type SubnetFacts = {
  readonly subnetId: string
  readonly availabilityZone: string
  /** Of IPv4; in a subnet of IPv6 alone Infinity, since no block of it runs out. */
  readonly freeAddressCount: number
  /** Its blocks, where an address is to be looked for in them. */
  readonly cidrs?: readonly string[]
}

/**
 * The subnet with most free addresses among those in the host's zone that were not struck. Those of
 * IPv6 alone come last: who names others beside them has IPv4 for as long as there is some.
 */
export function chooseSubnet(
  candidates: readonly SubnetFacts[],
  zone: string,
  struck: readonly string[],
): string | undefined {
  return candidates
    .filter((s) => s.availabilityZone === zone && s.freeAddressCount > 0)
    .filter((s) => !struck.includes(s.subnetId))
    .toSorted((a, b) => rankOf(b) - rankOf(a))[0]?.subnetId
}

const rankOf = ({ freeAddressCount }: SubnetFacts): number =>
  Number.isFinite(freeAddressCount) ? freeAddressCount : 0

/**
 * The smallest free device index on network card 0. Index 0 is the instance's own interface and is
 * never given out. `count` is how many interfaces the card carries, its first included.
 */
export function freeDeviceIndex(
  count: number,
  taken: ReadonlySet<number>,
  struck: readonly string[],
): number | undefined {
  for (let index = 1; index < count; index++) {
    if (!taken.has(index) && !struck.includes(String(index))) return index
  }
  return undefined
}

/**
 * The ClientToken of CreateNetworkInterface: the same after a crash, another one after a strike.
 * At most 64 ASCII characters (EC2 API, "Ensuring idempotency").
 */
export const clientToken = (holder: HolderId, row: string, strikes: number): string =>
  `enid-${holder}-${row.replace(':', '-')}-${strikes}`
