// The nftables commands that the changes of a port, a group or an ACL are made of, as netlink messages
// of our own. libnftables reads every table, chain and set anew at each transaction, which at 1,000 ports
// takes longer than all the rest of plugging one; the kernel takes these as they are. Pure.
//
//   elements of sets and verdict maps, added and deleted ┐
//   a netdev chain on a device; a plain chain            ├─▶ one batch: all of it or nothing
//   rules (nft-rule.ts), added, and deleted by handle    │
//   a chain emptied, a chain deleted                     ┘
//
// Whatever is not exactly one of these is left to libnftables (the caller's other way): nothing is
// ever half understood. The numbers are Linux's (linux/netfilter/nf_tables.h) and never change.

import { addressBytes, familyOf } from './address.ts'
import { acknowledged, attribute, FLAG, type Message, message } from './netlink-message.ts'
import { BATCH_BYTES_MAX } from './netlink-socket.ts'
import type { Command } from './nft.ts'
import {
  type Fields,
  isEmpty,
  isFields,
  jumpTo,
  long,
  nest,
  partsOf,
  text,
  word,
} from './nft-attributes.ts'
import { hostWord } from './nft-expressions.ts'
import { frameRule } from './nft-frame.ts'
import { expressionsOf } from './nft-rule.ts'

const NFTABLES = 10 // NFNL_SUBSYS_NFTABLES
const BATCH = { BEGIN: 0x10, END: 0x11 } as const
const MSG = { NEWCHAIN: 3, DELCHAIN: 5, NEWRULE: 6, DELRULE: 8, NEWSETELEM: 12, DELSETELEM: 14 }
const PROTO: Readonly<Record<string, number>> = { inet: 1, netdev: 5 }
const APPEND = 0x800
const IFNAME_BYTES = 16
const COMMENT = 0 // NFTNL_UDATA_RULE_COMMENT
const COMMENT_BYTES_MAX = 128

/**
 * The batch of those commands; undefined when one of them, or how much they are, is not for this encoder.
 * Refusals come unasked, so the last one's acknowledgement says that all were heard: the kernel answers
 * when the batch is done, and an answer to each would have to fit the socket.
 */
export function encodeBatch(commands: readonly Command[]): Message[] | undefined {
  const encoded: Message[] = []
  let bytes = 0
  for (const command of commands) {
    const one = encode(command)
    bytes += one?.bytes.length ?? 0
    if (one === undefined || bytes > BATCH_BYTES_MAX) return undefined
    encoded.push(one)
  }
  const last = encoded.slice(-1).map(acknowledged)
  return [bracket(BATCH.BEGIN), ...encoded.slice(0, -1), ...last, bracket(BATCH.END)]
}

function encode(command: Command): Message | undefined {
  const [what, fields] = partsOf(command) ?? []
  if (fields === undefined) return undefined
  switch (what) {
    case 'add element':
      return element(MSG.NEWSETELEM, FLAG.CREATE, fields)
    case 'delete element':
      return element(MSG.DELSETELEM, 0, fields)
    case 'add chain':
      return addChain(fields)
    case 'add rule':
      return addRule(fields)
    case 'delete rule':
      return deleteRule(fields)
    case 'flush chain':
      return named(MSG.DELRULE, 'chain', 2, fields)
    case 'delete chain':
      return named(MSG.DELCHAIN, 'chain', 3, fields)
    default:
      return undefined
  }
}

/** Of a set that is known; the parts of a key are padded to four bytes each. */
function element(type: number, flags: number, fields: Fields): Message | undefined {
  const { family, table, name, elem, ...others } = fields
  if (!Array.isArray(elem) || elem.length !== 1 || !isEmpty(others)) return undefined
  const [only]: unknown[] = elem
  const [key, data] = Array.isArray(only) ? only : [only]
  const bytes = keyBytes(String(name), key)
  const to = data === undefined ? undefined : dataOf(String(name), data)
  if (bytes === undefined || (data !== undefined && to === undefined)) return undefined
  const parts = [nest(1, attribute(1, bytes))]
  if (to !== undefined) parts.push(nest(2, to))
  return build(type, flags, family, `element of ${name}`, [
    text(1, table),
    text(2, name),
    nest(3, nest(1, ...parts)),
  ])
}

/** What a map gives for a key: an address or a mark, where it is a map of those, or where to jump. */
function dataOf(map: string, data: unknown): Buffer | undefined {
  const type = VALUES.get(map)
  if (type !== undefined) {
    const bytes = PART[type](data)
    return bytes === undefined ? undefined : attribute(1, bytes)
  }
  return isFields(data) && 'jump' in data ? jumpTo(data) : undefined
}

function keyBytes(set: string, key: unknown): Buffer | undefined {
  const types = SETS.find(([names]) => names.test(set))?.[1]
  const parts = isFields(key) && Object.keys(key).length === 1 ? key.concat : [key]
  if (types === undefined || !Array.isArray(parts) || parts.length !== types.length)
    return undefined
  const bytes: Buffer[] = []
  for (const [at, type] of types.entries()) {
    const one = PART[type](parts[at])
    if (one === undefined) return undefined
    bytes.push(types.length === 1 ? one : Buffer.concat([one], (one.length + 3) & ~3))
  }
  return Buffer.concat(bytes)
}

