// Policy rules of routing (`ip rule`), sent and received, pure: which table answers for which source
// and which link. Constants are those of linux/fib_rules.h and rtnetlink.h.

import type { NetlinkRequest } from './netlink-message.ts'
import {
  attribute,
  attributeText,
  attributeU32,
  decodeAttributes,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  text,
  u32,
} from './netlink-message.ts'
import { AF_INET, AF_INET6, addressBytes } from './rtnetlink.ts'
import { addressText } from './rtnetlink-record.ts'

const RTM_NEWRULE = 32
const RTM_GETRULE = 34
const FRA = { SRC: 2, PRIORITY: 6, TABLE: 15, OIFNAME: 17 }
const FR_ACT_TO_TBL = 1

/** What has a packet look in a table: where it comes from, or the link that it must leave by. */
export type FibRule = { readonly table: number } & (
  | { readonly from: string }
  | { readonly oif: string; readonly ipv6: boolean }
)

/** The rule in words, in one spelling. */
export const ruleText = (rule: FibRule): string =>
  'from' in rule
    ? `from ${rule.from} lookup ${rule.table}`
    : `${rule.ipv6 ? 'ipv6' : 'ipv4'} oif ${rule.oif} lookup ${rule.table}`

/** The rules of a card with a table of its own: for each of its addresses, and for the card. */
export function rulesOf(
  table: number,
  { name, ipv4, ipv6 }: { name: string; ipv4: readonly string[]; ipv6: readonly string[] },
): FibRule[] {
  const ofCard = (isIpv6: boolean): FibRule => ({ table, oif: name, ipv6: isIpv6 })
  return [
    ...[...ipv4, ...ipv6].map((from): FibRule => {
      return { table, from: addressText(addressBytes(from)) }
    }),
    ...(ipv4.length === 0 ? [] : [ofCard(false)]),
    ...(ipv6.length === 0 ? [] : [ofCard(true)]),
  ]
}

/** Adds a rule, before those of the main table. EEXIST when it is there. */
export function addRule(rule: FibRule): NetlinkRequest {
  const bytes = 'from' in rule ? addressBytes(rule.from) : undefined
  const isIpv6 = 'from' in rule ? bytes?.length === 16 : rule.ipv6
  const header = Buffer.alloc(12)
  header[0] = isIpv6 ? AF_INET6 : AF_INET
  header[2] = bytes === undefined ? 0 : bytes.length * 8
  header[4] = rule.table
  header[7] = FR_ACT_TO_TBL
  const parts = [
    header,
    ...(bytes === undefined ? [] : [attribute(FRA.SRC, bytes)]),
    ...('oif' in rule ? [attributeText(FRA.OIFNAME, rule.oif)] : []),
    attributeU32(FRA.PRIORITY, rule.table),
    attributeU32(FRA.TABLE, rule.table),
  ]
  return {
    type: RTM_NEWRULE,
    flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    body: Buffer.concat(parts),
    what: `add the rule ${ruleText(rule)}`,
  }
}

export const dumpRules = (): NetlinkRequest => ({
  type: RTM_GETRULE,
  flags: NLM_F_DUMP,
  body: Buffer.alloc(12),
  what: 'list rules',
})

/** Decodes RTM_NEWRULE; undefined for what is no rule of these two kinds. */
export function decodeRule(body: Buffer): FibRule | undefined {
  const attributes = decodeAttributes(body, 12)
  const isOurKind = body[0] === AF_INET || body[0] === AF_INET6
  if (!isOurKind || body[7] !== FR_ACT_TO_TBL) return undefined
  const table = u32(attributes, FRA.TABLE) ?? body[4] ?? 0
  const source = attributes.get(FRA.SRC)
  if (source !== undefined) return { table, from: addressText(source) }
  const oif = text(attributes, FRA.OIFNAME)
  return oif === undefined ? undefined : { table, oif, ipv6: body[0] === AF_INET6 }
}
