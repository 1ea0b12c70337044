// A rule's statements as the kernel's expressions, in the words that libnftables would use: for the
// rules of groups, of sets of groups and of ACLs, which come and go one by one. Pure.
//
//   match ip daddr 10.0.0.0/16   ─▶  payload 2 bytes at 16 ─▶ cmp        (a part of the field is asked)
//   match tcp dport 80           ─▶  meta l4proto, cmp 6, unless a match before said so ─▶ payload, cmp
//   counter, mark, log, verdict  ─▶  one or two expressions each
//
// What a match of one IP version or protocol needs beside itself must have been said before it, or
// is said here as libnftables says it. Any other statement: undefined, and libnftables' own.

import { addressBytes, familyOf } from './address.ts'
import { isEmpty, isFields, jumpTo, only, verdict } from './nft-attributes.ts'
import * as kernel from './nft-expressions.ts'
import { ICMP, ICMPV6, PORT_MAX, TCP, UDP } from './protocol.ts'

const VERDICTS = { accept: 1, drop: 0 } as const

type Field = kernel.Field

/** The expressions of a rule with these statements; undefined when one of them is not for here. */
export function expressionsOf(statements: readonly unknown[]): Buffer | undefined {
  const rule = new RuleEncoder()
  return statements.every((statement) => rule.add(statement)) ? rule.whole() : undefined
}

class RuleEncoder {
  readonly #done: Buffer[] = []
  /** What the matches so far say of the packet. */
  #version: string | undefined
  #protocol: number | undefined
  /** The last match was of this byte: one of the next byte becomes a part of it. */
  #pending: { field: Field; value: Buffer } | undefined

  whole(): Buffer {
    this.#settle()
    return Buffer.concat(this.#done)
  }

  /** Whether it understood the statement. */
  add(statement: unknown): boolean {
    const [name, body] = only(statement) ?? []
    if (name === 'match') return this.#match(body)
    this.#settle()
    switch (name) {
      case 'counter':
        return this.#counter(body)
      case 'mangle':
        return this.#mark(body)
      case 'log':
        return this.#log(body)
      case 'accept':
      case 'drop':
        return body === null && this.#decide(verdict(VERDICTS[name]))
      case 'jump':
      case 'goto':
        return this.#decide(jumpTo(statement))
      default:
        return false
    }
  }

  #match(body: unknown): boolean {
    if (!isFields(body)) return false
    const { op, left, right, ...others } = body
    if (!isEmpty(others)) return false
    const [kind, what] = only(left) ?? []
    if (kind === 'meta') return op === '==' && this.#matchMeta(what, right)
    if (kind === '&') return op === '==' && this.#matchMasked(what, right)
    const field = kind === 'payload' ? this.#field(what) : undefined
    return field !== undefined && op === '==' && this.#matchField(field, right)
  }

