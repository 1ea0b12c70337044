// Packets built by hand, for what no ordinary socket sends: another's address, fragments, errors, a
// frame that is no IP. Pure. Every packet carries a mark: eight letters by which it is known again.

import { bytesOf, type Ip } from './libc.ts'

const PROTOCOL = { udp: 17, icmp: 1, icmpv6: 58 } as const

/** The mark of the n-th packet. */
export const markOf = (n: number): string => `m${n.toString(36).padStart(7, '0')}`

/** The internet checksum (RFC 1071). */
export function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const even = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(bytes.length % 2)])

/** With the sum that covers the addresses too (UDP, TCP, ICMPv6). */
function summed(from: string, to: string, protocol: number, body: Buffer, at: number): Buffer {
  const length = Buffer.of(0, protocol, body.length >>> 8, body.length & 0xff)
  const pseudo = Buffer.concat([bytesOf(from), bytesOf(to), length, body])
  const done = Buffer.from(body)
  done.writeUInt16BE(checksum(even(pseudo)) || 0xffff, at)
  return done
}

/** A UDP datagram's bytes. */
export function udpBytes(
  from: string,
  to: string,
  ports: { readonly source: number; readonly target: number },
  words: Buffer,
): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16BE(ports.source, 0)
  head.writeUInt16BE(ports.target, 2)
  head.writeUInt16BE(8 + words.length, 4)
  return summed(from, to, PROTOCOL.udp, Buffer.concat([head, words]), 6)
}

/** The bytes of a TCP segment that asks for a connection. */
export function synBytes(
  from: string,
  to: string,
  ports: { readonly source: number; readonly target: number },
): Buffer {
  const head = Buffer.alloc(20)
  head.writeUInt16BE(ports.source, 0)
  head.writeUInt16BE(ports.target, 2)
  head.set([0x50, 2, 0xff, 0xff], 12)
  return summed(from, to, 6, head, 16)
}

/** A question to a resolver: the IPv4 address of a name (RFC 1035). */
export function dnsQuestion(id: number, name: string): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(id, 0)
  head.set([1, 0, 0, 1], 2) // Recursion desired; one question.
  const labels = name.split('.').map((label) => Buffer.from(`\0${label}`))
  for (const label of labels) label[0] = label.length - 1
  return Buffer.concat([head, ...labels, Buffer.of(0, 0, 1, 0, 1)])
}

/** Whoever is at that MAC asks for an address (RFC 2131: DHCPDISCOVER). */
export function leaseQuestion(number: number, mac: string): Buffer {
  const message = Buffer.alloc(240)
  message.set([1, 1, 6, 0])
  message.writeUInt32BE(number, 4)
  message.set(macBytes(mac), 28)
  message.set([99, 130, 83, 99], 236)
  const question = Buffer.concat([message, Buffer.of(53, 1, 1, 55, 3, 1, 3, 6, 255)])
  const ports = { source: 68, target: 67 }
  const [nobody, all] = ['0.0.0.0', '255.255.255.255']
  return ipPacket(nobody, all, PROTOCOL.udp, udpBytes(nobody, all, ports, question))
}

/** An ICMP message's bytes; of an error, `words` are the packet that it is about. */
export function icmpBytes(
  ip: Ip,
  from: string,
  to: string,
  message: { readonly type: number; readonly code: number; readonly id: number },
  words: Buffer,
): Buffer {
  const head = Buffer.alloc(8)
  head.set([message.type, message.code])
  head.writeUInt16BE(message.id, 4)
  const body = Buffer.concat([head, words])
  if (ip === 6) return summed(from, to, PROTOCOL.icmpv6, body, 2)
  body.writeUInt16BE(checksum(even(body)), 2)
  return body
}

/** An IPv4 packet that may not be cut on its way; of IPv6 none may. */
export function uncut(packet: Buffer): Buffer {
  if ((packet[0] ?? 0) >>> 4 !== 4) return packet
  const done = Buffer.from(packet)
  done[6] = 0x40
  done.writeUInt16BE(0, 10)
  done.writeUInt16BE(checksum(done.subarray(0, 20)), 10)
  return done
}

/** An IP packet; `part` makes it a fragment: its offset in bytes, and whether more come. */
export function ipPacket(
  from: string,
  to: string,
  protocol: number,
  body: Buffer,
  part?: { readonly id: number; readonly offset: number; readonly more: boolean },
): Buffer {
  const [source, target] = [bytesOf(from), bytesOf(to)]
  const place = part === undefined ? 0 : part.offset | (part.more ? 1 : 0)
  if (source.length === 4) {
    const head = Buffer.alloc(20)
    head.set([0x45])
    head.writeUInt16BE(20 + body.length, 2)
    head.writeUInt16BE(part?.id ?? 1, 4)
    head.writeUInt16BE(part === undefined ? 0 : (part.offset >>> 3) | (part.more ? 0x2000 : 0), 6)
    head.set([64, protocol], 8)
    head.set(source, 12)
    head.set(target, 16)
    head.writeUInt16BE(checksum(head), 10)
    return Buffer.concat([head, body])
  }
  const extension = Buffer.alloc(part === undefined ? 0 : 8)
  if (part !== undefined) {
    extension.set([protocol])
    extension.writeUInt16BE(place, 2)
    extension.writeUInt32BE(part.id, 4)
  }
  const head = Buffer.alloc(40)
  head.set([0x60])
  head.writeUInt16BE(extension.length + body.length, 4)
  head.set([part === undefined ? protocol : 44, 64], 6)
  head.set(source, 8)
  head.set(target, 24)
  return Buffer.concat([head, extension, body])
}

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')

/** An Ethernet frame. */
export function frame(to: string, from: string, ethertype: number, body: Buffer): Buffer {
  const type = Buffer.alloc(2)
  type.writeUInt16BE(ethertype)
  return Buffer.concat([macBytes(to), macBytes(from), type, body])
}

/** An ARP request: who has `target`? Tell `sender`, who is at `mac`. */
export function arpRequest(mac: string, sender: string, target: string): Buffer {
  return arp(1, mac, sender, target)
}

/** An ARP message of an operation (1 request, 2 reply). */
export function arp(operation: number, mac: string, sender: string, target: string): Buffer {
  const head = Buffer.of(0, 1, 8, 0, 6, 4, 0, operation)
  const parts = [head, macBytes(mac), bytesOf(sender), Buffer.alloc(6), bytesOf(target)]
  return Buffer.concat(parts)
}

/** A neighbour advertisement that claims `address` for `mac` (RFC 4861), override set. */
export function neighbourAdvert(from: string, to: string, address: string, mac: string): Buffer {
  const option = Buffer.concat([Buffer.of(2, 1), macBytes(mac)])
  const body = Buffer.concat([Buffer.of(136, 0, 0, 0, 0x20, 0, 0, 0), bytesOf(address), option])
  const packet = ipPacket(from, to, PROTOCOL.icmpv6, summed(from, to, PROTOCOL.icmpv6, body, 2))
  packet[7] = 255 // The hop limit: a router takes no other.
  return packet
}
