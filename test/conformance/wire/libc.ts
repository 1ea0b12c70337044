// The system calls of the conformance suite: sockets born in a namespace, and waiting for them. Own
// bindings on purpose, shared with nothing of the lab: a mistake there must not hide itself here.
// Entering a namespace is synchronous, and a socket opened there belongs to it for life.

import fs from 'node:fs'
import { isIPv4 } from 'node:net'
import koffi from 'koffi'

const libc = koffi.load(null)
const setns = libc.func('int setns(int, int)')
const socket = libc.func('int socket(int, int, int)')
const bind = libc.func('int bind(int, const uint8_t *, uint32_t)')
const listen = libc.func('int listen(int, int)')
const connect = libc.func('int connect(int, const uint8_t *, uint32_t)')
const accept4 = libc.func('int accept4(int, _Out_ uint8_t *, _Inout_ uint32_t *, int)')
const setsockopt = libc.func('int setsockopt(int, int, int, const uint8_t *, uint32_t)')
const sendto = libc.func(
  'int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)',
)
const recvfrom = libc.func(
  'int64_t recvfrom(int, _Out_ uint8_t *, size_t, int, _Out_ uint8_t *, _Inout_ uint32_t *)',
)
const pollCall = libc.func('int poll(_Inout_ uint8_t *, unsigned long, int)')
const inetPton = libc.func('int inet_pton(int, const char *, _Out_ uint8_t *)')
const closeCall = libc.func('int close(int)')
const getCpu = libc.func('int sched_getcpu()')
const getAffinity = libc.func('int sched_getaffinity(int, size_t, _Out_ uint8_t *)')
const setAffinity = libc.func('int sched_setaffinity(int, size_t, const uint8_t *)')

const CLONE_NEWNET = 0x40000000
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
const DONTWAIT_NOSIGNAL = 0x40 | 0x4000
const AF_PACKET = 17
const ON = Buffer.of(1, 0, 0, 0)
export const [STREAM, DATAGRAM, RAW] = [1, 2, 3] as const
const home = fs.openSync('/proc/thread-self/ns/net', 'r')

/** An IP version. */
export type Ip = 4 | 6

/** Does synchronous work inside a namespace; when the way back fails nothing safe is left to do. */
export function within<T>(netnsFd: number, work: () => T): T {
  if (setns(netnsFd, CLONE_NEWNET) !== 0) throw new Error('cannot enter a namespace: is this root?')
  try {
    return work()
  } finally {
    if (setns(home, CLONE_NEWNET) !== 0) process.abort()
  }
}

/**
 * Does synchronous work on the processor that this thread is on. What it sends there the kernel handles
 * there, in the order in which it was sent, through however many namespaces it goes: a link that ends
 * in another namespace has one queue for each processor.
 */
export function onOneProcessor<T>(work: () => T): T {
  const allowed = Buffer.alloc(128)
  if (getAffinity(0, allowed.length, allowed) < 0) throw new Error(`errno ${koffi.errno()}`)
  const processor: number = getCpu()
  const here = Buffer.alloc(allowed.length)
  here[processor >> 3] = 1 << (processor & 7)
  check(setAffinity(0, here.length, here), `stay on processor ${processor}`)
  try {
    return work()
  } finally {
    check(setAffinity(0, allowed.length, allowed), 'leave the processor')
  }
}

/** The 4 or 16 bytes of an address, by libc; throws when it is none. */
export function bytesOf(address: string): Buffer {
  const bytes = Buffer.alloc(isIPv4(address) ? 4 : 16)
  if (inetPton(isIPv4(address) ? 2 : 10, address, bytes) === 1) return bytes
  throw new Error(`'${address}' is no address`)
}

/** A socket in a namespace: `type` STREAM, DATAGRAM or RAW (then of that protocol). */
export function open(netnsFd: number, ip: Ip, type: number, protocol = 0): number {
  const family = ip === 4 ? 2 : 10
  const fd: number = within(netnsFd, () => socket(family, type | NONBLOCK_CLOEXEC, protocol))
  if (fd < 0) throw new Error(`no socket: errno ${koffi.errno()}`)
  if (type !== RAW) setsockopt(fd, 1, 2, ON, 4) // SO_REUSEADDR
  if (type === STREAM) {
    setsockopt(fd, 6, 1, ON, 4) // TCP_NODELAY
    setsockopt(fd, 1, 13, Buffer.of(1, 0, 0, 0, 0, 0, 0, 0), 8) // SO_LINGER 0: closing resets.
  }
  if (type === RAW) {
    const size = Buffer.alloc(4)
    size.writeInt32LE(4096)
    setsockopt(fd, 1, 8, size, 4) // SO_RCVBUF: nobody reads it.
  }
  return fd
}

