// Goal: what an entry of a network ACL says reaches nftables whole, in the order of its number, or
// is refused by name. Method: the compiler's JSON compared as objects; no root, no kernel
// (test/net/fabric-acl.test.ts has that).

import { describe, expect, test } from 'vitest'
import { borderElements, borderGates, putBorder } from '../../lab/fabric/border.ts'
import type { AclEntry } from '../../lab/fabric/fabric.ts'
import { putAcl } from '../../lab/fabric/network-acl.ts'

const entry = (change: Partial<AclEntry> = {}): AclEntry => ({
  direction: 'ingress',
  ruleNumber: 100,
  action: 'allow',
  protocol: 'all',
  peer: { kind: 'ipv4', cidr: '10.0.0.0/16' },
  ...change,
})
const IPV6 = { kind: 'ipv6', cidr: 'fd00:1::5/32' } as const

/** The rules that entries become: chain, comment and clauses. */
function said(...entries: AclEntry[]): string[] {
  return putAcl({ aclId: 'acl-1', entries }, false).flatMap((command) => {
    const { rule } = (command.add ?? {}) as { rule?: Record<string, unknown> }
    if (rule === undefined) return []
    return [`${rule.chain} "${rule.comment}" ${(rule.expr as object[]).map(clause).join(', ')}`]
  })
}
function clause(statement: object): string {
  if (!('match' in statement)) return Object.keys(statement).join()
  return JSON.stringify(statement.match).replaceAll('"', '')
}
const start = 'acl-ingress-acl-1 "acl-1 ingress 100" {op:==,left:{meta:{key:nfproto}},right:ipv4}'
const from =
  '{op:==,left:{payload:{protocol:ip,field:saddr}},right:{prefix:{addr:10.0.0.0,len:16}}}'
const protocol = (number: number) => `{op:==,left:{meta:{key:l4proto}},right:${number}}`
const byte = (offset: number, value: number) =>
  `{op:==,left:{payload:{base:th,offset:${offset},len:8}},right:${value}}`

describe('an entry says its IP version, its CIDR and its protocol, all of them', () => {
  test.each<[string, Partial<AclEntry>, string[]]>([
    ['everything', {}, [start, from, 'counter, mangle, goto']],
    ['what is denied', { action: 'deny' }, [start, from, 'counter, log, drop']],
    [
      'from anywhere',
      { peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } },
      [start, 'counter, mangle, goto'],
    ],
    [
      'every TCP port is still TCP alone',
      { protocol: 6, from: 0, to: 65535 },
      [start, from, protocol(6), 'counter, mangle, goto'],
    ],
    [
      'a UDP range',
      { protocol: 17, from: 53, to: 54 },
      [
        start,
        from,
        '{op:==,left:{payload:{protocol:udp,field:dport}},right:{range:[53,54]}}',
        'counter, mangle, goto',
      ],
    ],
    [
      'an ICMP type and code',
      { protocol: 1, from: 3, to: 4 },
      [start, from, protocol(1), byte(0, 3), byte(8, 4), 'counter, mangle, goto'],
    ],
    [
      'any code of a type',
      { protocol: 1, from: 8, to: -1 },
      [start, from, protocol(1), byte(0, 8), 'counter, mangle, goto'],
    ],
    [
      'ICMPv6 in IPv4 by number alone',
      { protocol: 58 },
      [start, from, protocol(58), 'counter, mangle, goto'],
    ],
  ])('%s', (_name, change, nft) => {
    expect(said(entry(change))).toEqual([nft.join(', ')])
  })

  test('what leaves is judged by where it goes, in IPv6 too', () => {
    const [rule] = said(entry({ direction: 'egress', peer: IPV6, protocol: 58, from: 128, to: -1 }))
    expect(rule).toMatch(/^acl-egress-acl-1 "acl-1 egress 100" .*nfproto.*ipv6.*ip6,field:daddr/)
    expect(rule).toContain('{prefix:{addr:fd00:1::,len:32}}')
    expect(rule).toContain(byte(0, 128))
  })
})

