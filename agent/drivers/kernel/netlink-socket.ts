// One netlink socket, used synchronously: requests out, answers in. It belongs to the namespace it
// was opened in, for life, so it configures that namespace from wherever the thread is later.

import { KernelError } from './kernel-error.ts'
import {
  AF_NETLINK,
  bind,
  close,
  errnoName,
  MSG_DONTWAIT,
  NETLINK_EXT_ACK,
  receive,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  sendTo,
  setSocketOption,
  socket,
} from './libc.ts'
import type { NetlinkMessage, NetlinkRequest } from './netlink-message.ts'
import {
  decodeAnswer,
  decodeMessages,
  encodeMessage,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './netlink-message.ts'

const NETLINK_ROUTE = 0
/** A worker blocked in recv() would make terminate() and process.exit() hang for ever. */
const RECEIVE_TIMEOUT_MS = 200
/** A dump that others' changes interrupt is asked for again, this often (cni-plugins issue 3440). */
const DUMP_ATTEMPTS_MAX = 20

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** A socket for requests, or, with `groups`, for the kernel's announcements. */
export class NetlinkSocket {
  readonly fd: number
  readonly #buffer = Buffer.alloc(65536)
  #sequence = 0

  /** Opens it in the namespace that the thread is in. `groups` are RTMGRP_* bits. */
  constructor(groups = 0) {
    this.fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
    try {
      const timeval = Buffer.alloc(16)
      timeval.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_MS * 1000), 8)
      setSocketOption(this.fd, SOL_SOCKET, SO_RCVTIMEO, timeval)
      setSocketOption(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, u32(1))
      if (groups === 0) return
      setSocketOption(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, u32(1 << 20))
      bind(this.fd, Buffer.concat([Buffer.from([AF_NETLINK, 0, 0, 0]), u32(0), u32(groups)]))
    } catch (error) {
      close(this.fd)
      throw error
    }
  }

  /**
   * Sends all requests in one message; the kernel does them in order, and goes on after a refusal.
   * Throws the first refusal whose errno is not in `tolerated`.
   */
  transact(requests: readonly NetlinkRequest[], tolerated: readonly string[] = []): void {
    if (requests.length === 0) return
    const pending = new Map(requests.map((request) => [this.#next(), request]))
    const messages = [...pending].map(([sequence, request]) => encodeMessage(request, sequence))
    sendTo(this.fd, Buffer.concat(messages))
    let refusal: KernelError | undefined
    while (pending.size > 0) {
      for (const message of this.#receive()) {
        const request = pending.get(message.sequence)
        if (request === undefined || message.type !== NLMSG_ERROR) continue
        pending.delete(message.sequence)
        const error = refused(request, message)
        if (error !== undefined && !tolerated.includes(error.errno)) refusal ??= error
      }
    }
    if (refusal !== undefined) throw refusal
  }

  /** Asks for a list and decodes it; records that `decode` leaves out are left out. */
  dump<T>(request: NetlinkRequest, decode: (body: Buffer) => T | undefined): T[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS_MAX; attempt++) {
      const records = this.#dumpOnce(request, decode)
      if (records !== undefined) return records
    }
    const what = `${request.what}: interrupted ${DUMP_ATTEMPTS_MAX} times by other changes`
    throw new KernelError({ errno: 'EINTR', what })
  }

  /** What was announced, without waiting; `overrun` when the kernel had to drop some. */
  announcements(): NetlinkMessage[] | 'overrun' {
    const length = receive(this.fd, this.#buffer, MSG_DONTWAIT)
    if (length === 'ENOBUFS') return 'overrun'
    if (length === 'EAGAIN') return []
    return length > this.#buffer.length
      ? 'overrun'
      : decodeMessages(Buffer.from(this.#buffer.subarray(0, length)))
  }

  close(): void {
    close(this.fd)
  }

  #dumpOnce<T>(request: NetlinkRequest, decode: (body: Buffer) => T | undefined): T[] | undefined {
    const sequence = this.#next()
    sendTo(this.fd, encodeMessage(request, sequence))
    const records: T[] = []
    let interrupted = false
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0
        if (message.type === NLMSG_DONE) return interrupted ? undefined : records
        if (message.type === NLMSG_ERROR) {
          const error = refused(request, message)
          if (error !== undefined) throw error
          continue
        }
        const record = decode(message.body)
        if (record !== undefined) records.push(record)
      }
    }
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0
    return this.#sequence
  }

  #receive(): NetlinkMessage[] {
    const length = receive(this.fd, this.#buffer)
    if (typeof length === 'string') {
      const what = `no answer from rtnetlink within ${RECEIVE_TIMEOUT_MS} ms`
      throw new KernelError({ errno: length, what })
    }
    if (length > this.#buffer.length) {
      const what = `a netlink answer of ${length} bytes, more than the ${this.#buffer.length} kept`
      throw new KernelError({ errno: 'EMSGSIZE', what })
    }
    return decodeMessages(this.#buffer.subarray(0, length))
  }
}

function refused(request: NetlinkRequest, message: NetlinkMessage): KernelError | undefined {
  const { errno, reason } = decodeAnswer(message)
  if (errno === 0) return undefined
  const what = reason === undefined ? request.what : `${request.what}: the kernel says "${reason}"`
  return new KernelError({ errno: errnoName(errno), what })
}
