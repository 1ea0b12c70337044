// Netlink framing, pure: messages and their attributes to bytes and back. No socket, no clock.
//
//   nlmsghdr  length(4) type(2) flags(2) sequence(4) port(4)  fixed header  attributes…
//   nlattr    length(2) type(2) payload, padded to 4          (length counts header + payload)
//
// Both are little-endian here: enid runs on x86-64 and arm64. What the kernel sends is checked all
// the same, because a wrong length must end in an error and not in a wrong address.

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_DUMP = 0x300
export const NLM_F_CREATE = 0x400

const HEADER = 16
const align = (length: number): number => (length + 3) & ~3

/** A request without its header: what a socket numbers and sends. */
export type NetlinkRequest = {
  readonly type: number
  readonly flags: number
  readonly body: Buffer
  /** In words, for the error when it is refused: `add address 10.0.1.5/24`. */
  readonly what: string
}

/** One message as it came: its body is a view of the received bytes, valid until the next one. */
export type NetlinkMessage = {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly body: Buffer
}

/** Attributes by type; of a type that comes twice, the last. */
export type Attributes = ReadonlyMap<number, Buffer>

/** Bytes that are not netlink: a length outside what was received. */
export class MalformedNetlink extends Error {
  constructor(what: string) {
    super(`malformed netlink message: ${what}`)
    this.name = 'MalformedNetlink'
  }
}

/** One attribute, padded. */
export function attribute(type: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(align(4 + payload.length))
  bytes.writeUInt16LE(4 + payload.length, 0)
  bytes.writeUInt16LE(type, 2)
  payload.copy(bytes, 4)
  return bytes
}

/** A 32-bit attribute. */
export function attributeU32(type: number, value: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32LE(value >>> 0)
  return attribute(type, payload)
}

/** A text attribute, with its closing zero. */
export function attributeText(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`))
}

/** A whole message with its header. `sequence` ties the answer to it. */
export function encodeMessage(request: NetlinkRequest, sequence: number): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt32LE(HEADER + request.body.length, 0)
  header.writeUInt16LE(request.type, 4)
  header.writeUInt16LE(request.flags | NLM_F_REQUEST, 6)
  header.writeUInt32LE(sequence, 8)
  return Buffer.concat([header, request.body])
}

/** The messages of one datagram. Throws MalformedNetlink. */
export function decodeMessages(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  for (let at = 0; at < datagram.length; ) {
    const left = datagram.length - at
    if (left < HEADER) throw new MalformedNetlink(`${left} bytes where a header needs ${HEADER}`)
    const length = datagram.readUInt32LE(at)
    if (length < HEADER || length > left) {
      throw new MalformedNetlink(`a message of ${length} bytes where ${left} are left`)
    }
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      body: datagram.subarray(at + HEADER, at + length),
    })
    at += align(length)
  }
  return messages
}

/** The attributes that follow a fixed header of `offset` bytes. Throws MalformedNetlink. */
export function decodeAttributes(body: Buffer, offset: number): Attributes {
  if (body.length < offset) {
    throw new MalformedNetlink(`${body.length} bytes where a fixed header needs ${offset}`)
  }
  const attributes = new Map<number, Buffer>()
  for (let at = align(offset); at < body.length; ) {
    const left = body.length - at
    if (left < 4) throw new MalformedNetlink(`${left} bytes where an attribute needs 4`)
    const length = body.readUInt16LE(at)
    if (length < 4 || length > left) {
      throw new MalformedNetlink(`an attribute of ${length} bytes where ${left} are left`)
    }
    // The two upper bits of the type are flags (nested, network byte order).
    attributes.set(body.readUInt16LE(at + 2) & 0x3fff, body.subarray(at + 4, at + length))
    at += align(length)
  }
  return attributes
}

/** A 32-bit attribute's value; undefined when it is absent. Throws MalformedNetlink when short. */
export function u32(attributes: Attributes, type: number): number | undefined {
  const payload = attributes.get(type)
  if (payload === undefined) return undefined
  if (payload.length < 4) {
    throw new MalformedNetlink(`attribute ${type} has ${payload.length} bytes, not 4`)
  }
  return payload.readUInt32LE(0)
}

/** A text attribute up to its closing zero; undefined when it is absent. */
export function text(attributes: Attributes, type: number): string | undefined {
  const payload = attributes.get(type)
  if (payload === undefined) return undefined
  const end = payload.indexOf(0)
  return payload.toString('utf8', 0, end === -1 ? payload.length : end)
}

/** What an NLMSG_ERROR message says: errno 0 is an acknowledgement. */
export type NetlinkAnswer = {
  readonly errno: number
  /** The kernel's own words (extended acknowledgement), where it has some. */
  readonly reason: string | undefined
}

const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200
const NLMSGERR_ATTR_MSG = 1

/** Decodes an NLMSG_ERROR message. Throws MalformedNetlink. */
export function decodeAnswer(message: NetlinkMessage): NetlinkAnswer {
  const { body, flags } = message
  if (body.length < 4 + HEADER) throw new MalformedNetlink('an answer without the request header')
  const errno = Math.abs(body.readInt32LE(0))
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, reason: undefined }
  // A refusal repeats the whole request before the attributes, unless it is capped.
  const echoed = (flags & NLM_F_CAPPED) === 0 && errno !== 0 ? body.readUInt32LE(4) : HEADER
  return { errno, reason: text(decodeAttributes(body, 4 + align(echoed)), NLMSGERR_ATTR_MSG) }
}
