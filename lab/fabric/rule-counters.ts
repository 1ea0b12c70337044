// The counters of nftables rules, by the rules' comments: read over netlink, which costs a tenth of
// what asking libnftables does, and carried along when a chain is written anew, which would begin
// them at 0. Packets that come between the reading and the writing are not counted: less than 1 ms.

import { attribute, attributeList, attributes, dumpOf } from './netlink-message.ts'
import { dump } from './netlink-socket.ts'
import { type Command, TABLE } from './nft.ts'

const GET_RULES = (10 << 8) | 7 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE
const FAMILY = { inet: 1, netdev: 5 } as const
const RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4, USERDATA: 7 }
const EXPRESSION = { NAME: 1, DATA: 2 }
const COUNTER = { BYTES: 1, PACKETS: 2 }
const COMMENT = 0 // NFTNL_UDATA_RULE_COMMENT
const HEADER_BYTES = 4 // struct nfgenmsg

/** What one nftables rule counted. */
export type RuleCount = {
  readonly chain: string
  readonly comment: string
  readonly packets: number
  readonly bytes: number
}

/** The counts of all rules of our table that have a comment and a counter, or of one chain. */
export function ruleCounts(fd: number, family: keyof typeof FAMILY, chain?: string): RuleCount[] {
  const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`))
  const request = dumpOf(
    GET_RULES,
    'list nftables rules',
    Buffer.of(FAMILY[family], 0, 0, 0),
    text(RULE.TABLE, TABLE),
    ...(chain === undefined ? [] : [text(RULE.CHAIN, chain)]),
  )
  return dump(fd, request).flatMap((rule) => parseCount(rule) ?? [])
}

/** One rule as the kernel describes it; undefined when it has no comment or no counter. */
export function parseCount(rule: Buffer): RuleCount | undefined {
  const found = attributes(rule, HEADER_BYTES)
  const comment = commentOf(found.get(RULE.USERDATA) ?? Buffer.of())
  if (comment === undefined) return undefined
  for (const [, bytes] of attributeList(found.get(RULE.EXPRESSIONS) ?? Buffer.of(), 0)) {
    const expression = attributes(bytes, 0)
    if (textOf(expression.get(EXPRESSION.NAME)) !== 'counter') continue
    const counter = attributes(expression.get(EXPRESSION.DATA) ?? Buffer.of(), 0)
    return {
      chain: textOf(found.get(RULE.CHAIN)),
      comment,
      packets: numberOf(counter.get(COUNTER.PACKETS)),
      bytes: numberOf(counter.get(COUNTER.BYTES)),
    }
  }
  return undefined
}

/**
 * The same commands, but that a rule which replaces one of its comment in its chain goes on counting
 * where that was. Of several rules with one comment the first takes the sum.
 */
export function carryCounts(
  commands: readonly Command[],
  countsOf: (chain: string) => readonly RuleCount[],
): Command[] {
  const counts = new Map<string, RuleCount>()
  return commands.map((command) => {
    const emptied = member(member(command, 'flush'), 'chain')
    if (member(emptied, 'family') === 'inet') {
      for (const count of countsOf(String(member(emptied, 'name')))) add(counts, count)
    }
    const rule = member(member(command, 'add'), 'rule')
    const key = `${member(rule, 'chain')} ${member(rule, 'comment')}`
    const count = counts.get(key)
    if (rule === undefined || count === undefined) return command
    counts.delete(key)
    const { packets, bytes } = count
    const from = (statement: unknown): unknown =>
      member(statement, 'counter') === undefined ? statement : { counter: { packets, bytes } }
    const expr = (member(rule, 'expr') as unknown[]).map(from)
    return { add: { rule: { ...(rule as object), expr } } } as Command
  })
}

function add(counts: Map<string, RuleCount>, count: RuleCount): void {
  const key = `${count.chain} ${count.comment}`
  const before = counts.get(key)
  const packets = count.packets + (before?.packets ?? 0)
  counts.set(key, { ...count, packets, bytes: count.bytes + (before?.bytes ?? 0) })
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

/** Rule user data is type, length, value, one byte each but the last. */
function commentOf(userdata: Buffer): string | undefined {
  for (let at = 0; at + 2 <= userdata.length; at += 2 + (userdata[at + 1] ?? 0)) {
    const end = at + 2 + (userdata[at + 1] ?? 0)
    if (userdata[at] === COMMENT) return textOf(userdata.subarray(at + 2, end))
  }
  return undefined
}

const textOf = (bytes: Buffer | undefined): string =>
  bytes === undefined ? '' : bytes.toString('utf8').replace(/\0.*$/s, '')

const numberOf = (bytes: Buffer | undefined): number =>
  bytes === undefined || bytes.length < 8 ? 0 : Number(bytes.readBigUInt64BE())
