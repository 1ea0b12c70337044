// Which delegated prefixes of a subnet are free: whole /28 and /80 blocks, aligned, of which no
// address is reserved or somebody's. EC2 takes them from the reservations of type prefix first (EC2
// user guide, "Prefix delegation"), then from what is not reserved. The search goes round from the
// end of the subnet downwards, while single addresses are given from its start upwards: so the two
// leave each other room, and a prefix that was given back rests.
//
// A subnet that has the addresses and no whole block of them is fragmented, which EC2 tells apart
// from one that is full (AWS support, in cilium/cilium pull request 31016).

import {
  availableCount,
  cidrOf,
  PREFIX_LENGTH,
  prefixAround,
  reservedIn,
  type Taken,
  takenIn,
} from './addresses.ts'
import {
  bitsOf,
  type Cidr,
  contains,
  type Family,
  formatCidr,
  overlaps,
  parseAddress,
  parseCidr,
  sizeOf,
} from './cidr.ts'
import { badValue, Refusal } from './refusal.ts'
import type { NetworkInterface, Subnet, World } from './world.ts'

/** Takes `count` free prefixes for an ENI: all of them, or none and EC2's reason. */
export function takePrefixes(
  world: World,
  eni: NetworkInterface,
  subnet: Subnet,
  family: Family,
  count: number,
): { prefixes: string[]; subnet: Subnet } {
  if (count === 0) return { prefixes: [], subnet }
  const cidr = cidrOf(subnet, family)
  const total = blockNumber(cidr, cidr.base + sizeOf(cidr))
  const taken = takenBlocks(takenIn(world, subnet.subnetId, family, eni), family)
  const prefixes: string[] = []
  let start = total - 1 - (family === 4 ? subnet.ipv4PrefixNext : subnet.ipv6PrefixNext)
  for (const number of candidates(world, subnet, cidr, start)) {
    if (prefixes.length === count) break
    const text = formatCidr(blockAt(cidr, number))
    if (number === 0 || number === total - 1 || taken.has(text)) continue
    prefixes.push(text)
    start = number - 1
  }
  if (prefixes.length < count) throw noRoom(availableCount(world, subnet, eni), family, count)
  const next = total - 1 - start
  return {
    prefixes,
    subnet: { ...subnet, ...(family === 4 ? { ipv4PrefixNext: next } : { ipv6PrefixNext: next }) },
  }
}

/** Reads one prefix that a caller chose, in the subnet and with no reserved address in it. */
export function readAskedPrefix(
  subnet: Subnet,
  family: Family,
  text: string,
  parameter: string,
): { cidr: Cidr; canonical: string } {
  const cidr = parseCidr(family, text)
  const length = PREFIX_LENGTH[family]
  if (cidr === undefined || cidr.prefix !== length) {
    throw badValue(parameter, text, `An IPv${family} prefix must be a CIDR block of /${length}.`)
  }
  if (parseAddress(family, text.split('/')[0] ?? '') !== cidr.base) {
    throw badValue(parameter, text, `It is not aligned: use ${formatCidr(cidr)}.`)
  }
  const all = cidrOf(subnet, family)
  if (!contains(all, cidr)) {
    throw badValue(parameter, text, "Prefix does not fall within the subnet's address range")
  }
  const number = blockNumber(all, cidr.base)
  if (number === 0 || number === blockNumber(all, all.base + sizeOf(all)) - 1) {
    throw badValue(parameter, text, "Prefix overlaps with the subnet's reserved addresses")
  }
  return { cidr, canonical: formatCidr(cidr) }
}

/** Whether an address of the prefix, or the prefix itself, is somebody's. */
export const isPrefixTaken = (taken: Taken, family: Family, canonical: string): boolean =>
  takenBlocks(taken, family).has(canonical)

/** Every block of which something is taken. */
function takenBlocks({ addresses, prefixes }: Taken, family: Family): Set<string> {
  const blocks = new Set(prefixes)
  for (const text of addresses) {
    const address = parseAddress(family, text)
    if (address === undefined) throw new Error(`the model holds a bad address: ${text}`)
    blocks.add(prefixAround(family, address))
  }
  return blocks
}

/** The numbers of the blocks that EC2 chooses from, in its order: reserved for prefixes, then free. */
function* candidates(
  world: World,
  subnet: Subnet,
  cidr: Cidr,
  start: number,
): Generator<number, void> {
  const reserved = reservedIn(world, subnet.subnetId, cidr.family)
  for (const each of reserved) {
    if (each.type !== 'prefix') continue
    const { base } = each.cidr
    const from = blockNumber(cidr, base + (1n << hostBits(cidr)) - 1n) // Whole blocks of it alone.
    yield* downwards(from, blockNumber(cidr, base + sizeOf(each.cidr)), start)
  }
  for (const number of downwards(0, blockNumber(cidr, cidr.base + sizeOf(cidr)), start)) {
    const block = blockAt(cidr, number)
    if (!reserved.some((each) => overlaps(each.cidr, block))) yield number
  }
}

/** The numbers from `from` until `to`, each once: down from `start`, then from the end. */
function* downwards(from: number, to: number, start: number): Generator<number, void> {
  const first = start >= from && start < to ? start : to - 1
  for (let number = first; number >= from; number--) yield number
  for (let number = to - 1; number > first; number--) yield number
}

const hostBits = ({ family }: Cidr): bigint => BigInt(bitsOf(family) - PREFIX_LENGTH[family])

/** How many whole blocks lie between the start of the subnet's block and that address. */
const blockNumber = (cidr: Cidr, address: bigint): number =>
  Number((address - cidr.base) >> hostBits(cidr))

const blockAt = (cidr: Cidr, number: number): Cidr => ({
  family: cidr.family,
  base: cidr.base + (BigInt(number) << hostBits(cidr)),
  prefix: PREFIX_LENGTH[cidr.family],
})

function noRoom(free: number, family: Family, count: number): Refusal {
  if (family === 4 && free < count * 2 ** (32 - PREFIX_LENGTH[4])) {
    return new Refusal(
      'InvalidParameterValue',
      "There aren't sufficient free Ipv4 addresses or prefixes",
    )
  }
  return new Refusal(
    'InsufficientCidrBlocks',
    'The specified subnet does not have enough free cidr blocks to satisfy the request.',
  )
}
