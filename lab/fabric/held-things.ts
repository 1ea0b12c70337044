// What the fabric's namespace holds beside links and nftables: addresses, routes and permanent
// neighbours, as the kernel lists them and as our own messages ask for them, in one form, so that
// the difference is what has to be put right. Pure.

import { attributes, dumpOf, FLAG, type Message, message } from './netlink-message.ts'
import { RTM } from './rtnetlink.ts'

/** An address, route or neighbour: a key that equal ones share, and the message that removes it. */
export type Held = {
  readonly key: string
  readonly ifindex: number
  readonly remove: Message
  /** Where a route leads: one address, or a delegated prefix. */
  readonly reaches?: { readonly address: Buffer; readonly prefixLength: number }
}

/** The bytes of a netlink header. */
const HEADER_BYTES = 16
const PROTOCOL_STATIC = 4 // RTPROT_STATIC: what we, or a person, put there; the kernel's own are 2.
const PERMANENT = 0x80 // NUD_PERMANENT
const KERNELS_OWN = ['7f000001', '00000000000000000000000000000001'] // lo's 127.0.0.1 and ::1.

const KINDS = {
  [RTM.NEWADDR]: { del: RTM.DELADDR, bytes: 8, what: 'address', attributes: [1, 2] }, // ADDRESS, LOCAL
  [RTM.NEWROUTE]: { del: RTM.DELROUTE, bytes: 12, what: 'route', attributes: [1, 4, 5, 18] }, // DST, OIF, GATEWAY, VIA
  [RTM.NEWNEIGH]: { del: RTM.DELNEIGH, bytes: 12, what: 'neighbour', attributes: [1, 2] }, // DST, LLADDR
} as const
type Type = keyof typeof KINDS

/** The dumps that list everything. */
export const heldDumps = (): { type: Type; request: Message }[] => [
  { type: RTM.NEWADDR, request: dumpOf(RTM.GETADDR, 'list addresses', Buffer.alloc(8)) },
  { type: RTM.NEWROUTE, request: dumpOf(RTM.GETROUTE, 'list routes', Buffer.alloc(12)) },
  { type: RTM.NEWNEIGH, request: dumpOf(RTM.GETNEIGH, 'list neighbours', Buffer.alloc(12)) },
]

/** What one of our messages puts there; undefined when it is about something else. */
export function asked({ bytes }: Message): Held | undefined {
  const type = bytes.readUInt16LE(4)
  return isType(type) ? held(type, bytes.subarray(HEADER_BYTES)) : undefined
}

/** What a dump lists; undefined for what the kernel keeps for itself. */
export function listed(type: Type, payload: Buffer): Held | undefined {
  const found = attributes(payload, KINDS[type].bytes)
  const first = found.get(1)?.toString('hex') ?? ''
  if (type === RTM.NEWADDR && KERNELS_OWN.includes(first)) return undefined
  if (type === RTM.NEWROUTE && payload[5] !== PROTOCOL_STATIC) return undefined
  if (type === RTM.NEWNEIGH && payload.readUInt16LE(8) !== PERMANENT) return undefined
  return held(type, payload)
}

function held(type: Type, payload: Buffer): Held {
  const { del, bytes, what, attributes: kinds } = KINDS[type]
  const found = attributes(payload, bytes)
  const family = payload[0] ?? 0
  // An address's and a route's second byte is its prefix length; a neighbour's is padding.
  const length = type === RTM.NEWNEIGH ? 0 : (payload[1] ?? 0)
  const parts = kinds.map((kind) => found.get(kind)?.toString('hex') ?? '')
  if (type === RTM.NEWADDR) parts[1] ||= parts[0] ?? '' // IPv6 is listed without IFA_LOCAL.
  const ifindex =
    type === RTM.NEWROUTE ? (found.get(4)?.readInt32LE(0) ?? 0) : payload.readInt32LE(4)
  const address = type === RTM.NEWROUTE ? found.get(1) : undefined
  return {
    key: [what, family, length, ifindex, ...parts].join(' '),
    ifindex,
    remove: message(del, FLAG.ACK, `remove ${what} ${parts[0]}`, payload),
    ...(address === undefined ? {} : { reaches: { address, prefixLength: length } }),
  }
}

const isType = (type: number): type is Type => type in KINDS
