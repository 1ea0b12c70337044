// Ears in the tasks' namespaces, in the worker: two netlink sockets born in each namespace that is
// held, for what the kernel tells of changes there. What changed is not read: whoever hears of it
// looks anyway, and a message may have been dropped.
//
//   namespace: rtnetlink (links, addresses, routes) ─┐
//              nfnetlink (nftables)                 ─┴▶ one epoll for all ──▶ changed, at most
//                                                       once in 50 ms for each socket
//
// An open socket keeps its namespace alive, and the card in it away from the host: netns.ts closes
// these together with the hold, which does the same on purpose.

import {
  AF_NETLINK,
  bind,
  close,
  epollCreate,
  epollOnce,
  epollReadable,
  MSG_DONTWAIT,
  receive,
  SO_RCVBUF,
  SOCK_RAW,
  SOL_SOCKET,
  setSocketOption,
  socket,
} from './libc.ts'

/** What is listened to: a netlink family and its multicast groups as bits (linux/rtnetlink.h). */
const EARS = [
  // RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE
  { family: 0, groups: 0x1 | 0x10 | 0x40 | 0x100 | 0x400 },
  // NETLINK_NETFILTER, NFNLGRP_NFTABLES: group 7 (linux/netfilter/nfnetlink.h)
  { family: 12, groups: 1 << (7 - 1) },
]
/**
 * How long a socket is not listened to after it said something, so that somebody who changes
 * things all the time costs 20 wake-ups a second and not a core. Nothing is missed: what comes
 * meanwhile waits in the socket.
 */
const DEAF_MS = 50
/** A message or two: that there was something is all we want to know (the kernel doubles this). */
const RECEIVE_BYTES = 4096
const DRAIN_MAX = 64

export class Monitors {
  /** Can be read when something changed. */
  readonly fd = epollCreate()
  readonly #netns = new Map<number, string>()
  /** The sockets that are not listened to, and when that ends: the oldest first. */
  readonly #deaf = new Map<number, number>()

  /** Begins to listen in the namespace that the thread is in, under this name. */
  open(netns: string): void {
    try {
      for (const ear of EARS) this.#listen(ear, netns)
    } catch (error) {
      this.close(netns)
      throw error
    }
  }

  /** Ends it; nothing open is success. */
  close(netns: string): void {
    for (const [fd, at] of this.#netns) {
      if (at !== netns) continue
      this.#netns.delete(fd)
      this.#deaf.delete(fd)
      close(fd)
    }
  }

  /** The namespaces in which something changed, each once. */
  changed(): Set<string> {
    const now = performance.now()
    for (const [fd, until] of this.#deaf) {
      if (until > now) break
      this.#deaf.delete(fd)
      epollOnce(this.fd, 'modify', fd)
    }
    const found = new Set<string>()
    for (const fd of epollReadable(this.fd)) {
      drain(fd)
      this.#deaf.set(fd, now + DEAF_MS)
      const netns = this.#netns.get(fd)
      if (netns !== undefined) found.add(netns)
    }
    return found
  }

  /** Whole milliseconds until `changed` has to be asked, whether or not `fd` can be read. */
  deafMs(): number {
    const [until = Number.POSITIVE_INFINITY] = this.#deaf.values()
    return Math.max(0, Math.ceil(until - performance.now()))
  }

  /** Ends all of it. */
  end(): void {
    for (const netns of new Set(this.#netns.values())) this.close(netns)
    close(this.fd)
  }

  #listen({ family, groups }: (typeof EARS)[number], netns: string): void {
    const fd = socket(AF_NETLINK, SOCK_RAW, family)
    this.#netns.set(fd, netns)
    const address = Buffer.alloc(12)
    address.writeUInt16LE(AF_NETLINK)
    address.writeUInt32LE(groups, 8)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(RECEIVE_BYTES)
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, bytes)
    bind(fd, address)
    epollOnce(this.fd, 'add', fd)
  }
}

/** Empties it. `ENOBUFS` (messages were dropped) is as good as a message. */
function drain(fd: number): void {
  const buffer = Buffer.alloc(16)
  for (let i = 0; i < DRAIN_MAX; i++) {
    if (receive(fd, buffer, MSG_DONTWAIT) === 'EAGAIN') return
  }
}
