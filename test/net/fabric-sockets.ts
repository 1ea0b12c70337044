// Sockets for the fabric's tests, born in a guest's namespace: TCP, UDP, ICMP and whole frames.
// Own bindings on purpose: a mistake in the fabric's must not hide itself. Everything waits in
// poll(), so an answer counts as soon as it is there and silence costs SILENCE_MS.

import fs from 'node:fs'
import { isIPv4 } from 'node:net'
import koffi from 'koffi'

/** How long nothing must come before it counts as dropped; an answer takes under 1 ms here. */
export const SILENCE_MS = 120
const ANSWER_MS = 2000

const libc = koffi.load(null)
const setns = libc.func('int setns(int, int)')
const socket = libc.func('int socket(int, int, int)')
const bind = libc.func('int bind(int, const uint8_t *, uint32_t)')
const listen = libc.func('int listen(int, int)')
const connect = libc.func('int connect(int, const uint8_t *, uint32_t)')
const accept = libc.func('int accept(int, void *, void *)')
const setsockopt = libc.func('int setsockopt(int, int, int, const uint8_t *, uint32_t)')
const getsockopt = libc.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)')
const sendto = libc.func(
  'int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)',
)
const recv = libc.func('int64_t recv(int, _Out_ uint8_t *, size_t, int)')
const poll = libc.func('int poll(_Inout_ uint8_t *, unsigned long, int)')
const inetPton = libc.func('int inet_pton(int, const char *, _Out_ uint8_t *)')
/** Closes a socket of this file. */
export const close = libc.func('int close(int)')

const CLONE_NEWNET = 0x40000000
const [STREAM, DATAGRAM, RAW] = [1, 2, 3]
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
const [POLLIN, POLLOUT] = [1, 4]
const home = fs.openSync('/proc/thread-self/ns/net', 'r')

const familyOf = (address: string): number => (isIPv4(address) ? 2 : 10)

