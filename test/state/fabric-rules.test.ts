// Goal: what a caller says of a security group reaches nftables whole and exactly, or is refused by
// name. Method: the compiler's JSON compared as objects; no root, no kernel (test/net has that).

import { describe, expect, test } from 'vitest'
import type { Group, Port, Rule } from '../../lab/fabric/fabric.ts'
import { baseRuleset } from '../../lab/fabric/gates.ts'
import type { Command } from '../../lab/fabric/nft.ts'
import { changePort, compile, groupSetName } from '../../lab/fabric/ruleset.ts'
import { putGroup } from '../../lab/fabric/security-group.ts'

const rule = (change: Partial<Rule> = {}): Rule => ({
  ruleId: 'sgr-1',
  direction: 'ingress',
  protocol: 'all',
  peer: { kind: 'ipv4', cidr: '10.0.0.0/16' },
  ...change,
})
const group = (...rules: Rule[]): Group => ({ groupId: 'sg-1', rules })
const port = (change: Partial<Port> = {}): Port => ({
  eniId: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:00:01',
  ipv4: ['10.0.0.5'],
  ipv6: ['fd00::5'],
  groupIds: ['sg-1'],
  sourceDestCheck: true,
  netns: '/proc/self/ns/net',
  ...change,
})

/** Any part of a command: what is a word or a number is only compared and printed. */
interface Json {
  [key: string]: Json | undefined
}
const added = (commands: Command[], kind: string): Json[] =>
  (commands as unknown as Json[]).flatMap((each) => {
    const found = each.add?.[kind]
    return found ? [found] : []
  })
/** The rules a group's rule becomes, each as readable clauses, e.g. `ip.saddr == 10.0.0.0/16`. */
const said = (...rules: Rule[]): string[] => saidIn(/^(ingress|egress)-sg-1$/, ...rules)
/** The same for the chains of such a name. */
function saidIn(chain: RegExp, ...rules: Rule[]): string[] {
  return added(putGroup(group(...rules)), 'rule')
    .filter((each) => chain.test(String(each.chain)))
    .map((each) => (each.expr as unknown as Json[]).map(clause).join(', '))
}
function clause(statement: Json): string {
  if (!statement.match) return Object.keys(statement).join()
  const { left, op, right } = statement.match
  const [masked, mask] = (left?.['&'] ?? []) as unknown as [Json?, string?]
  const read = left?.payload ?? masked?.payload
  const field = read
    ? `${read.protocol}.${read.field}${mask === undefined ? '' : ` & ${mask}`}`
    : `meta ${left?.meta?.key}`
  const value = right?.set
    ? (right.set as unknown as number[]).join(' or ')
    : right?.prefix
      ? `${right.prefix.addr}/${right.prefix.len}`
      : right?.range
        ? `${right.range[0]}-${right.range[1]}`
        : right
  return `${field} ${op} ${value}`
}

