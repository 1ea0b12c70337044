// The C library, through koffi: the only file that knows of it. The functions here are the system
// calls themselves with errno turned into KernelError. Only the worker thread loads this file.
//
// Constants are Linux's for x86-64 and arm64 (the same there), from the uapi headers.

import os from 'node:os'
import koffi from 'koffi'
import { KernelError } from './kernel-error.ts'

export const AF_INET = 2
export const AF_NETLINK = 16
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_RCVBUF = 8
export const SO_RCVTIMEO = 20
export const SO_BINDTODEVICE = 25
export const SO_ACCEPTCONN = 30
export const SO_RCVBUFFORCE = 33
export const SOL_NETLINK = 270
export const NETLINK_EXT_ACK = 11
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const CLONE_NEWNET = 0x40000000

const libc = koffi.load('libc.so.6')
const c = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const uint8_t *address, uint32_t length)'),
  listen: libc.func('int listen(int fd, int backlog)'),
  sendto: libc.func(
    'int64_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *to, uint32_t toLength)',
  ),
  recv: libc.func('int64_t recv(int fd, _Out_ uint8_t *data, size_t length, int flags)'),
  setsockopt: libc.func(
    'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
  ),
  getsockopt: libc.func(
    'int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)',
  ),
  getsockname: libc.func(
    'int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *length)',
  ),
  ioctl: libc.func('int ioctl(int fd, unsigned long request)'),
  setns: libc.func('int setns(int fd, int type)'),
  eventfd: libc.func('int eventfd(uint32_t initial, int flags)'),
  poll: libc.func('int poll(_Inout_ uint8_t *fds, uint64_t count, int timeoutMs)'),
  epoll_create1: libc.func('int epoll_create1(int flags)'),
  epoll_ctl: libc.func('int epoll_ctl(int epoll, int op, int fd, const uint8_t *event)'),
  epoll_wait: libc.func(
    'int epoll_wait(int epoll, _Out_ uint8_t *events, int count, int timeoutMs)',
  ),
  close: libc.func('int close(int fd)'),
  abort: libc.func('void abort()'),
}

// Where two names share a number, the one that the kernel's own sources use.
const aliases = ['EWOULDBLOCK', 'ENOTSUP']
const errnoNames = new Map(
  Object.entries(os.constants.errno)
    .filter(([name]) => !aliases.includes(name))
    .map(([name, number]): [number, string] => [number, name]),
)

/** The name of an errno (19 → `ENODEV`); `E<number>` for one that Node does not know. */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `E${errno}`
}

/** Runs a system call again while a signal interrupts it; its result, or its errno's name. */
function call(work: () => number): { value: number; errno?: string } {
  for (;;) {
    const value = Number(work())
    if (value >= 0) return { value }
    const errno = errnoName(koffi.errno())
    if (errno !== 'EINTR') return { value, errno }
  }
}

function orThrow(what: string, result: { value: number; errno?: string }): number {
  if (result.errno !== undefined) throw new KernelError({ errno: result.errno, what })
  return result.value
}

/** socket(2), close-on-exec. It belongs to the namespace that the thread is in, for life. */
export function socket(family: number, type: number, protocol: number): number {
  const result = call(() => c.socket(family, type | SOCK_CLOEXEC, protocol))
  return orThrow(`socket(family ${family})`, result)
}

/** bind(2). */
export function bind(fd: number, address: Uint8Array): void {
  orThrow(
    'bind',
    call(() => c.bind(fd, address, address.length)),
  )
}

/** listen(2). */
export function listen(fd: number, backlog: number): void {
  orThrow(
    'listen',
    call(() => c.listen(fd, backlog)),
  )
}

/** sendto(2) as one datagram; `to` is a sockaddr, or nothing on a netlink socket. */
export function sendTo(fd: number, data: Uint8Array, to?: Uint8Array): void {
  orThrow(
    'send',
    call(() => c.sendto(fd, data, data.length, 0, to ?? null, to?.length ?? 0)),
  )
}

/**
 * recv(2) of one datagram. Answers its real length (longer than `data` when it was cut, which
 * MSG_TRUNC tells), or the errno's name for what a caller may expect: `EAGAIN`, `ENOBUFS`.
 */
export function receive(fd: number, data: Uint8Array, flags = 0): number | 'EAGAIN' | 'ENOBUFS' {
  const result = call(() => c.recv(fd, data, data.length, flags | MSG_TRUNC))
  if (result.errno === 'EAGAIN' || result.errno === 'ENOBUFS') return result.errno
  return orThrow('recv', result)
}

