// Which blocks of a VPC are free for the stage's subnets, and an address in one by its number. Pure.

import { bytesOf } from '../wire/libc.ts'

const numberOf = (address: string): bigint => BigInt(`0x${bytesOf(address).toString('hex')}`)

function textOf(value: bigint, bytes: number): string {
  const hex = value.toString(16).padStart(bytes * 2, '0')
  if (bytes === 4) return [...Buffer.from(hex, 'hex')].join('.')
  const words = (hex.match(/.{4}/g) ?? []).map((word) => Number.parseInt(word, 16).toString(16))
  // URL is how Node writes an IPv6 address the one way (RFC 5952).
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}

type Block = { readonly base: bigint; readonly bits: number; readonly bytes: number }

function read(cidr: string): Block {
  const [address = '', bits = ''] = cidr.split('/')
  return { base: numberOf(address), bits: Number(bits), bytes: bytesOf(address).length }
}

const sizeOf = ({ bits, bytes }: Block): bigint => 1n << BigInt(bytes * 8 - bits)

/** The address of that number in a block. */
export function hostIn(cidr: string, number: number): string {
  const { base, bytes } = read(cidr)
  return textOf(base + BigInt(number), bytes)
}

/** A block as its network's address and length say it. */
export function networkOf(cidr: string): string {
  const { base, bits, bytes } = read(cidr)
  const below = BigInt(bytes * 8 - bits)
  return `${textOf((base >> below) << below, bytes)}/${bits}`
}

/** So many /24 and /64 of a VPC that overlap nothing that is taken, from the upper end. */
export function freeBlocks(
  vpc: { readonly ipv4: string; readonly ipv6: string },
  taken: readonly string[],
  count: number,
): { ipv4: string; ipv6: string }[] {
  const [v4, v6] = [free(vpc.ipv4, 24, taken, count), free(vpc.ipv6, 64, taken, count)]
  return v4.map((ipv4, at) => ({ ipv4, ipv6: v6[at] ?? '' }))
}

function free(within: string, bits: number, taken: readonly string[], count: number): string[] {
  const whole = read(within)
  const others = taken.filter((cidr) => cidr.includes(':') === within.includes(':')).map(read)
  const found: string[] = []
  const step = 1n << BigInt(whole.bytes * 8 - bits)
  for (let base = whole.base + sizeOf(whole) - step; base >= whole.base; base -= step) {
    const size = step
    const clash = others.some((o) => base < o.base + sizeOf(o) && o.base < base + size)
    if (!clash) found.push(`${textOf(base, whole.bytes)}/${bits}`)
    if (found.length === count) return found
  }
  throw new Error(`${within} has no ${count} free blocks of /${bits}`)
}
