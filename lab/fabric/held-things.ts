// What the fabric's namespace holds beside links and nftables: addresses, routes, permanent neighbours
// and policy rules, as the kernel lists them and as our own messages ask for them, in one form, so
// that the difference is what has to be put right. Pure.

import { attributes, dumpOf, FLAG, type Message, message } from './netlink-message.ts'
import { RTM } from './rtnetlink.ts'

/** An address, route, neighbour or rule: a key that equal ones share, and what removes it. */
export type Held = {
  readonly key: string
  /** 0: of no link. */
  readonly ifindex: number
  readonly remove: Message
  /** Of a route or a rule that packets ask by a mark: the number of its table. */
  readonly policyTable?: number
  /** Where a route of the main table leads: one address, or a delegated prefix. */
  readonly reaches?: { readonly address: Buffer; readonly prefixLength: number }
}

/** The bytes of a netlink header. */
const HEADER_BYTES = 16
const PROTOCOL_STATIC = 4 // RTPROT_STATIC: what we, or a person, put there; the kernel's own are 2.
const PERMANENT = 0x80 // NUD_PERMANENT
const KERNELS_OWN = ['7f000001', '00000000000000000000000000000001'] // lo's 127.0.0.1 and ::1.

const MAIN = 254 // RT_TABLE_MAIN
const RTN_UNICAST = 1
/** The preferences of the kernel's own rules; it lists 0 by saying none. */
const KERNELS_RULES = [0, 32_766, 32_767]

const KINDS = {
  [RTM.NEWADDR]: { del: RTM.DELADDR, bytes: 8, what: 'address', attributes: [1, 2] }, // ADDRESS, LOCAL
  [RTM.NEWROUTE]: { del: RTM.DELROUTE, bytes: 12, what: 'route', attributes: [1, 4, 5, 18] }, // DST, OIF, GATEWAY, VIA
  [RTM.NEWNEIGH]: { del: RTM.DELNEIGH, bytes: 12, what: 'neighbour', attributes: [1, 2] }, // DST, LLADDR
  [RTM.NEWRULE]: { del: RTM.DELRULE, bytes: 12, what: 'rule', attributes: [6, 10, 15, 3] }, // PRIORITY, FWMARK, TABLE, IIFNAME
} as const
type Type = keyof typeof KINDS

/** The dumps that list everything. */
export const heldDumps = (): { type: Type; request: Message }[] => [
  { type: RTM.NEWADDR, request: dumpOf(RTM.GETADDR, 'list addresses', Buffer.alloc(8)) },
  { type: RTM.NEWROUTE, request: dumpOf(RTM.GETROUTE, 'list routes', Buffer.alloc(12)) },
  { type: RTM.NEWNEIGH, request: dumpOf(RTM.GETNEIGH, 'list neighbours', Buffer.alloc(12)) },
  { type: RTM.NEWRULE, request: dumpOf(RTM.GETRULE, 'list rules', Buffer.alloc(12)) },
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
  if (type === RTM.NEWRULE && KERNELS_RULES.includes(number(found.get(6)))) return undefined
  return held(type, payload)
}

function held(type: Type, payload: Buffer): Held {
  const { del, bytes, what, attributes: kinds } = KINDS[type]
  const found = attributes(payload, bytes)
  const family = payload[0] ?? 0
  const remove = message(del, FLAG.ACK, `remove ${what}`, payload)
  const parts = kinds.map((kind) => found.get(kind)?.toString('hex') ?? '')
  const keyOf = (...more: (string | number)[]): string =>
    [what, family, ...more, ...parts].join(' ')
  switch (type) {
    case RTM.NEWRULE:
      return { key: keyOf(), ifindex: 0, remove, policyTable: number(found.get(15)) }
    case RTM.NEWNEIGH:
      return { key: keyOf(), ifindex: payload.readInt32LE(4), remove }
    case RTM.NEWADDR:
      parts[1] ||= parts[0] ?? '' // IPv6 is listed without IFA_LOCAL.
      return { key: keyOf(payload[1] ?? 0), ifindex: payload.readInt32LE(4), remove }
    case RTM.NEWROUTE: {
      const length = payload[1] ?? 0
      const table = found.has(15) ? number(found.get(15)) : (payload[4] ?? 0)
      const leads = payload[7] === RTN_UNICAST
      // IPv6 lists a route that leads nowhere as one of lo; a route to all is listed without a block.
      if (!leads) parts[1] = ''
      if (length === 0) parts[0] = ''
      const address = found.get(1)
      return {
        key: keyOf(table, length, payload[7] ?? 0),
        ifindex: leads ? number(found.get(4)) : 0,
        remove,
        ...(table === MAIN ? {} : { policyTable: table }),
        ...(table !== MAIN || address === undefined
          ? {}
          : { reaches: { address, prefixLength: length } }),
      }
    }
  }
}

const number = (bytes: Buffer | undefined): number => bytes?.readUInt32LE(0) ?? 0

const isType = (type: number): type is Type => type in KINDS