  #matchMeta(what: unknown, right: unknown): boolean {
    const key = isFields(what) && only(what)?.[0] === 'key' ? what.key : undefined
    this.#settle()
    switch (key) {
      case 'nfproto':
        if (right !== 'ipv4' && right !== 'ipv6') return false
        this.#version = right
        return this.#compareMeta(key, Buffer.of(kernel.NFPROTO[right]))
      case 'l4proto':
        if (!isWhole(right, 255)) return false
        this.#protocol = right
        return this.#compareMeta(key, Buffer.of(right))
      case 'mark':
        return isWhole(right, MARK_MAX) && this.#compareMeta(key, kernel.hostWord(right))
      default:
        return false
    }
  }

  #compareMeta(key: Parameters<typeof kernel.loadMeta>[0], value: Buffer): boolean {
    this.#push(kernel.loadMeta(key), kernel.compare('equal', value))
    return true
  }

  /** The field, once all is said that it needs; undefined for one that is not known here. */
  #field(what: unknown): Field | undefined {
    if (!isFields(what)) return undefined
    const { protocol, field, base, offset, len, ...others } = what
    if (!isEmpty(others)) return undefined
    if (base !== undefined) {
      if (base !== 'th' || protocol !== undefined || field !== undefined) return undefined
      if (len !== 8 || !isWhole(offset, 8) || offset % 8 !== 0) return undefined
      return kernel.transport(offset / 8, 1)
    }
    const name = `${protocol} ${field}`
    const found = kernel.FIELDS.get(name)
    if (found === undefined || offset !== undefined || len !== undefined) return undefined
    if (protocol === 'ip' || protocol === 'ip6') {
      return this.#version === (protocol === 'ip' ? 'ipv4' : 'ipv6') ? found : undefined
    }
    const number = kernel.PROTOCOLS.get(protocol)
    if (this.#protocol === undefined && (number === TCP || number === UDP)) {
      this.#matchMeta({ key: 'l4proto' }, number)
    }
    // A version's own ICMP: nftables would ask for that version beside it.
    if (number === ICMP && this.#version !== 'ipv4') return undefined
    if (number === ICMPV6 && this.#version !== 'ipv6') return undefined
    return this.#protocol === number ? found : undefined
  }

  #matchField(field: Field, right: unknown): boolean {
    if (typeof right === 'string' && right.startsWith('@')) return this.#lookUp(field, right)
    const [kind, what] = only(right) ?? []
    if (kind === 'prefix') return this.#matchPrefix(field, what)
    if (kind === 'range') return this.#matchRange(field, what)
    const most = field.bytes === 1 ? 255 : PORT_MAX
    if (field.bytes > 2 || !isWhole(right, most)) return false
    const value = field.bytes === 1 ? Buffer.of(right) : kernel.netShort(right)
    if (field.bytes === 1) return this.#await(field, value)
    this.#settle()
    this.#push(kernel.load(field), kernel.compare('equal', value))
    return true
  }

  /** A match of one byte: nftables makes one of two that stand side by side. */
  #await(field: Field, value: Buffer): boolean {
    const before = this.#pending
    if (before === undefined) {
      this.#pending = { field, value }
      return true
    }
    const { base, at, bytes } = before.field
    if (base !== field.base || at + bytes !== field.at || bytes !== 1 || at % 2 !== 0) return false
    this.#pending = { field: { base, at, bytes: 2 }, value: Buffer.concat([before.value, value]) }
    return true
  }

  #settle(): void {
    if (this.#pending === undefined) return
    const { field, value } = this.#pending
    this.#pending = undefined
    this.#push(kernel.load(field), kernel.compare('equal', value))
  }

  #matchPrefix(field: Field, what: unknown): boolean {
    if (!isFields(what)) return false
    const { addr, len, ...others } = what
    const network = addressOf(field, addr)
    if (network === undefined || !isEmpty(others)) return false
    const bits = field.bytes * 8
    if (!isWhole(len, bits) || len === 0) return false
    this.#settle()
    if (len % 8 === 0) {
      const asked = { ...field, bytes: len / 8 }
      this.#push(kernel.load(asked), kernel.compare('equal', network.subarray(0, len / 8)))
      return true
    }
    const mask = Buffer.alloc(field.bytes)
    for (let bit = 0; bit < len; bit++) mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
    this.#push(kernel.load(field), kernel.and(mask), kernel.compare('equal', network))
    return true
  }

  #matchRange(field: Field, what: unknown): boolean {
    const [from, to] = Array.isArray(what) && what.length === 2 ? what : []
    if (field.bytes !== 2 || !isWhole(to, PORT_MAX) || !isWhole(from, to - 1)) return false
    this.#settle()
    const bounds = [
      kernel.compare('atLeast', kernel.netShort(from)),
      kernel.compare('atMost', kernel.netShort(to)),
    ]
    this.#push(kernel.load(field), ...bounds)
    return true
  }

  /** A field and a mask, in a set: the network that an address is in. */
  #matchMasked(what: unknown, right: unknown): boolean {
    const [left, mask] = Array.isArray(what) && what.length === 2 ? what : []
    const [kind, payload] = only(left) ?? []
    const field = kind === 'payload' ? this.#field(payload) : undefined
    const bytes = field === undefined ? undefined : addressOf(field, mask)
    if (field === undefined || bytes === undefined) return false
    return typeof right === 'string' && right.startsWith('@') && this.#lookUp(field, right, bytes)
  }

  #lookUp(field: Field, set: string, mask?: Buffer): boolean {
    if (field.bytes < 4) return false
    this.#settle()
    const masked = mask === undefined ? [] : [kernel.and(mask)]
    this.#push(kernel.load(field), ...masked, kernel.lookUp(set.slice(1)))
    return true
  }

  #counter(body: unknown): boolean {
    if (!isFields(body)) return false
    const { packets, bytes, ...others } = body
    if (!isEmpty(others) || !isWhole(packets, COUNT_MAX) || !isWhole(bytes, COUNT_MAX)) return false
    this.#push(kernel.count(packets, bytes))
    return true
  }

  #mark(body: unknown): boolean {
    if (!isFields(body)) return false
    const { key, value, ...others } = body
    const [kind, what] = only(key) ?? []
    const isMark = kind === 'meta' && isFields(what) && only(what)?.[1] === 'mark'
    if (!isMark || !isEmpty(others) || !isWhole(value, MARK_MAX)) return false
    this.#push(kernel.setMark(value))
    return true
  }

  #log(body: unknown): boolean {
    if (!isFields(body)) return false
    const { prefix, group, ...others } = body
    if (!isEmpty(others) || typeof prefix !== 'string' || !isWhole(group, PORT_MAX)) return false
    this.#push(kernel.log(group, prefix))
    return true
  }

  #decide(to: Buffer | undefined): boolean {
    if (to !== undefined) this.#push(kernel.decide(to))
    return to !== undefined
  }

  #push = (...expressions: Buffer[]): void => void this.#done.push(...expressions)
}

const MARK_MAX = 0xffff_ffff
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const isWhole = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most

function addressOf({ bytes }: Field, value: unknown): Buffer | undefined {
  const family = typeof value === 'string' ? familyOf(value) : undefined
  const isOne = typeof value === 'string' && family === (bytes === 4 ? 'ipv4' : 'ipv6')
  return isOne && bytes >= 4 ? addressBytes(value) : undefined
}