describe('a rule says its IP version, its peer and its protocol, all of them', () => {
  const cases: [name: string, rule: Rule, nft: string[]][] = [
    [
      'everything from a CIDR',
      rule(),
      ['meta nfproto == ipv4, ip.saddr == 10.0.0.0/16, counter, mangle, goto'],
    ],
    [
      'everything to anywhere, IPv4 only',
      rule({ direction: 'egress', peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } }),
      ['meta nfproto == ipv4, counter, mangle, goto'],
    ],
    [
      'everything to anywhere, IPv6 only',
      rule({ direction: 'egress', peer: { kind: 'ipv6', cidr: '::/0' } }),
      ['meta nfproto == ipv6, counter, mangle, goto'],
    ],
    [
      'a TCP port range to an IPv6 CIDR whose host bits are set',
      rule({
        direction: 'egress',
        protocol: 6,
        from: 80,
        to: 443,
        peer: { kind: 'ipv6', cidr: 'fd00:1::5/32' },
      }),
      [
        'meta nfproto == ipv6, ip6.daddr == fd00:1::/32, tcp.dport == 80-443, counter, mangle, goto',
      ],
    ],
    [
      'one UDP port',
      rule({ protocol: 17, from: 53, to: 53 }),
      ['meta nfproto == ipv4, ip.saddr == 10.0.0.0/16, udp.dport == 53, counter, mangle, goto'],
    ],
    [
      'every TCP port is still TCP alone',
      rule({ protocol: 6, from: 0, to: 65535 }),
      ['meta nfproto == ipv4, ip.saddr == 10.0.0.0/16, meta l4proto == 6, counter, mangle, goto'],
    ],
    [
      'another protocol by number',
      rule({ protocol: 47 }),
      ['meta nfproto == ipv4, ip.saddr == 10.0.0.0/16, meta l4proto == 47, counter, mangle, goto'],
    ],
    [
      'an ICMP type and code',
      rule({ protocol: 1, from: 3, to: 4 }),
      [
        'meta nfproto == ipv4, ip.saddr == 10.0.0.0/16, meta l4proto == 1,' +
          ' icmp.type == 3, icmp.code == 4, counter, mangle, goto',
      ],
    ],
    [
      'any code of an ICMPv6 type',
      rule({ protocol: 58, from: 128, to: -1, peer: { kind: 'ipv6', cidr: 'fd00::/8' } }),
      [
        'meta nfproto == ipv6, ip6.saddr == fd00::/8, meta l4proto == 58,' +
          ' icmpv6.type == 128, counter, mangle, goto',
      ],
    ],
    [
      'a group means its members of both versions, by address and by prefix',
      rule({ protocol: 6, from: 22, to: 22, peer: { kind: 'group', groupId: 'sg-2' } }),
      [
        'meta nfproto == ipv4, ip.saddr == @ipv4-of-sg-2, tcp.dport == 22, counter, mangle, goto',
        'meta nfproto == ipv4, ip.saddr & 255.255.255.240 == @ipv4_prefixes-of-sg-2, tcp.dport == 22, counter, mangle, goto',
        'meta nfproto == ipv6, ip6.saddr == @ipv6-of-sg-2, tcp.dport == 22, counter, mangle, goto',
        'meta nfproto == ipv6, ip6.saddr & ffff:ffff:ffff:ffff:ffff:: == @ipv6_prefixes-of-sg-2, tcp.dport == 22, counter, mangle, goto',
      ],
    ],
    [
      'ICMP from a group is IPv4 alone',
      rule({ protocol: 1, from: -1, to: -1, peer: { kind: 'group', groupId: 'sg-2' } }),
      [
        'meta nfproto == ipv4, ip.saddr == @ipv4-of-sg-2, meta l4proto == 1, counter, mangle, goto',
        'meta nfproto == ipv4, ip.saddr & 255.255.255.240 == @ipv4_prefixes-of-sg-2, meta l4proto == 1, counter, mangle, goto',
      ],
    ],
  ]
  test.for(cases)('%s', ([, given, nft]) => {
    expect(said(given)).toEqual(nft)
  })
})

describe('a rule that cannot be said exactly is refused by its id, never widened', () => {
  const cidr = (cidr: string, kind: 'ipv4' | 'ipv6' = 'ipv4') => rule({ peer: { kind, cidr } })
  const cases: [name: string, rule: Rule, words: RegExp][] = [
    ['a name for a CIDR', cidr('localhost/8'), /'localhost\/8' is not an ipv4 CIDR/],
    ['no prefix length', cidr('10.0.0.1'), /not an ipv4 CIDR/],
    ['an empty prefix length', cidr('10.0.0.0/'), /not an ipv4 CIDR/],
    ['a prefix length too long', cidr('10.0.0.0/33'), /0 to 32/],
    ['a negative prefix length', cidr('10.0.0.0/-1'), /not an ipv4 CIDR/],
    ['an octal address', cidr('010.0.0.0/8'), /not an ipv4 CIDR/],
    ['IPv6 where IPv4 is said', cidr('::/0'), /not an ipv4 CIDR/],
    ['IPv4 where IPv6 is said', cidr('10.0.0.0/8', 'ipv6'), /not an ipv6 CIDR/],
    ['a zone', cidr('fe80::1%eth0/64', 'ipv6'), /not an ipv6 CIDR/],
    ['rules text in a CIDR', cidr('10.0.0.0/8 } accept'), /not an ipv4 CIDR/],
    ['a TCP rule without ports', rule({ protocol: 6 }), /from is undefined/],
    ['a port range upside down', rule({ protocol: 6, from: 90, to: 80 }), /to is 80; .* 90 to/],
    ['a port too high', rule({ protocol: 17, from: 1, to: 65536 }), /to is 65536/],
    ['half a port', rule({ protocol: 17, from: 1.5, to: 2 }), /from is 1.5/],
    ['an ICMP rule without a type', rule({ protocol: 1 }), /ICMP type\) is undefined/],
    ['a code without a type', rule({ protocol: 1, from: -1, to: 0 }), /code 0 needs a type/],
    ['ICMPv6 from IPv4', rule({ protocol: 58, from: -1, to: -1 }), /use protocol 1$/],
    ['a protocol as text', rule({ protocol: '6' as never, from: 80, to: 80 }), /no ports/],
    ['a protocol out of range', rule({ protocol: 256 }), /protocol is 256/],
    ['ports where there are none', rule({ protocol: 47, from: 1, to: 1 }), /has no ports/],
    ['a group id as text', rule({ peer: { kind: 'group', groupId: 'x y' } }), /groupId is 'x y'/],
  ]
  // P214
  test.for(cases)('%s is refused by its id', ([, given, words]) => {
    expect(() => said(given)).toThrow(words)
    expect(() => said(given)).toThrow(/^rule sgr-1 of sg-1: /)
  })

  test('a protocol that is text without ports', () => {
    expect(() => said(rule({ protocol: 'tcp' as never }))).toThrow(/protocol is tcp/)
  })
})