/** setsockopt(2). */
export function setSocketOption(fd: number, level: number, name: number, value: Uint8Array): void {
  orThrow(
    `setsockopt(${level}, ${name})`,
    call(() => c.setsockopt(fd, level, name, value, value.length)),
  )
}

/** getsockopt(2) of a number. ENOTSOCK: it is no socket. */
export function socketOption(fd: number, level: number, name: number): number {
  const value = Buffer.alloc(4)
  const result = call(() => c.getsockopt(fd, level, name, value, [value.length]))
  orThrow(`getsockopt(${level}, ${name})`, result)
  return value.readInt32LE()
}

/** getsockname(2): the sockaddr that the socket is bound to. */
export function socketAddress(fd: number): Buffer {
  const address = Buffer.alloc(128)
  const length = [address.length]
  orThrow(
    'getsockname',
    call(() => c.getsockname(fd, address, length)),
  )
  return address.subarray(0, length[0])
}

/** A file of the network namespace that the socket was born in, which the caller owns. */
export function socketNetns(fd: number): number {
  const SIOCGSKNS = 0x894c
  return orThrow(
    'ioctl(SIOCGSKNS)',
    call(() => c.ioctl(fd, SIOCGSKNS)),
  )
}

/** setns(2) into a network namespace. Only netns.ts may call it. */
export function setNetns(fd: number): void {
  orThrow(
    'setns',
    call(() => c.setns(fd, CLONE_NEWNET)),
  )
}

/** A counter to wake a poll with: write eight bytes to add, read them to clear. */
export function eventFd(): number {
  const flags = SOCK_NONBLOCK | SOCK_CLOEXEC
  return orThrow(
    'eventfd',
    call(() => c.eventfd(0, flags)),
  )
}

/** Waits until one of `fds` can be read or the time is over; says which can. */
export function pollReadable(fds: readonly number[], timeoutMs: number): readonly boolean[] {
  const POLLIN = 1
  const table = Buffer.alloc(fds.length * 8)
  for (const [i, fd] of fds.entries()) {
    table.writeInt32LE(fd, i * 8)
    table.writeInt16LE(POLLIN, i * 8 + 4)
  }
  // An interrupted poll is an empty answer: the caller polls again anyway.
  if (Number(c.poll(table, fds.length, timeoutMs)) <= 0) return fds.map(() => false)
  return fds.map((_, i) => table.readInt16LE(i * 8 + 6) !== 0)
}

/** struct epoll_event is packed on x86-64 alone (sys/epoll.h); `data` is ours, and holds the fd. */
const EPOLL_EVENT = process.arch === 'x64' ? { size: 12, data: 4 } : { size: 16, data: 8 }
const EPOLL_CTL = { add: 1, modify: 3 }
const EPOLL_BATCH = 64

/** epoll_create1(2). It can be polled itself: it is readable when something in it is. */
export function epollCreate(): number {
  return orThrow(
    'epoll_create1',
    call(() => c.epoll_create1(SOCK_CLOEXEC)),
  )
}

/**
 * Has `epoll` say once that `fd` can be read, and then no more until it is told to `modify`. A
 * closed fd leaves by itself.
 */
export function epollOnce(epoll: number, op: keyof typeof EPOLL_CTL, fd: number): void {
  const EPOLLIN = 1
  const EPOLLONESHOT = 1 << 30
  const event = Buffer.alloc(EPOLL_EVENT.size)
  event.writeUInt32LE(EPOLLIN | EPOLLONESHOT)
  event.writeInt32LE(fd, EPOLL_EVENT.data)
  const result = call(() => c.epoll_ctl(epoll, EPOLL_CTL[op], fd, event))
  orThrow(`epoll_ctl(${op})`, result)
}

/** Which can be read now, without waiting: some of them when they are many. */
export function epollReadable(epoll: number): number[] {
  const { size, data } = EPOLL_EVENT
  const events = Buffer.alloc(EPOLL_BATCH * size)
  const result = call(() => c.epoll_wait(epoll, events, EPOLL_BATCH, 0))
  const count = orThrow('epoll_wait', result)
  return Array.from({ length: count }, (_, i) => events.readInt32LE(i * size + data))
}

/** close(2), for what was opened here (not for what node:fs opened). */
export function close(fd: number): void {
  c.close(fd)
}

/** Ends the whole process with SIGABRT. (Node's process.abort() is refused in a worker.) */
export function abort(): never {
  c.abort()
  throw new Error('abort() returned')
}
