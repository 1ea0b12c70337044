// NFLOG messages as bytes: how one asks for a log group, and what the kernel then says of a packet.
// Pure; the numbers are Linux's (linux/netfilter/nfnetlink_log.h): ABI, they never change.

import { attribute, attributes, type Message, order } from './netlink-message.ts'

const SUBSYSTEM = 4 << 8 // NFNL_SUBSYS_ULOG
const CONFIG = SUBSYSTEM | 1
/** The type of a message that tells of a packet. */
export const NFLOG_PACKET = SUBSYSTEM | 0

const CFG = { CMD: 1, MODE: 2, BUFFER: 3, TIMEOUT: 4, QUEUE: 5, FLAGS: 6 }
const CMD_BIND = 1
const COPY_PACKET = 2
const FLAG_SEQUENCE = 1
const NFULA = { HEADER: 1, MARK: 2, TIME: 3, IN: 4, OUT: 5, PAYLOAD: 9, PREFIX: 10, SEQUENCE: 12 }
const HEADER_BYTES = 4 // struct nfgenmsg: family, version, resource id.

/** Of a packet: enough for IPv6 with extension headers and the ports behind them. */
const COPY_BYTES = 128
/** What the kernel gathers before it sends. */
const BUFFER_BYTES = 16 * 1024
/** The kernel sends what it has gathered after so many packets, or hundredths of a second. */
const QUEUE_PACKETS = 32
const QUEUE_CENTISECONDS = 1

/** A packet as a rule logged it. */
export type LoggedPacket = {
  readonly prefix: string
  /** The packet's mark, 0 for none. */
  readonly mark: number
  /** Counts up by one with each packet of the group: a gap is what got lost. Absent: not told. */
  readonly sequence?: number
  /** When the kernel took it from its link, in milliseconds since 1970, if the kernel says. */
  readonly atMs?: number
  /** Links by ifindex, 0 where there is none (yet). */
  readonly indev: number
  readonly outdev: number
  /** An ethertype. */
  readonly etherType: number
  /** The packet from its network header on, its first bytes. */
  readonly payload: Buffer
}

/** Binds the socket to a log group: whole headers, numbered. */
export function listenToLog(group: number): Message[] {
  const setting = (name: string, type: number, value: Buffer): Message =>
    order(CONFIG, `${name} log group ${group}`, header(group), attribute(type, value))
  const mode = Buffer.alloc(6)
  mode.writeUInt32BE(COPY_BYTES)
  mode[4] = COPY_PACKET
  return [
    setting('bind', CFG.CMD, Buffer.of(CMD_BIND)),
    setting('set the copy mode of', CFG.MODE, mode),
    setting('set the buffer of', CFG.BUFFER, uint32(BUFFER_BYTES)),
    setting('set the queue of', CFG.QUEUE, uint32(QUEUE_PACKETS)),
    setting('set the timeout of', CFG.TIMEOUT, uint32(QUEUE_CENTISECONDS)),
    setting('number the packets of', CFG.FLAGS, Buffer.of(0, FLAG_SEQUENCE)),
  ]
}

/** Reads the payload of an NFLOG_PACKET message; undefined when it is cut short. */
export function parseLogged(payload: Buffer): LoggedPacket | undefined {
  const found = attributes(payload, HEADER_BYTES)
  const number = (type: number): number | undefined => {
    const bytes = found.get(type)
    return bytes !== undefined && bytes.length >= 4 ? bytes.readUInt32BE() : undefined
  }
  const packet = found.get(NFULA.HEADER)
  const sequence = number(NFULA.SEQUENCE)
  const atMs = timeOf(found.get(NFULA.TIME))
  if (packet === undefined || packet.length < 2) return undefined
  return {
    prefix: (found.get(NFULA.PREFIX)?.toString('latin1') ?? '').replace(/\0.*$/s, ''),
    mark: number(NFULA.MARK) ?? 0,
    ...(sequence === undefined ? {} : { sequence }),
    ...(atMs === undefined ? {} : { atMs }),
    indev: number(NFULA.IN) ?? 0,
    outdev: number(NFULA.OUT) ?? 0,
    etherType: packet.readUInt16BE(),
    payload: found.get(NFULA.PAYLOAD) ?? Buffer.of(),
  }
}

/** Seconds and microseconds, 8 bytes each. */
function timeOf(bytes: Buffer | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 16) return undefined
  return (
    Number(bytes.readBigUInt64BE()) * 1000 + Math.floor(Number(bytes.readBigUInt64BE(8)) / 1000)
  )
}

function header(group: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt16BE(group, 2)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