test('a new group has chains and member sets; of a known one only the rules that differ change', () => {
  const made = putGroup(group(rule()))
  expect(added(made, 'chain').map(({ name }) => name)).toEqual([
    'ingress-sg-1',
    'egress-sg-1',
    'egress_open-sg-1',
    'egress_free-sg-1',
    'ingress_open-sg-1',
    'ingress_free-sg-1',
  ])
  expect(added(made, 'set').map(({ name }) => name)).toEqual([
    'ipv4-of-sg-1',
    'ipv4_prefixes-of-sg-1',
    'ipv6-of-sg-1',
    'ipv6_prefixes-of-sg-1',
  ])
  const out = rule({ direction: 'egress', ruleId: 'sgr-2' })
  expect(putGroup(group(rule(), out), group(rule(), out))).toEqual([])
  const changed = putGroup(group(out), group(rule(), out))
  const gone = (chain: string, comment: string) => ({
    delete: { rule: { family: 'inet', table: 'enid', chain, comment } },
  })
  expect(changed).toEqual([gone('ingress-sg-1', 'sgr-1')])
  const renamed = putGroup(group(rule({ ruleId: 'sgr-3' })), group(rule()))
  expect(added(renamed, 'rule').map(({ comment }) => comment)).toEqual(['sgr-3'])
})

describe('what is not tracked', () => {
  const anywhere = (change: Partial<Rule>) =>
    rule({ peer: { kind: 'ipv4', cidr: '0.0.0.0/0' }, ...change })
  const cases: [name: string, rule: Rule, open: string[], free: string[]][] = [
    [
      'one port from everywhere',
      anywhere({ protocol: 6, from: 80, to: 80 }),
      ['meta nfproto == ipv4, tcp.dport == 80, counter, mangle, goto'],
      [],
    ],
    [
      'every port of a protocol',
      anywhere({ protocol: 17, from: 0, to: 65535 }),
      ['meta nfproto == ipv4, meta l4proto == 17, counter, mangle, goto'],
      ['meta nfproto == ipv4, meta l4proto == 17, mangle'],
    ],
    [
      'everything, of which TCP and UDP are untracked, in IPv6',
      anywhere({ peer: { kind: 'ipv6', cidr: '::/0' } }),
      [6, 17].map(
        (number) => `meta nfproto == ipv6, meta l4proto == ${number}, counter, mangle, goto`,
      ),
      [6, 17].map((number) => `meta nfproto == ipv6, meta l4proto == ${number}, mangle`),
    ],
    ['every port but one', anywhere({ protocol: 6, from: 1, to: 65535 }), [expect.anything()], []],
    ['ICMP', anywhere({ protocol: 1, from: -1, to: -1 }), [], []],
    ['another protocol', anywhere({ protocol: 47 }), [], []],
    ['half of everywhere', rule({ peer: { kind: 'ipv4', cidr: '0.0.0.0/1' } }), [], []],
    ['a group', rule({ peer: { kind: 'group', groupId: 'sg-1' } }), [], []],
  ]
  test.for(cases)('%s', ([, given, open, free]) => {
    for (const [direction, other] of [
      ['ingress', 'egress'],
      ['egress', 'ingress'],
    ] as const) {
      const turned = { ...given, direction }
      expect(saidIn(new RegExp(`^${direction}_open-`), turned)).toEqual(open)
      expect(saidIn(new RegExp(`^${other}_free-`), turned)).toEqual(free)
      expect(saidIn(new RegExp(`^(${other}_open|${direction}_free)-`), turned)).toEqual([])
    }
  })
})

