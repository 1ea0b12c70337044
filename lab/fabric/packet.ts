// What the first bytes of a packet say: addresses, protocol, ports. Pure, and of anything at all: a
// guest sends what it likes, and whatever cannot be read is left out.

import ipaddr from 'ipaddr.js'
import { ICMP, ICMPV6, TCP, UDP } from './protocol.ts'

const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd }
/** Protocols whose header begins with two ports: also SCTP and UDP-Lite. */
const WITH_PORTS = [TCP, UDP, 132, 136]
/** IPv6 headers between the fixed one and the transport's (RFC 8200), and the fragment's. */
const EXTENSIONS = [0, 43, 60]
const FRAGMENT = 44
const EXTENSIONS_MAX = 8

/** What is known of a packet. */
export type PacketHeaders = {
  readonly etherType: number
  /** An IP protocol number. */
  readonly protocol?: number
  readonly source?: string
  readonly destination?: string
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly icmpType?: number
  readonly icmpCode?: number
  /** The whole packet's length, from its IP header on, as that says. */
  readonly bytes?: number
}

/** Reads a packet from its network header on; the payload may be cut, or be anything. */
export function readHeaders(etherType: number, payload: Buffer): PacketHeaders {
  if (etherType === ETHERTYPE.IPV4) return { etherType, ...ipv4(payload) }
  if (etherType === ETHERTYPE.IPV6) return { etherType, ...ipv6(payload) }
  if (etherType === ETHERTYPE.ARP && payload.length >= 28) {
    return {
      etherType,
      source: address(payload.subarray(14, 18)),
      destination: address(payload.subarray(24, 28)),
    }
  }
  return { etherType }
}

type Headers = Omit<PacketHeaders, 'etherType'>

function ipv4(payload: Buffer): Headers {
  if (payload.length < 20 || (payload[0] ?? 0) >> 4 !== 4) return {}
  const protocol = payload[9] ?? 0
  const isLaterFragment = (payload.readUInt16BE(6) & 0x1fff) !== 0
  return {
    protocol,
    source: address(payload.subarray(12, 16)),
    destination: address(payload.subarray(16, 20)),
    bytes: payload.readUInt16BE(2),
    ...(isLaterFragment ? {} : transport(protocol, payload, ((payload[0] ?? 0) & 15) * 4)),
  }
}

function ipv6(payload: Buffer): Headers {
  if (payload.length < 40 || (payload[0] ?? 0) >> 4 !== 6) return {}
  let protocol = payload[6] ?? 0
  let at = 40
  let isLaterFragment = false
  for (let count = 0; count < EXTENSIONS_MAX && at + 8 <= payload.length; count++) {
    if (protocol === FRAGMENT) {
      isLaterFragment ||= (payload.readUInt16BE(at + 2) & 0xfff8) !== 0
    } else if (!EXTENSIONS.includes(protocol)) break
    const length = protocol === FRAGMENT ? 8 : 8 + (payload[at + 1] ?? 0) * 8
    protocol = payload[at] ?? 0
    at += length
  }
  return {
    protocol,
    source: address(payload.subarray(8, 24)),
    destination: address(payload.subarray(24, 40)),
    bytes: 40 + payload.readUInt16BE(4),
    ...(isLaterFragment ? {} : transport(protocol, payload, at)),
  }
}

function transport(protocol: number, payload: Buffer, at: number): Headers {
  if (WITH_PORTS.includes(protocol) && at + 4 <= payload.length) {
    return { sourcePort: payload.readUInt16BE(at), destinationPort: payload.readUInt16BE(at + 2) }
  }
  if ((protocol === ICMP || protocol === ICMPV6) && at + 2 <= payload.length) {
    return { icmpType: payload[at] ?? 0, icmpCode: payload[at + 1] ?? 0 }
  }
  return {}
}

const address = (bytes: Buffer): string => ipaddr.fromByteArray([...bytes]).toString()
