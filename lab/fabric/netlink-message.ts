// Netlink messages as bytes: header, family header, attributes. Pure: no socket here.
//
//   nlmsghdr (16) │ family header (ifinfomsg, rtmsg, nfgenmsg …) │ attributes (TLV, 4-aligned)
//
// The numbers are Linux's (linux/netlink.h); they are ABI and never change.

const REQUEST = 1
const DUMP = 0x300

/** What a request asks for beside the answer: an acknowledgement, or a thing that is new. */
export const FLAG = { ACK: 4, EXCL: 0x200, REPLACE: 0x100, CREATE: 0x400 } as const

/** Message types that every family has: a refusal or acknowledgement, and the end of a dump. */
export const NLMSG = { ERROR: 2, DONE: 3 } as const

/** A request as bytes, and what it tries, for the error when the kernel refuses it. */
export type Message = { readonly bytes: Buffer; readonly what: string }

/** One attribute: a type and its value, padded to 4 bytes. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3)
  bytes.writeUInt16LE(4 + value.length, 0)
  bytes.writeUInt16LE(type, 2)
  bytes.set(value, 4)
  return bytes
}

/** The attributes of a payload from `offset` on, by type, whose two flag bits are cut off. */
export const attributes = (payload: Buffer, offset: number): Map<number, Buffer> =>
  new Map(attributeList(payload, offset))

/** The same in their order, where one type comes more than once. */
export function attributeList(payload: Buffer, offset: number): [type: number, value: Buffer][] {
  const found: [number, Buffer][] = []
  for (let at = offset; at + 4 <= payload.length; ) {
    const length = payload.readUInt16LE(at)
    if (length < 4) break
    found.push([payload.readUInt16LE(at + 2) & 0x3fff, payload.subarray(at + 4, at + length)])
    at += (length + 3) & ~3
  }
  return found
}

/** A whole message. The sequence number stays 0; the socket writes it when it sends. */
export function message(type: number, flags: number, what: string, ...body: Buffer[]): Message {
  const payload = Buffer.concat(body)
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + payload.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(flags | REQUEST, 6)
  return { bytes: Buffer.concat([header, payload]), what }
}

/** The same message, to be acknowledged. */
export function acknowledged({ bytes, what }: Message): Message {
  const asking = Buffer.from(bytes)
  asking.writeUInt16LE(asking.readUInt16LE(6) | FLAG.ACK, 6)
  return { bytes: asking, what }
}

/** A request that is answered by an acknowledgement alone. */
export const order = (type: number, what: string, ...body: Buffer[]): Message =>
  message(type, FLAG.ACK, what, ...body)

/** A request for everything of a kind. */
export const dumpOf = (type: number, what: string, ...body: Buffer[]): Message =>
  message(type, DUMP, what, ...body)
