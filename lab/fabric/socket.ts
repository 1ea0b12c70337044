// Sockets born in a namespace: listeners for what the fabric serves (IMDS, the resolver, leases), and
// the datagrams by which it proves to itself that its gates hold.

import { addressBytes } from './address.ts'
import {
  bind,
  C,
  checked,
  close,
  listen,
  poll,
  recv,
  sendto,
  setsockopt,
  socket,
  socketAddress,
} from './libc.ts'
import { withinPath } from './namespace.ts'

const BACKLOG = 511
const ON = Buffer.of(1, 0, 0, 0)

/**
 * A serving socket in a namespace, non-blocking: TCP, listening, for `server.listen({ fd })`, or
 * UDP, for dgram's `bind({ fd })`. It has SO_REUSEADDR, without which a restarted server could not
 * bind again for a minute, and may be bound before the address is there. The caller owns the fd;
 * while it is open it keeps the namespace alive.
 */
export function listenIn(
  netns: string,
  address: string,
  port: number,
  protocol: 'tcp' | 'udp' = 'tcp',
): number {
  return withinPath(netns, () =>
    owned(newSocket(address, protocol === 'tcp' ? C.SOCK_STREAM : C.SOCK_DGRAM), (fd) => {
      checked(setsockopt(fd, C.SOL_SOCKET, C.SO_REUSEADDR, ON, 4), 'set SO_REUSEADDR')
      const [level, name] =
        addressBytes(address).length === 16
          ? [C.IPPROTO_IPV6, C.IPV6_FREEBIND]
          : [C.IPPROTO_IP, C.IP_FREEBIND]
      checked(setsockopt(fd, level, name, ON, 4), 'set IP_FREEBIND')
      bindTo(fd, address, port)
      if (protocol === 'tcp') checked(listen(fd, BACKLOG), `listen on ${address} port ${port}`)
    }),
  )
}

/** A UDP socket in a namespace, bound to an address and port. */
export function datagramIn(netns: string, address: string, port: number): number {
  return withinPath(netns, () =>
    owned(newSocket(address, C.SOCK_DGRAM), (fd) => bindTo(fd, address, port)),
  )
}

/** Sends one byte. What the kernel says does not matter: only an arrival proves anything. */
export function sendByte(fd: number, address: string, port: number): void {
  const to = socketAddress(addressBytes(address), port)
  sendto(fd, Buffer.of(1), 1, C.MSG_DONTWAIT, to, to.length)
}

/** Waits until something can be read from one of the sockets; says from which, and reads it off. */
export function arrivals(fds: readonly number[], timeoutMs: number): number[] {
  const table = Buffer.alloc(8 * fds.length)
  fds.forEach((fd, at) => {
    table.writeInt32LE(fd, 8 * at)
    table.writeInt16LE(C.POLLIN, 8 * at + 4)
  })
  poll(table, fds.length, timeoutMs)
  const byte = Buffer.alloc(1)
  return fds.filter((fd, at) => {
    if ((table.readInt16LE(8 * at + 6) & C.POLLIN) === 0) return false
    return Number(recv(fd, byte, 1, C.MSG_DONTWAIT)) >= 0
  })
}

function newSocket(address: string, type: number): number {
  const isIpv6 = addressBytes(address).length === 16
  const domain = isIpv6 ? C.AF_INET6 : C.AF_INET
  const fd = checked(
    socket(domain, type | C.SOCK_NONBLOCK | C.SOCK_CLOEXEC, 0),
    `open a socket for ${address}`,
  )
  if (isIpv6) setsockopt(fd, C.IPPROTO_IPV6, C.IPV6_V6ONLY, ON, 4)
  return fd
}

function bindTo(fd: number, address: string, port: number): void {
  const struct = socketAddress(addressBytes(address), port)
  checked(bind(fd, struct, struct.length), `bind ${address} port ${port}`)
}

/** Keeps the fd when the work succeeds, closes it when it does not. */
function owned(fd: number, work: (fd: number) => void): number {
  try {
    work(fd)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}
