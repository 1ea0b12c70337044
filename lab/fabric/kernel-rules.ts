// The rules that are in the kernel, by their comments: what they counted, and the handles by which
// nftables deletes them. Read over netlink, which costs a tenth of what asking libnftables does.

import { attribute, attributeList, attributes, dumpOf } from './netlink-message.ts'
import { dump } from './netlink-socket.ts'
import { type Command, TABLE } from './nft.ts'

const GET_RULES = (10 << 8) | 7 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE
const FAMILY = { inet: 1, netdev: 5 } as const
const RULE = { TABLE: 1, CHAIN: 2, HANDLE: 3, EXPRESSIONS: 4, USERDATA: 7 }
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
/** A rule with a comment. Without a counter it has counted 0. */
export type KernelRule = RuleCount & { readonly handle: number; readonly counts: boolean }

/** All rules of our table, or of that one, that have a comment, or those of one chain. */
export function kernelRules(
  fd: number,
  family: keyof typeof FAMILY,
  chain?: string,
  table = TABLE,
): KernelRule[] {
  const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`))
  const request = dumpOf(
    GET_RULES,
    'list nftables rules',
    Buffer.of(FAMILY[family], 0, 0, 0),
    text(RULE.TABLE, table),
    ...(chain === undefined ? [] : [text(RULE.CHAIN, chain)]),
  )
  return dump(fd, request).flatMap((rule) => parseRule(rule) ?? [])
}

/** What every rule with a comment has counted. */
export const ruleCounts = (fd: number): RuleCount[] =>
  (['netdev', 'inet'] as const)
    .flatMap((family) => kernelRules(fd, family))
    .flatMap(({ counts, handle: _, ...count }) => (counts ? [count] : []))

/** One rule as the kernel describes it; undefined when it has no comment. */
export function parseRule(rule: Buffer): KernelRule | undefined {
  const found = attributes(rule, HEADER_BYTES)
  const comment = commentOf(found.get(RULE.USERDATA) ?? Buffer.of())
  if (comment === undefined) return undefined
  const [chain, handle] = [textOf(found.get(RULE.CHAIN)), numberOf(found.get(RULE.HANDLE))]
  for (const [, bytes] of attributeList(found.get(RULE.EXPRESSIONS) ?? Buffer.of(), 0)) {
    const expression = attributes(bytes, 0)
    if (textOf(expression.get(EXPRESSION.NAME)) !== 'counter') continue
    const counter = attributes(expression.get(EXPRESSION.DATA) ?? Buffer.of(), 0)
    const packets = numberOf(counter.get(COUNTER.PACKETS))
    const carried = numberOf(counter.get(COUNTER.BYTES))
    return { chain, comment, handle, counts: true, packets, bytes: carried }
  }
  return { chain, comment, handle, counts: false, packets: 0, bytes: 0 }
}

/**
 * The same commands as nftables takes them: rules are deleted by their handles, and a rule that takes
 * the place of one with its comment, in its chain, goes on counting where that was; of several with
 * one comment the first takes the sum. (Packets that come between the reading and the writing are
 * not counted: less than 1 ms, and only of a rule that is written anew.) Throws when a rule that is
 * to be deleted is not there.
 */
export function forKernel(
  commands: readonly Command[],
  rulesOf: (chain: string) => readonly KernelRule[],
): Command[] {
  const counts = new Map<string, RuleCount>()
  const read = new Map<string, readonly KernelRule[]>()
  const rulesIn = (chain: string): readonly KernelRule[] => {
    const rules = read.get(chain) ?? rulesOf(chain)
    read.set(chain, rules)
    return rules
  }
  return commands.flatMap((command): Command[] => {
    const emptied = member(member(command, 'flush'), 'chain')
    if (member(emptied, 'family') === 'inet') {
      for (const rule of rulesIn(String(member(emptied, 'name')))) add(counts, rule)
    }
    const doomed = member(member(command, 'delete'), 'rule')
    if (doomed !== undefined) {
      const [chain, comment] = [String(member(doomed, 'chain')), member(doomed, 'comment')]
      const rules = rulesIn(chain).filter((rule) => rule.comment === comment)
      if (rules.length === 0) throw new Error(`the kernel has no rule ${comment} in ${chain}`)
      for (const rule of rules) add(counts, rule)
      return rules.map(({ handle }) => ({
        delete: { rule: { family: 'inet', table: TABLE, chain, handle } },
      }))
    }
    const rule = member(member(command, 'add'), 'rule')
    const key = `${member(rule, 'chain')} ${member(rule, 'comment')}`
    const count = counts.get(key)
    if (rule === undefined || count === undefined) return [command]
    counts.delete(key)
    const { packets, bytes } = count
    const from = (statement: unknown): unknown =>
      member(statement, 'counter') === undefined ? statement : { counter: { packets, bytes } }
    const expr = (member(rule, 'expr') as unknown[]).map(from)
    return [{ add: { rule: { ...(rule as object), expr } } } as Command]
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
