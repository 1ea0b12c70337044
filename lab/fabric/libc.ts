// libc, bound by koffi: the system calls that Node has no words for. One file, so that a later
// foreign-function interface of Node's own can take koffi's place here and nowhere else.
//
// Every call is synchronous and returns what C returns; `checked` turns -1 into an Error that names
// the call, its subject and the errno.

import koffi from 'koffi'

const libc = koffi.load(null)

/** Moves the calling thread into the namespace that `fd` refers to. Only namespace.ts calls it. */
export const setns = libc.func('int setns(int fd, int nstype)')
/** Gives freed memory back to the kernel (glibc): a large transaction of nftables leaves 50 MB. */
export const trim = libc.func('int malloc_trim(size_t pad)')
/** Gives the calling thread a new namespace. Only namespace.ts calls it. */
export const unshare = libc.func('int unshare(int flags)')
export const mount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags,' +
    ' const void *data)',
)
export const umount2 = libc.func('int umount2(const char *target, int flags)')
export const flock = libc.func('int flock(int fd, int operation)')
export const socket = libc.func('int socket(int domain, int type, int protocol)')
export const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t length)')
export const listen = libc.func('int listen(int fd, int backlog)')
export const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
)
export const send = libc.func('int64_t send(int fd, const uint8_t *data, size_t length, int flags)')
export const sendto = libc.func(
  'int64_t sendto(int fd, const uint8_t *data, size_t length, int flags,' +
    ' const uint8_t *address, uint32_t addressLength)',
)
export const recv = libc.func('int64_t recv(int fd, _Out_ uint8_t *data, size_t length, int flags)')
/** `fds` is an array of struct pollfd: int fd, short events, short revents (8 bytes each). */
export const poll = libc.func('int poll(_Inout_ uint8_t *fds, unsigned long count, int timeoutMs)')
export const close = libc.func('int close(int fd)')

/** Linux's numbers (asm-generic; the same on x86-64 and arm64). */
export const C = {
  CLONE_NEWNET: 0x40000000,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SO_RCVBUF: 8,
  SO_RCVTIMEO: 20,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  IPPROTO_IP: 0,
  IP_TTL: 2,
  IP_FREEBIND: 15,
  IPPROTO_IPV6: 41,
  IPV6_UNICAST_HOPS: 16,
  IPV6_V6ONLY: 26,
  IPV6_FREEBIND: 78,
  MSG_DONTWAIT: 0x40,
  POLLIN: 1,
  LOCK_EX: 2,
  LOCK_NB: 4,
  MS_BIND: 0x1000,
  MS_REC: 0x4000,
  MS_SHARED: 1 << 20,
  MNT_DETACH: 2,
} as const

/** Some numbers have two names; the alphabetically first is the usual one (EAGAIN, ENOTSUP). */
const names = new Map(
  Object.entries(koffi.os.errno)
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([name, number]) => [number, name]),
)

/** A system call that failed: `code` is the errno's name, such as `EPERM`. */
export class SystemError extends Error {
  readonly code: string

  constructor(what: string, errno: number, detail = '') {
    const code = names.get(errno) ?? `errno ${errno}`
    super(`${what}: ${code}${detail === '' ? '' : ` (${detail})`}`)
    this.code = code
  }
}

/** The errno of the last call on this thread. Read it before any other call. */
export const errno = (): number => koffi.errno()

/** The name of an errno, such as `EEXIST`. */
export const errnoName = (number: number): string => names.get(number) ?? `errno ${number}`

/** Passes a result through, or throws a SystemError naming what was tried when it is -1. */
export function checked(result: number | bigint, what: string): number {
  if (Number(result) === -1) throw new SystemError(what, koffi.errno())
  return Number(result)
}

/** A struct sockaddr_in or sockaddr_in6 of an address given as its 4 or 16 bytes. */
export function socketAddress(address: Uint8Array, port: number): Buffer {
  const isIpv4 = address.length === 4
  const struct = Buffer.alloc(isIpv4 ? 16 : 28)
  struct.writeUInt16LE(isIpv4 ? C.AF_INET : C.AF_INET6, 0)
  struct.writeUInt16BE(port, 2)
  struct.set(address, isIpv4 ? 4 : 8)
  return struct
}