/** A packet socket on an interface: sends whole frames, hears all that come in. */
export function openPacket(netnsFd: number, ifindex: number): number {
  const fd: number = within(netnsFd, () => socket(AF_PACKET, RAW | NONBLOCK_CLOEXEC, 0))
  if (fd < 0) throw new Error(`no packet socket: errno ${koffi.errno()}`)
  const room = Buffer.alloc(4)
  room.writeInt32LE(16 * 1024 * 1024)
  setsockopt(fd, 1, 33, room, 4) // SO_RCVBUFFORCE
  setsockopt(fd, 263, 23, ON, 4) // PACKET_IGNORE_OUTGOING
  const struct = Buffer.alloc(20) // struct sockaddr_ll
  struct.writeUInt16LE(AF_PACKET, 0)
  struct.writeUInt16BE(3, 2) // ETH_P_ALL
  struct.writeInt32LE(ifindex, 4)
  check(bind(fd, struct, 20), `listen on link ${ifindex}`)
  return fd
}

function structOf(address: string, port: number): Buffer {
  const bytes = bytesOf(address)
  const struct = Buffer.alloc(bytes.length === 4 ? 16 : 28)
  struct.writeUInt16LE(bytes.length === 4 ? 2 : 10, 0)
  struct.writeUInt16BE(port, 2)
  bytes.copy(struct, bytes.length === 4 ? 4 : 8)
  return struct
}

/** Binds a socket; of a raw one the port is 0. */
export function bindTo(fd: number, address: string, port: number): void {
  const struct = structOf(address, port)
  check(bind(fd, struct, struct.length), `bind ${address} port ${port}`)
}

/** Has a bound STREAM socket listen. */
export const listenOn = (fd: number): void => check(listen(fd, 1024), 'listen')

/** Begins to connect; what the kernel says at once does not matter, only packets do. */
export function connectTo(fd: number, address: string, port: number): void {
  const struct = structOf(address, port)
  connect(fd, struct, struct.length)
}

/**
 * Sends bytes, to an address or on what the socket is connected or bound to. Gives whether the kernel
 * took them; what becomes of them packets tell.
 */
export function send(fd: number, bytes: Buffer, address?: string, port = 0): boolean {
  const struct = address === undefined ? null : structOf(address, port)
  const sent = sendto(fd, bytes, bytes.length, DONTWAIT_NOSIGNAL, struct, struct?.length ?? 0)
  return Number(sent) === bytes.length
}

/** The next connection of a listener and its peer's port, or undefined. */
export function acceptOne(fd: number): { fd: number; port: number } | undefined {
  const struct = Buffer.alloc(28)
  const accepted: number = accept4(fd, struct, [28], NONBLOCK_CLOEXEC)
  return accepted < 0 ? undefined : { fd: accepted, port: struct.readUInt16BE(2) }
}

const room = Buffer.alloc(65536)
const peer = Buffer.alloc(28)

/** The next bytes on a socket (valid until the next call), or undefined; empty at a stream's end. */
export function receive(fd: number): Buffer | undefined {
  const length = Number(recvfrom(fd, room, room.length, 0x40, peer, [28]))
  return length < 0 ? undefined : room.subarray(0, length)
}

/** Sends what was last received on that datagram socket back to its sender. */
export function echo(fd: number, bytes: Buffer): void {
  sendto(fd, bytes, bytes.length, DONTWAIT_NOSIGNAL, peer, peer.readUInt16LE(0) === 2 ? 16 : 28)
}

/** Which of the sockets can be read, waiting at most so long. */
export function readable(fds: readonly number[], waitMs: number): number[] {
  const table = Buffer.alloc(8 * fds.length)
  fds.forEach((fd, at) => {
    table.writeInt32LE(fd, 8 * at)
    table.writeInt16LE(1, 8 * at + 4) // POLLIN
  })
  if (pollCall(table, fds.length, waitMs) <= 0) return []
  return fds.filter((_, at) => table.readInt16LE(8 * at + 6) !== 0)
}

/** Closes a socket. */
export const close = (fd: number): void => void closeCall(fd)

function check(result: number, what: string): void {
  if (result !== 0) throw new Error(`${what}: errno ${koffi.errno()}`)
}