function born(netns: string, family: number, type: number, protocol = 0): number {
  const there = fs.openSync(netns, 'r')
  if (setns(there, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${netns}: is this root?`)
  const fd: number = socket(family, type | NONBLOCK_CLOEXEC, protocol)
  if (setns(home, CLONE_NEWNET) !== 0) process.abort()
  fs.closeSync(there)
  if (fd < 0) throw new Error(`no socket in ${netns}: errno ${koffi.errno()}`)
  return fd
}

/** The 4 or 16 bytes of an address, by libc. */
export function bytesOf(address: string): Buffer {
  const bytes = Buffer.alloc(isIPv4(address) ? 4 : 16)
  if (inetPton(familyOf(address), address, bytes) !== 1) throw new Error(`bad address ${address}`)
  return bytes
}

function sockaddr(address: string, port: number): Buffer {
  const bytes = bytesOf(address)
  const struct = Buffer.alloc(bytes.length === 4 ? 16 : 28)
  struct.writeUInt16LE(familyOf(address), 0)
  struct.writeUInt16BE(port, 2)
  bytes.copy(struct, bytes.length === 4 ? 4 : 8)
  return struct
}

function ready(fd: number, events: number, waitMs: number): boolean {
  const entry = Buffer.alloc(8)
  entry.writeInt32LE(fd, 0)
  entry.writeInt16LE(events, 4)
  return poll(entry, 1, waitMs) > 0
}

function bound(fd: number, address: string, port: number): number {
  setsockopt(fd, 1, 2, Buffer.of(1, 0, 0, 0), 4) // SO_REUSEADDR
  const struct = sockaddr(address, port)
  if (bind(fd, struct, struct.length) !== 0) throw new Error(`bind ${address}: ${koffi.errno()}`)
  return fd
}

/** A TCP listener in a namespace; the kernel completes handshakes without anybody accepting. */
export function listenTcp(netns: string, address: string, port: number): number {
  const fd = bound(born(netns, familyOf(address), STREAM), address, port)
  if (listen(fd, 64) !== 0) throw new Error(`listen: ${koffi.errno()}`)
  return fd
}

/** The next connection of a listener. */
export function acceptTcp(listener: number): number {
  if (!ready(listener, POLLIN, ANSWER_MS)) throw new Error('nobody connects')
  return accept(listener, null, null)
}

/** Connects and keeps the socket; undefined when no answer came. A refusal is an answer. */
export function connectTcp(
  netns: string,
  to: string,
  port: number,
  waitMs = SILENCE_MS,
): { fd: number; answer: 'open' | 'refused' | 'silent' } {
  const fd = born(netns, familyOf(to), STREAM)
  const struct = sockaddr(to, port)
  // A namespace that has no way there says so at once, and such a socket is soon "ready", too.
  const isOnItsWay = connect(fd, struct, struct.length) === 0 || koffi.errno() === 115
  if (!isOnItsWay || !ready(fd, POLLOUT, waitMs)) return { fd, answer: 'silent' }
  const error = Buffer.alloc(4)
  getsockopt(fd, 1, 4, error, [4]) // SO_ERROR
  const number = error.readInt32LE()
  return { fd, answer: number === 0 ? 'open' : number === 111 ? 'refused' : 'silent' }
}

/** What a TCP connection attempt from a namespace meets. */
export function tcp(netns: string, to: string, port: number): 'open' | 'refused' | 'silent' {
  const { fd, answer } = connectTcp(netns, to, port)
  close(fd)
  return answer
}

/** A UDP socket in a namespace. Port 0 lets the kernel choose. */
export function udpSocket(netns: string, address: string, port: number): number {
  return bound(born(netns, familyOf(address), DATAGRAM), address, port)
}

/** Sends bytes on a socket; without an address, on what it is connected or bound to. */
export function send(fd: number, bytes: Buffer, to?: string, port = 0): number {
  const struct = to === undefined ? null : sockaddr(to, port)
  return Number(sendto(fd, bytes, bytes.length, 0, struct, struct?.length ?? 0))
}

/** The next bytes on a socket, or undefined when none come in time. */
export function receive(fd: number, waitMs = SILENCE_MS): Buffer | undefined {
  if (!ready(fd, POLLIN, waitMs)) return undefined
  const buffer = Buffer.alloc(65536)
  const length = Number(recv(fd, buffer, buffer.length, 0))
  return length < 0 ? undefined : buffer.subarray(0, length)
}

/** Whether one datagram from a namespace arrives at an address and UDP port of another. */
export function udp(from: string, to: { netns: string; address: string }, port: number): boolean {
  const receiver = udpSocket(to.netns, to.address, port)
  const sender = born(from, familyOf(to.address), DATAGRAM)
  send(sender, Buffer.from('datagram'), to.address, port)
  const arrived = receive(receiver) !== undefined
  close(sender)
  close(receiver)
  return arrived
}

let pingId = process.pid

/**
 * Whether an ICMP or ICMPv6 request of a type (echo, unless said) is answered. A new flow each time,
 * unless its id is said: an old one may be agreed.
 */
export function ping(
  netns: string,
  to: string,
  type = isIPv4(to) ? 8 : 128,
  id = ++pingId & 0xffff,
): boolean {
  const isV4 = isIPv4(to)
  const fd = born(netns, familyOf(to), RAW, isV4 ? 1 : 58)
  const packet = Buffer.alloc(20)
  packet[0] = type
  packet.writeUInt16BE(id, 4)
  if (isV4) packet.writeUInt16BE(checksum(packet), 2)
  send(fd, packet, to)
  const answer = isV4 ? (type === 8 ? 0 : type + 1) : type + 1
  let answered = false
  for (let got = receive(fd); got !== undefined && !answered; got = receive(fd)) {
    answered = got[isV4 ? 20 : 0] === answer
  }
  close(fd)
  return answered
}

/** A packet socket on an interface: sends whole frames, hears all that come. */
export function packetSocket(netns: string, ifindex: number): number {
  const fd = born(netns, 17, RAW, 0x0300) // ETH_P_ALL in network order.
  const struct = Buffer.alloc(20) // struct sockaddr_ll
  struct.writeUInt16LE(17, 0)
  struct.writeUInt16BE(3, 2)
  struct.writeInt32LE(ifindex, 4)
  if (bind(fd, struct, 20) !== 0) throw new Error(`bind to link ${ifindex}: ${koffi.errno()}`)
  return fd
}

/** Whether a frame or packet that holds these bytes comes in time. */
export function hears(fd: number, marker: string | Buffer, waitMs = SILENCE_MS): boolean {
  const end = performance.now() + waitMs
  for (let left = waitMs; left > 0; left = end - performance.now()) {
    if (receive(fd, Math.ceil(left))?.includes(marker)) return true
  }
  return false
}

/** The internet checksum (RFC 1071). */
export function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes.readUInt16BE(at)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