test('every gate drops what it does not accept, and the two groups gates are two', () => {
  const hooked = added(baseRuleset(), 'chain').filter(({ hook }) => hook !== undefined)
  // One only marks which routes a packet asks; it judges nothing.
  const gates = hooked.filter(({ name }) => String(name) !== 'routing')
  expect(hooked).toHaveLength(gates.length + 1)
  expect(gates.map(({ policy }) => policy)).toEqual(gates.map(() => 'drop'))
  const forward = gates.filter(({ hook }) => String(hook) === 'forward')
  expect(forward.map(({ name }) => name)).toEqual([
    'destination_check',
    'egress_gate',
    'ingress_gate',
    'border_out',
    'border_in',
  ])
  expect(new Set(forward.map(({ prio }) => Number(prio))).size).toBe(5)
})

test('a port without groups is in no gate, so both directions are closed', () => {
  const commands = changePort(undefined, { port: port({ groupIds: [] }), link: 'e1' }, () => [])
  const sets = added(commands, 'element').map(({ name }) => name)
  expect(sets).not.toContain('egress_groups')
  expect(sets).not.toContain('ingress_groups')
  expect(sets).toContain('source_ipv4')
})

test('ports with the same groups share their chains; the last one takes them away', () => {
  const one = { port: port({ groupIds: ['sg-1', 'sg-2'] }), link: 'e1' }
  const others = () => [['sg-2', 'sg-1']]
  expect(
    added(
      changePort(undefined, one, () => []),
      'chain',
    ),
  ).toHaveLength(2)
  expect(added(changePort(undefined, one, others), 'chain')).toHaveLength(0)
  const kept = JSON.stringify(changePort(one, undefined, others))
  const last = JSON.stringify(changePort(one, undefined, () => []))
  expect(kept).not.toContain('"delete":{"chain"')
  expect(last).toContain(`"delete":{"chain":{"family":"inet","table":"enid","name":"egress-`)
  expect(groupSetName(['sg-1', 'sg-2'])).toBe(groupSetName(['sg-2', 'sg-1', 'sg-1']))
  expect(groupSetName(['sg-1'])).not.toBe(groupSetName(['sg-2']))
})

test('an update touches what changed and nothing else', () => {
  const before = { port: port(), link: 'e1' }
  expect(changePort(before, before, () => [])).toEqual([])
  const after = { port: port({ ipv4: ['10.0.0.5', '10.0.0.6'] }), link: 'e1' }
  const commands = changePort(before, after, () => [])
  expect(JSON.stringify(commands)).not.toContain('delete')
  expect(added(commands, 'element').map(({ name }) => name)).toEqual([
    'arp_sender',
    'source_ipv4',
    'destination_ipv4',
    'near_ipv4',
    'ipv4-of-sg-1',
  ])
})

test('the whole ruleset holds the gates, the groups and the ports', () => {
  const acl = { aclId: 'acl-1', entries: [] }
  const subnet = { subnetId: 'subnet-1', ipv4Cidr: '10.0.0.0/24', ipv4Gateway: '10.0.0.1' }
  const subnets = [{ ...subnet, aclId: 'acl-1' }]
  const whole = compile([acl], subnets, [group(rule())], [{ port: port(), link: 'e1' }])
  expect(added(whole, 'chain').map(({ name }) => name)).toContain('ingress-sg-1')
  expect(added(whole, 'rule').filter(({ comment }) => String(comment) === 'sgr-1')).toHaveLength(1)
})
