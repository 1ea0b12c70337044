// The first rules of every link's guard (ruleset.ts) as the kernel's expressions, in the words that
// libnftables would use: whose a frame is, and of which type. Pure.
//
//   ether saddr 02:…, ether type ip, accept  ─▶  meta iiftype, cmp ethernet ─▶ payload 8 bytes at 6, cmp ─▶ accept

import { isEmpty, isFields, only, verdict } from './nft-attributes.ts'
import * as kernel from './nft-expressions.ts'
import { macBytes } from './rtnetlink.ts'

const ACCEPT = 1
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/
/** What links are whose frames have MACs (linux/if_arp.h), in the machine's own order. */
const ETHERNET = Buffer.of(1, 0)
const TYPES: ReadonlyMap<unknown, number> = new Map([
  ['ip', 0x0800],
  ['ip6', 0x86dd],
])

/** The expressions of a rule that accepts a type of frames from one MAC; undefined for any other. */
export function frameRule(statements: readonly unknown[]): Buffer | undefined {
  const [sender, type, end, ...others] = statements
  const [mac, number] = [asked(sender, 'saddr'), TYPES.get(asked(type, 'type'))]
  const [word, body] = only(end) ?? []
  if (word !== 'accept' || body !== null || others.length > 0) return undefined
  if (typeof mac !== 'string' || !MAC.test(mac) || number === undefined) return undefined
  return Buffer.concat([
    kernel.loadMeta('iiftype'),
    kernel.compare('equal', ETHERNET),
    kernel.load(kernel.FROM_AND_TYPE),
    kernel.compare('equal', Buffer.concat([macBytes(mac), kernel.netShort(number)])),
    kernel.decide(verdict(ACCEPT)),
  ])
}

/** What a match says that a field of the frame is. */
function asked(statement: unknown, field: string): unknown {
  const [name, body] = only(statement) ?? []
  if (name !== 'match' || !isFields(body)) return undefined
  const { op, left, right, ...others } = body
  const [kind, what] = only(left) ?? []
  if (op !== '==' || !isEmpty(others) || kind !== 'payload' || !isFields(what)) return undefined
  const { protocol, field: found, ...more } = what
  return protocol === 'ether' && found === field && isEmpty(more) ? right : undefined
}