test('the entries stand in the order of their numbers, each direction in its chain', () => {
  const rules = said(
    entry({ ruleNumber: 200 }),
    entry({ ruleNumber: 9, action: 'deny' }),
    entry({ ruleNumber: 9, direction: 'egress' }),
    entry({ ruleNumber: 100 }),
  )
  const comments = rules.map((rule) => rule.split('"')[1])
  expect(comments.filter((each) => each?.includes('ingress'))).toEqual([
    'acl-1 ingress 9',
    'acl-1 ingress 100',
    'acl-1 ingress 200',
  ])
  expect(comments).toContain('acl-1 egress 9')
})

describe('an entry that cannot be said exactly is refused by its number, never widened', () => {
  test.each<[string, Partial<AclEntry>, RegExp]>([
    ['number 0', { ruleNumber: 0 }, /ruleNumber is 0; .* 1 to 32766/],
    ['a number too high', { ruleNumber: 32767 }, /ruleNumber is 32767/],
    ['a bad CIDR', { peer: { kind: 'ipv4', cidr: '10.0.0.0/33' } }, /0 to 32/],
    ['IPv6 where IPv4 is said', { peer: { kind: 'ipv4', cidr: '::/0' } }, /not an ipv4 CIDR/],
    ['TCP without ports', { protocol: 6 }, /from is undefined/],
    ['a range upside down', { protocol: 17, from: 9, to: 8 }, /to is 8/],
    ['ICMP without a type', { protocol: 1 }, /ICMP type\) is undefined/],
    ['ICMPv6 without a type', { protocol: 58, peer: IPV6 }, /ICMP type\) is undefined/],
    ['a type for ICMPv6 in IPv4', { protocol: 58, from: 1, to: 1 }, /has no ports/],
    ['a code without a type', { protocol: 1, from: -1, to: 0 }, /code 0 needs a type/],
    ['ports where there are none', { protocol: 47, from: 1, to: 1 }, /has no ports/],
    ['a protocol out of range', { protocol: 256 }, /protocol is 256/],
    ['a protocol as text', { protocol: 'tcp' as never }, /protocol is tcp/],
  ])('%s', (_name, change, words) => {
    expect(() => said(entry(change))).toThrow(words)
    expect(() => said(entry(change))).toThrow(/^entry acl-1 ingress \d+: /)
  })

  test('a number twice in a direction, and ids that are no ids', () => {
    expect(() => said(entry(), entry({ action: 'deny' }))).toThrow(/ingress entry 100 is .* twice/)
    expect(() => putAcl({ aclId: 'a b', entries: [] }, true)).toThrow(/aclId is 'a b'/)
    const subnet = { ipv4Cidr: '10.0.0.0/24', ipv4Gateway: '10.0.0.1', aclId: 'acl-1' }
    expect(() => putBorder({ ...subnet, subnetId: 'a b' }, true)).toThrow(/subnetId is 'a b'/)
  })
})

test('nothing at a border decides by conntrack: an ACL knows no flows', () => {
  const subnet = { subnetId: 'subnet-1', ipv4Cidr: '10.0.0.0/24', ipv4Gateway: '10.0.0.1' }
  const commands = [
    ...borderGates(),
    ...putBorder({ ...subnet, aclId: 'acl-1' }, true),
    ...putAcl({ aclId: 'acl-1', entries: [entry()] }, true),
  ]
  const asking = commands.filter((command) => JSON.stringify(command).includes('"ct"'))
  // What asks is what tells of a flow's first packet, after the entry has allowed it.
  expect(asking.map((command) => JSON.stringify(command))).toEqual(
    ['leaving', 'entering'].map((gate) => expect.stringContaining(`"prefix":"pass ${gate}"`)),
  )
  for (const command of asking) {
    expect(JSON.stringify(command)).not.toMatch(/"(accept|drop|jump|goto)"/)
  }
})

test('a change of an ACL or of the association names no link', () => {
  const link = 'e123456789'
  const subnet = { subnetId: 'subnet-1', ipv4Cidr: '10.0.0.0/24', ipv4Gateway: '10.0.0.1' }
  expect(JSON.stringify(borderElements('subnet-1', link))).toContain(link)
  expect(putBorder({ ...subnet, aclId: 'acl-2' }, false)).toHaveLength(10)
  expect(putAcl({ aclId: 'acl-1', entries: [entry()] }, false)).toHaveLength(3)
})