type Part = 'link' | 'mac' | 'ipv4' | 'ipv6' | 'mark'

/** The maps that lead to no chain, and what they give. */
const VALUES: ReadonlyMap<string, Part> = new Map([
  ['lease_address', 'ipv4'],
  ['egress_groups', 'mark'],
  ['ingress_groups', 'mark'],
  ['subnet_of', 'mark'],
])

/** The sets of single values (gates.ts, border.ts, security-group.ts), and what their keys are. */
const SETS: readonly (readonly [RegExp, readonly Part[]])[] = [
  [/^(mac|unchecked)$/, ['link', 'mac']],
  [/^arp_sender$/, ['link', 'mac', 'ipv4']],
  [/^(source|destination)_ipv4$/, ['link', 'ipv4']],
  [/^(link_local|(source|destination)_ipv6)$/, ['link', 'ipv6']],
  [
    /^(lease_address|gateways|subnet_of|unchecked_(source|destination)|(egress|ingress)_groups|links-.+)$/,
    ['link'],
  ],
  [/^((egress|ingress)_chains|border_(out|in)_subnet|route_of)$/, ['mark']],
  [/^near_ipv4$/, ['mark', 'link', 'ipv4']],
  [/^near_ipv6$/, ['mark', 'link', 'ipv6']],
  [/^ipv4-of-/, ['ipv4']],
  [/^ipv6-of-/, ['ipv6']],
]

const address = (family: Part) => (value: unknown) =>
  typeof value === 'string' && familyOf(value) === family ? addressBytes(value) : undefined

const isMark = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff

const PART: Readonly<Record<Part, (value: unknown) => Buffer | undefined>> = {
  link: (value) =>
    typeof value === 'string' && /^[a-zA-Z0-9._-]{1,15}$/.test(value)
      ? Buffer.concat([Buffer.from(value)], IFNAME_BYTES)
      : undefined,
  mac: (value) =>
    typeof value === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(value)
      ? Buffer.from(value.replaceAll(':', ''), 'hex')
      : undefined,
  mark: (value) => (isMark(value) ? hostWord(value) : undefined),
  ipv4: address('ipv4'),
  ipv6: address('ipv6'),
}

/** A netdev chain on what a device receives, or a plain one. */
function addChain(fields: Fields): Message | undefined {
  const { family, table, name, type, hook, dev, prio, policy, ...others } = fields
  if (!isEmpty(others)) return undefined
  const parts = [text(1, table), text(3, name)]
  if (hook !== undefined) {
    const isOurs = family === 'netdev' && hook === 'ingress' && type === 'filter' && prio === 0
    if (!isOurs || policy !== 'drop' || typeof dev !== 'string') return undefined
    parts.push(nest(4, word(1, 0), word(2, 0), text(3, dev)), word(5, 0), text(7, type))
  } else if ([type, dev, prio, policy].some((each) => each !== undefined)) {
    return undefined
  }
  return build(MSG.NEWCHAIN, FLAG.CREATE, family, `chain ${name}`, parts)
}

/** A rule behind all others of its chain. */
function addRule(fields: Fields): Message | undefined {
  const { family, table, chain, expr, comment, ...others } = fields
  if (!Array.isArray(expr) || !isEmpty(others)) return undefined
  const expressions = frameRule(expr) ?? expressionsOf(expr)
  const words = comment === undefined ? [] : [commentOf(comment)]
  if (expressions === undefined || words.includes(undefined)) return undefined
  return build(MSG.NEWRULE, FLAG.CREATE | APPEND, family, `rule of ${chain}`, [
    text(1, table),
    text(2, chain),
    nest(4, expressions),
    ...words.filter((each) => each !== undefined),
  ])
}

/** A comment stands in a rule's user data: type, length, the text with its end. */
function commentOf(comment: unknown): Buffer | undefined {
  const bytes = Buffer.from(`${comment}\0`)
  if (typeof comment !== 'string' || bytes.length > COMMENT_BYTES_MAX) return undefined
  return attribute(7, Buffer.concat([Buffer.of(COMMENT, bytes.length), bytes]))
}

function deleteRule(fields: Fields): Message | undefined {
  const { family, table, chain, handle, ...others } = fields
  if (!Number.isSafeInteger(handle) || !isEmpty(others)) return undefined
  const parts = [text(1, table), text(2, chain), long(3, Number(handle))]
  return build(MSG.DELRULE, 0, family, `rule ${handle} of ${chain}`, parts)
}

function named(type: number, what: string, at: number, fields: Fields): Message | undefined {
  const { family, table, name, ...others } = fields
  if (!isEmpty(others)) return undefined
  return build(type, 0, family, `${what} ${name}`, [text(1, table), text(at, name)])
}

function build(
  type: number,
  flags: number,
  family: unknown,
  what: string,
  parts: readonly Buffer[],
): Message | undefined {
  const number = PROTO[String(family)]
  if (number === undefined) return undefined
  return message((NFTABLES << 8) | type, flags, what, Buffer.of(number, 0, 0, 0), ...parts)
}

/** What begins a batch is refused where no command is, but all of them together. */
const bracket = (type: number): Message =>
  message(type, 0, 'nftables transaction', Buffer.of(0, 0, 0, NFTABLES))
