// Addresses and CIDR blocks as numbers. Strict on the way in: only the plain dotted quad and the
// RFC 4291 forms are addresses here; octal, hex, short and zoned forms are refused, because a lax
// reader is how an emulator widens a rule. Canonical on the way out (RFC 5952).

import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** IP version. */
export type Family = 4 | 6

/** A block of addresses: `base` has no bit set below the prefix. */
export type Cidr = { readonly family: Family; readonly base: bigint; readonly prefix: number }

/** Bits of an address of that family. */
export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128)

/** Reads one address of that family, or gives undefined. */
export function parseAddress(family: Family, text: string): bigint | undefined {
  if (family === 4 ? !isIPv4(text) : !isIPv6(text) || text.includes('%')) return undefined
  const bytes = ipaddr.parse(text).toByteArray()
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

/** Writes one address: dotted quad, or RFC 5952. */
export function formatAddress(family: Family, address: bigint): string {
  const bytes: number[] = []
  for (let bit = bitsOf(family) - 8; bit >= 0; bit -= 8) {
    bytes.push(Number((address >> BigInt(bit)) & 0xffn))
  }
  const parsed = ipaddr.fromByteArray(bytes)
  return parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString()
}

/** Reads `address/prefix` and clears the host bits, as EC2 does; undefined when it is neither. */
export function parseCidr(family: Family, text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const prefixText = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText)) return undefined
  const prefix = Number(prefixText)
  const address = parseAddress(family, text.slice(0, slash))
  if (address === undefined || prefix > bitsOf(family)) return undefined
  const host = BigInt(bitsOf(family) - prefix)
  return { family, base: (address >> host) << host, prefix }
}

/** Writes a block as `address/prefix`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.family, cidr.base)}/${cidr.prefix}`
}

/** How many addresses a block has. */
export const sizeOf = (cidr: Cidr): bigint => 1n << BigInt(bitsOf(cidr.family) - cidr.prefix)

/** The address at `offset` from the start of the block. */
export const addressAt = (cidr: Cidr, offset: bigint): string =>
  formatAddress(cidr.family, cidr.base + offset)

/** Whether the address lies in the block. */
export function holds(cidr: Cidr, address: bigint): boolean {
  return address >= cidr.base && address < cidr.base + sizeOf(cidr)
}

/** Whether `inner` lies wholly in `outer`. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.prefix <= inner.prefix && holds(outer, inner.base)
}

/** Whether two blocks share an address. */
export const overlaps = (a: Cidr, b: Cidr): boolean => contains(a, b) || contains(b, a)
