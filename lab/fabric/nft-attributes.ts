// What nftables' netlink messages are made of: attributes that nest, texts, numbers, and where a
// verdict leads. Pure. The numbers are Linux's (linux/netfilter/nf_tables.h) and never change.

import { attribute } from './netlink-message.ts'
import type { Command } from './nft.ts'

const NESTED = 0x8000
const JUMP = -3
const GOTO = -4

/** The members of a piece of a command. */
export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isEmpty = (fields: Fields): boolean => Object.keys(fields).length === 0

/** The one member of an object that has one, by its name. */
export function only(value: unknown): readonly [name: string, member: unknown] | undefined {
  const [first, ...others] = isFields(value) ? Object.entries(value) : []
  return others.length > 0 ? undefined : first
}

/** What a command does to what: `add rule`, and that thing's members. */
export function partsOf(command: Command): readonly [what: string, fields: Fields] | undefined {
  const [verb, body] = only(command) ?? []
  const [kind, fields] = only(body) ?? []
  return isFields(fields) ? [`${verb} ${kind}`, fields] : undefined
}

export const nest = (type: number, ...parts: Buffer[]): Buffer =>
  attribute(type | NESTED, Buffer.concat(parts))
export const text = (type: number, value: unknown): Buffer =>
  attribute(type, Buffer.from(`${String(value)}\0`))

/** A number of four bytes. */
export function word(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return attribute(type, bytes)
}

/** A number of eight bytes, a whole one of 0 or more. */
export function long(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return attribute(type, bytes)
}

/** Where a jump leads, as a map or a rule holds it; undefined for any other verdict. */
export function jumpTo(statement: unknown): Buffer | undefined {
  const [verb, where] = only(statement) ?? []
  const [name, target] = only(where) ?? []
  if (name !== 'target' || typeof target !== 'string') return undefined
  return verb === 'jump' || verb === 'goto'
    ? verdict(verb === 'jump' ? JUMP : GOTO, text(2, target))
    : undefined
}

/** A verdict by its number, with the chain that it leads to, if any. */
export const verdict = (code: number, ...chain: Buffer[]): Buffer =>
  nest(2, word(1, code), ...chain)
