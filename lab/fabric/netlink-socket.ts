// A netlink socket: many requests in one send, each acknowledged; dumps; and the news of a
// multicast group. It belongs to the namespace it was opened in, for life (see namespace.ts).
// Every read is bounded by SO_RCVTIMEO, because a thread stuck in recv() can never be ended.

import {
  bind,
  C,
  checked,
  close,
  errno,
  errnoName,
  recv,
  SystemError,
  send,
  setsockopt,
  socket,
} from './libc.ts'
import { attributes, FLAG, type Message, NLMSG } from './netlink-message.ts'

const NETLINK_ROUTE = 0
const NETLINK_NETFILTER = 12
const RTMGRP_LINK = 1
const NF_NETLINK_CONNTRACK_DESTROY = 4
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const RECEIVE_TIMEOUT_MS = 200
const NEWS_BYTES = 1024 * 1024
const LOG_BYTES = 4 * 1024 * 1024
/** So much fits into one send to nftables. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024
const ON = Buffer.of(1, 0, 0, 0)

const buffer = Buffer.alloc(256 * 1024)
let sequence = 0

/** One message that the kernel sent. `payload` is a copy, without the netlink header. */
export type Received = {
  readonly type: number
  readonly sequence: number
  readonly payload: Buffer
}

/**
 * Opens a socket in the calling thread's present namespace. `links` also hears of every link; `log`
 * has room for what a log group says (nflog.ts), `flows` hears of every tracked flow that ends.
 */
export function openNetlink(kind: 'route' | 'links' | 'netfilter' | 'log' | 'flows'): number {
  const isNetfilter = kind !== 'route' && kind !== 'links'
  const protocol = isNetfilter ? NETLINK_NETFILTER : NETLINK_ROUTE
  const fd = checked(
    socket(C.AF_NETLINK, C.SOCK_RAW | C.SOCK_CLOEXEC, protocol),
    `open a netlink ${kind} socket`,
  )
  const timeout = Buffer.alloc(16)
  timeout.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_MS * 1000), 8) // struct timeval
  checked(setsockopt(fd, C.SOL_SOCKET, C.SO_RCVTIMEO, timeout, 16), 'set SO_RCVTIMEO')
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, ON, 4) // Both only make errors better:
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, ON, 4) // an old kernel may lack them.
  if (kind === 'log' || kind === 'flows')
    setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUFFORCE, int32(LOG_BYTES), 4)
  if (kind === 'netfilter') {
    // The kernel takes a third of it and more for its own books.
    setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUFFORCE, int32(2 * BATCH_BYTES_MAX), 4)
  }
  if (kind === 'links') setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, int32(NEWS_BYTES), 4)
  if (kind === 'links' || kind === 'flows') {
    const address = Buffer.alloc(12) // struct sockaddr_nl
    address.writeUInt16LE(C.AF_NETLINK, 0)
    address.writeUInt32LE(kind === 'links' ? RTMGRP_LINK : NF_NETLINK_CONNTRACK_DESTROY, 8)
    checked(bind(fd, address, 12), `join the group of ${kind}`)
  }
  return fd
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

/** Does one piece of work with a socket and closes it. */
export function withNetlink<T>(fd: number, work: (fd: number) => T): T {
  try {
    return work(fd)
  } finally {
    close(fd)
  }
}

/**
 * Sends the messages in one call and waits for every acknowledgement that they ask for; a refusal comes
 * unasked. The kernel goes on after one (but takes back all of a batch of nftables), so the caller
 * undoes; the first is thrown, unless `tolerate` names its errno.
 */
export function transact(fd: number, messages: Message[], tolerate: readonly string[] = []): void {
  if (messages.length === 0) return
  const sent = new Map<number, Message>()
  const waiting = new Set<number>()
  for (const message of messages) {
    const sequence = stamp(message)
    sent.set(sequence, message)
    if (message.bytes.readUInt16LE(6) & FLAG.ACK) waiting.add(sequence)
  }
  sendAll(fd, Buffer.concat(messages.map((message) => message.bytes)))
  let refusal: SystemError | undefined
  while (waiting.size > 0) {
    for (const { type, sequence, payload } of receive(fd)) {
      const asked = sent.get(sequence)
      if (type !== NLMSG.ERROR || asked === undefined) continue
      waiting.delete(sequence)
      const number = -payload.readInt32LE(0)
      if (number === 0 || tolerate.includes(errnoName(number))) continue
      refusal ??= new SystemError(asked.what, number, explanation(payload))
    }
  }
  if (refusal) throw refusal
}

/** The payload of the one message that answers a request for one thing. */
export function query(fd: number, request: Message): Buffer {
  const mine = stamp(request)
  sendAll(fd, request.bytes)
  for (;;) {
    for (const { type, sequence, payload } of receive(fd)) {
      if (sequence !== mine) continue
      if (type !== NLMSG.ERROR) return payload
      throw new SystemError(request.what, -payload.readInt32LE(0), explanation(payload))
    }
  }
}

/** The payloads of everything a dump request lists. */
export function dump(fd: number, request: Message): Buffer[] {
  const mine = stamp(request)
  sendAll(fd, request.bytes)
  const listed: Buffer[] = []
  for (;;) {
    for (const { type, sequence, payload } of receive(fd)) {
      if (sequence !== mine) continue
      if (type === NLMSG.DONE) return listed
      if (type === NLMSG.ERROR) throw new SystemError(request.what, -payload.readInt32LE(0))
      listed.push(payload)
    }
  }
}

/**
 * What has come in, without waiting, in at most so many reads; `lost`: the kernel had to drop some.
 * What is not read stays for the next time.
 */
export function news(
  fd: number,
  readsMax = Number.POSITIVE_INFINITY,
): { messages: Received[]; lost: boolean } {
  const messages: Received[] = []
  let lost = false
  for (let reads = 0; reads < readsMax; reads++) {
    const length = Number(recv(fd, buffer, buffer.length, C.MSG_DONTWAIT))
    if (length >= 0) messages.push(...split(length))
    else if (errnoName(errno()) === 'ENOBUFS') lost = true
    else break
  }
  return { messages, lost }
}

/** Writes a fresh sequence number into a message, and says which. */
function stamp(message: Message): number {
  sequence = (sequence + 1) >>> 0
  message.bytes.writeUInt32LE(sequence, 8)
  return sequence
}

function sendAll(fd: number, bytes: Buffer): void {
  checked(send(fd, bytes, bytes.length, 0), 'send to netlink')
}

function receive(fd: number): Received[] {
  return split(checked(recv(fd, buffer, buffer.length, 0), 'receive from netlink'))
}

function split(length: number): Received[] {
  const messages: Received[] = []
  for (let at = 0; at + 16 <= length; ) {
    const size = buffer.readUInt32LE(at)
    if (size < 16) break
    messages.push({
      type: buffer.readUInt16LE(at + 4),
      sequence: buffer.readUInt32LE(at + 8),
      payload: Buffer.from(buffer.subarray(at + 16, at + size)),
    })
    at += (size + 3) & ~3
  }
  return messages
}

/** The kernel's own words for a refusal (NLMSGERR_ATTR_MSG), when it has any. */
function explanation(payload: Buffer): string {
  const words = attributes(payload, 20).get(1) // After the errno and the request's header.
  return words === undefined ? '' : words.toString().replace(/\0.*$/s, '')
}
