// IP addresses as the fabric takes them: strict text in, bytes or canonical text out. Strict,
// because a parser that guesses (octal, short forms, zones, host names) would widen a rule.

import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** The family of an address in full strict form; undefined for anything else. */
export function familyOf(text: string): 'ipv4' | 'ipv6' | undefined {
  if (isIPv4(text)) return 'ipv4'
  return isIPv6(text) && !text.includes('%') ? 'ipv6' : undefined
}

/** The 4 or 16 bytes of an address. Throws on anything that is not one. */
export function addressBytes(text: string): Buffer {
  if (familyOf(text) === undefined) throw new Error(`'${text}' is not an IP address`)
  return Buffer.from(ipaddr.parse(text).toByteArray())
}

/** An address, or `address/prefix length`: its network's bytes and how many bits count. */
export function blockOf(text: string): { address: Buffer; prefixLength: number } {
  const family = familyOf(text.split('/')[0] ?? '') ?? 'ipv4'
  const bits = family === 'ipv4' ? 32 : 128
  const { address, length } = parseCidr(text.includes('/') ? text : `${text}/${bits}`, family)
  return { address: addressBytes(address), prefixLength: length }
}

/** The one way to write an address, so that equal addresses are equal strings. */
export function canonical(text: string): string {
  return ipaddr.fromByteArray([...addressBytes(text)]).toString()
}

/** The network of `a.b.c.d/n` or `x::/n`, its host bits cleared. Throws on anything else. */
export function parseCidr(
  text: string,
  family: 'ipv4' | 'ipv6',
): { address: string; length: number } {
  const [address = '', digits = '', ...rest] = text.split('/')
  const bits = family === 'ipv4' ? 32 : 128
  const length = /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : bits + 1
  if (rest.length > 0 || length > bits || familyOf(address) !== family) {
    throw new Error(`'${text}' is not an ${family} CIDR; write address/prefix length, 0 to ${bits}`)
  }
  const bytes = addressBytes(address)
  for (let bit = length; bit < bits; bit++) {
    const at = bit >> 3
    bytes[at] = (bytes[at] ?? 0) & ~(0x80 >> (bit & 7))
  }
  return { address: ipaddr.fromByteArray([...bytes]).toString(), length }
}

/** The link-local address that a MAC gives an interface (EUI-64), the only one an ENI may use. */
export function linkLocal(mac: string): string {
  const bytes = Buffer.from(mac.replaceAll(':', ''), 'hex')
  const interfaceId = [...bytes.subarray(0, 3), 0xff, 0xfe, ...bytes.subarray(3)]
  interfaceId[0] = (interfaceId[0] ?? 0) ^ 2
  return ipaddr.fromByteArray([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...interfaceId]).toString()
}
