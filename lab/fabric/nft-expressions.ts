// The expressions that rules are made of, as netlink attributes: each works on one register. Pure. The
// numbers are Linux's (linux/netfilter/nf_tables.h) and never change.

import { attribute } from './netlink-message.ts'
import { long, nest, text, word } from './nft-attributes.ts'
import { ICMP, ICMPV6, TCP, UDP } from './protocol.ts'

const REGISTER = 1
const COMPARE = { equal: 0, atMost: 3, atLeast: 5 } as const
const BASE = { link: 0, network: 1, transport: 2 } as const
const META = { mark: 3, iiftype: 8, nfproto: 15, l4proto: 16 } as const
export const NFPROTO = { ipv4: 2, ipv6: 10 } as const
/** The protocols whose fields are known here. */
export const PROTOCOLS: ReadonlyMap<unknown, number> = new Map([
  ['tcp', TCP],
  ['udp', UDP],
  ['icmp', ICMP],
  ['icmpv6', ICMPV6],
])

/** Where a field of the packet is. `at` and `bytes` count bytes. */
export type Field = { readonly base: number; readonly at: number; readonly bytes: number }

const network = (at: number, bytes: number): Field => ({ base: BASE.network, at, bytes })
export const transport = (at: number, bytes: number): Field => ({
  base: BASE.transport,
  at,
  bytes,
})

/** A frame's sender and its type, side by side. */
export const FROM_AND_TYPE: Field = { base: BASE.link, at: 6, bytes: 8 }
export const FIELDS: ReadonlyMap<string, Field> = new Map([
  ['ip saddr', network(12, 4)],
  ['ip daddr', network(16, 4)],
  ['ip6 saddr', network(8, 16)],
  ['ip6 daddr', network(24, 16)],
  ['tcp dport', transport(2, 2)],
  ['udp dport', transport(2, 2)],
  ['icmp type', transport(0, 1)],
  ['icmp code', transport(1, 1)],
  ['icmpv6 type', transport(0, 1)],
  ['icmpv6 code', transport(1, 1)],
])

/** Loads something that the kernel knows of the packet. */
export const loadMeta = (what: keyof typeof META): Buffer =>
  expression('meta', word(2, META[what]), word(1, REGISTER))

export const load = ({ base, at, bytes }: Field): Buffer =>
  expression('payload', word(1, REGISTER), word(2, base), word(3, at), word(4, bytes))

export const and = (mask: Buffer): Buffer =>
  expression(
    'bitwise',
    ...[word(1, REGISTER), word(2, REGISTER), word(3, mask.length), word(6, 0)],
    nest(4, attribute(1, mask)),
    nest(5, attribute(1, Buffer.alloc(mask.length))),
  )

export const compare = (how: keyof typeof COMPARE, value: Buffer): Buffer =>
  expression('cmp', word(1, REGISTER), word(2, COMPARE[how]), nest(3, attribute(1, value)))

export const lookUp = (set: string): Buffer => expression('lookup', text(1, set), word(2, REGISTER))

export const count = (packets: number, bytes: number): Buffer =>
  expression('counter', long(1, bytes), long(2, packets))

/** Writes the packet's mark. */
export const setMark = (mark: number): Buffer =>
  Buffer.concat([
    expression('immediate', word(1, REGISTER), nest(2, attribute(1, hostWord(mark)))),
    expression('meta', word(2, META.mark), word(3, REGISTER)),
  ])

export const log = (group: number, prefix: string): Buffer =>
  expression('log', attribute(1, netShort(group)), text(2, prefix))

/** Ends the rule: `to` is a verdict. */
export const decide = (to: Buffer): Buffer => expression('immediate', word(1, 0), nest(2, to))

export function netShort(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** A mark as the kernel keeps it: in the machine's own order, as in every message here. */
export function hostWord(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const expression = (name: string, ...parts: Buffer[]): Buffer =>
  nest(1, text(1, name), nest(2, ...parts))
