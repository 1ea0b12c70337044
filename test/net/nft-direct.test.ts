// Goal: what the fabric says to nftables by itself is what libnftables would have said, and whatever
// is not exactly that is left to libnftables. Method: the same commands both ways, in two namespaces;
// `nft -j` then lists the same ruleset.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AclEntry, Port, Rule } from '../../lab/fabric/fabric.ts'
import { baseRuleset } from '../../lab/fabric/gates.ts'
import { forKernel, kernelRules } from '../../lab/fabric/kernel-rules.ts'
import { openNftables } from '../../lab/fabric/libnftables.ts'
import {
  makeNamespace,
  namespacePath,
  removeNamespace,
  withinPath,
} from '../../lab/fabric/namespace.ts'
import { attributes, dumpOf } from '../../lab/fabric/netlink-message.ts'
import { dump, openNetlink, transact, withNetlink } from '../../lab/fabric/netlink-socket.ts'
import { putAcl } from '../../lab/fabric/network-acl.ts'
import {
  addChain,
  addGate,
  addRule,
  addSet,
  addVerdictMap,
  anyOf,
  type Command,
  changeElement,
  ct,
  inSet,
  jump,
  match,
  meta,
  payload,
  prefix,
  type Statement,
  set,
  transport,
} from '../../lab/fabric/nft.ts'
import { encodeBatch } from '../../lab/fabric/nft-direct.ts'
import { changePort, compile, guardLink, unguardLink } from '../../lab/fabric/ruleset.ts'
import { putGroup } from '../../lab/fabric/security-group.ts'

const name = `enid-d${randomBytes(3).toString('hex')}`
const both = [`${name}-lib`, `${name}-own`] as const

const ACL = { aclId: 'acl-1', entries: [] }
const SUBNET = {
  subnetId: 'subnet-1',
  ipv4Cidr: '10.0.0.0/24',
  ipv4Gateway: '10.0.0.1',
  aclId: 'acl-1',
}
const GROUPS = ['sg-a', 'sg-b'].map((groupId) => ({ groupId, rules: [] }))
const port = (n: number, change: Partial<Port> = {}): Port => ({
  eniId: `eni-${n}`,
  subnetId: 'subnet-1',
  mac: `02:00:00:00:00:0${n}`,
  ipv4: [`10.0.0.${n}`, `10.0.0.${n + 10}`],
  ipv6: [`2001:db8::${n}`],
  groupIds: ['sg-a', 'sg-b'],
  sourceDestCheck: true,
  netns: '/proc/self/ns/net',
  ...change,
})
const first = { port: port(1), link: 'lo' }
const second = { port: port(2, { sourceDestCheck: false }), link: 'e2' }
/** A NAT gateway's, which no group and no check is for. */
const third = { port: port(4, { groupIds: ['sg-b'] }), link: 'e4' }
const nat = { port: port(3, { groupIds: [], translates: true }), link: 'e3' }
const OTHERS = () => [['sg-a', 'sg-b']]

const [ALL4, ALL6] = ['0.0.0.0/0', '::/0']
/** Rules of every form: each protocol and IP version, blocks of all sorts of lengths, groups, everywhere. */
const RULES: Rule[] = (
  [
    ['all', ALL4],
    ['all', ALL6],
    ['all', '10.0.0.0/16'],
    ['all', 'sg-b'],
    [6, ALL4, 0, 65535],
    [6, ALL6, 443, 443],
    [6, '128.0.0.0/1', 22, 80],
    [6, '10.0.0.0/8', 0, 0],
    [6, '10.1.0.0/24', 65535, 65535],
    [6, '10.16.0.0/12', 0, 65535],
    [17, '10.1.2.3/32', 53, 100],
    [17, 'sg-a', 53, 53],
    [17, '2001:db8::/33', 0, 65534],
    [17, '2001:db8::1/128', 1, 65535],
    [1, '10.0.0.0/15', -1, -1],
    [1, '10.0.0.0/16', 8, -1],
    [1, ALL4, 3, 4],
    [1, 'sg-b', 0, 0],
    [58, '2001:db8::/56', 128, 0],
    [58, '2001:db8::/64', 128, -1],
    [58, ALL6, -1, -1],
    [58, 'sg-a', 1, 255],
    [47, 'sg-a'],
    [0, '10.0.0.0/16'],
    [255, '2001:db8::/127'],
  ] as [Rule['protocol'], string, number?, number?][]
).flatMap(([protocol, peer, from, to]) =>
  (['ingress', 'egress'] as const).map((direction, at) => ({
    ruleId: `sgr-${at}${[protocol, peer, from, to].join('-').replace(/[^a-z0-9]+/gi, '-')}`,
    direction,
    protocol,
    ...(from === undefined || to === undefined ? {} : { from, to }),
    peer: peer.startsWith('sg-')
      ? { kind: 'group', groupId: peer }
      : { kind: peer.includes(':') ? 'ipv6' : 'ipv4', cidr: peer },
  })),
)
const ENTRIES: AclEntry[] = RULES.flatMap(({ peer, direction, ...rule }, at) =>
  peer.kind === 'group'
    ? []
    : [
        { ...rule, peer, direction, ruleNumber: 2 * at + 1, action: 'allow' } as const,
        { ...rule, peer, direction, ruleNumber: 2 * at + 2, action: 'deny' } as const,
      ],
)
const empty = { groupId: 'sg-a', rules: [] }
const some = { groupId: 'sg-a', rules: RULES.slice(10, 30) }
const full = { groupId: 'sg-a', rules: RULES }

const isV4 = match(meta('nfproto'), 'ipv4')
const UNKNOWN_RULES: Statement[][] = [
  [{ counter: null }],
  [{ counter: { packets: -1, bytes: 0 } }],
  [{ counter: { packets: 0, bytes: 0, more: 1 } }],
  [{ accept: {} }],
  [{ return: null }],
  [{ jump: { target: 'y', more: 1 } }],
  [{ jump: 'y' }],
  [{ log: { prefix: 'x', group: 1, snaplen: 5 } }],
  [{ reject: { type: 'tcp reset' } }],
  [set(ct('mark'), 1)],
  [set(meta('priority'), 1)],
  [set(meta('mark'), -1)],
  [set(meta('mark'), meta('iif'))],
  [match(meta('iifname'), 'e1')],
  [match(meta('nfproto'), 2)],
  [match(meta('l4proto'), 256)],
  [match(meta('l4proto'), 'tcp')],
  [match(meta('l4proto'), anyOf(6, 17))],
  [match(meta('l4proto'), 6, '!=')],
  [match(payload('ip', 'saddr'), prefix('10.0.0.0', 8))], // Of no version yet: more must be asked.
  [isV4, match(payload('ip6', 'saddr'), prefix('2001:db8::', 32))],
  [isV4, match(payload('ip', 'saddr'), prefix('10.0.0.0', 0))],
  [isV4, match(payload('ip', 'saddr'), prefix('10.0.0.0', 33))],
  [isV4, match(payload('ip', 'saddr'), prefix('2001:db8::', 32))],
  [isV4, match(payload('ip', 'saddr'), '10.0.0.1')],
  [isV4, match(payload('ip', 'saddr'), inSet('a'), '!=')],
  [isV4, match(payload('ip', 'ttl'), 1)],
  [match(payload('icmp', 'type'), 8)],
  [match(meta('l4proto'), 6), match(payload('udp', 'dport'), 53)],
  [match(payload('tcp', 'dport'), 65536)],
  [match(payload('tcp', 'dport'), { range: [80, 70] })],
  [match(payload('tcp', 'dport'), inSet('ports'))],
  [match(payload('tcp', 'sport'), 80)],
  [match(transport(0, 16), 1)],
  [match(transport(4, 8), 1)],
  [match(transport(8, 8), 1), match(transport(16, 8), 1)], // Three in a row are made one otherwise.
]

beforeAll(() => {
  for (const netns of both) {
    makeNamespace(netns)
    // The first port brings the chains of its set of groups along: those are libnftables'.
    library(netns, compile([ACL], [SUBNET], GROUPS, [first]))
  }
})
afterAll(() => both.forEach(removeNamespace))

function library(netns: string, commands: readonly Command[]): void {
  withinPath(namespacePath(netns), () => {
    const nftables = openNftables()
    try {
      nftables.run(commands)
    } finally {
      nftables.close()
    }
  })
}

function own(netns: string, commands: readonly Command[]): void {
  const batch = encodeBatch(commands)
  if (batch === undefined) throw new Error('left to libnftables')
  netfilter(netns, (fd) => transact(fd, batch))
}

const netfilter = <T>(netns: string, work: (fd: number) => T): T =>
  withNetlink(
    withinPath(namespacePath(netns), () => openNetlink('netfilter')),
    work,
  )

/** The commands, with rules to be deleted by their handles in that namespace. */
const exact = (netns: string, commands: readonly Command[]): Command[] =>
  netfilter(netns, (fd) => forKernel(commands, (chain) => kernelRules(fd, 'inet', chain)))

/** Every rule's chain, expressions and user data as the kernel's own bytes. */
const rulesAsBytes = (netns: string): string[] =>
  netfilter(netns, (fd) =>
    dump(fd, dumpOf((10 << 8) | 7, 'list rules', Buffer.of(0, 0, 0, 0))).map((rule) => {
      const found = attributes(rule, 4)
      return [2, 4, 7].map((part) => found.get(part)?.toString('hex')).join(' ')
    }),
  )

/** The ruleset as nft tells it, without the numbers that the kernel gives, sets in one order. */
function listed(netns: string): unknown {
  const { nftables } = JSON.parse(
    execFileSync('ip', ['netns', 'exec', netns, 'nft', '-j', 'list', 'ruleset'], {
      encoding: 'utf8',
    }),
  )
  return JSON.parse(JSON.stringify(nftables), (key, value) => {
    if (key === 'handle') return undefined
    if (key !== 'elem' || !Array.isArray(value)) return value
    return value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  })
}

// P307
test.each<[string, Command[]]>([
  ['a port plugged in', changePort(undefined, second, OTHERS)],
  ['a port that translates plugged in', changePort(undefined, nat, OTHERS)],
  ['its guard, on a device that is there', guardLink('lo', '02:00:00:00:00:01')],
  [
    'a port that changes',
    changePort(second, { ...second, port: port(2, { ipv6: [], ipv4: ['10.0.0.77'] }) }, OTHERS),
  ],
  ['rules of every form, added', putGroup(full, empty)],
  ['rules replaced, and some taken away', putGroup(some, full)],
  ['the last rules taken away', putGroup(empty, some)],
  ['an ACL with entries of every form', putAcl({ ...ACL, entries: ENTRIES }, false)],
  ['a set of groups that no port has had', changePort(undefined, third, OTHERS)],
  ['a port that translates unplugged', changePort(nat, undefined, OTHERS)],
  ['its guard taken away', unguardLink('lo')],
  ['a guard that went with its link, taken away', unguardLink('e2')],
  [
    'a port unplugged',
    changePort({ ...second, port: port(2, { ipv6: [], ipv4: ['10.0.0.77'] }) }, undefined, OTHERS),
  ],
])('%s leaves the ruleset that libnftables leaves', (_what, commands) => {
  const before = listed(both[1])
  library(both[0], exact(both[0], commands))
  own(both[1], exact(both[1], commands))
  expect(listed(both[1])).toEqual(listed(both[0]))
  expect(rulesAsBytes(both[1])).toEqual(rulesAsBytes(both[0]))
  if (!commands.some((command) => 'flush' in command)) expect(listed(both[1])).not.toEqual(before)
})

// P307
test('is in force as a whole or not at all, and says what was refused', () => {
  const before = listed(both[1])
  const good = changePort(undefined, second, OTHERS)
  const bad: Command = { delete: { chain: { family: 'inet', table: 'enid', name: 'nowhere' } } }
  expect(() => own(both[1], [...good, bad])).toThrow(/chain nowhere.*ENOENT/)
  expect(listed(both[1])).toEqual(before)
})

// P314
test('rules that do not fit each other are refused as a whole', () => {
  const before = listed(both[1])
  const chain = (name: string): Command => addChain('inet', name)
  const way = (from: string, to: string): Command => addRule('inet', from, [jump(to)])
  const circle = [chain('x'), chain('y'), way('x', 'y'), way('y', 'x')]
  // The kernel looks at a map's ways only when it has done all the rest.
  const entry = { family: 'inet', set: 'border_out_subnet', key: [9], to: 'x' } as const
  circle.push(changeElement('add', entry))
  expect(() => own(both[1], circle)).toThrow(/ELOOP|EMLINK/)
  expect(listed(both[1])).toEqual(before)
})

// P314
test('a transaction of thousands of commands is one, and one that is too much for a socket is not for it', () => {
  const rules = (count: number): Rule[] =>
    Array.from({ length: count }, (_, n) => ({
      ruleId: `sgr-${n}`,
      direction: 'ingress',
      protocol: 6,
      from: n,
      to: n,
      peer: { kind: 'group', groupId: 'sg-b' },
    }))
  const many = { groupId: 'sg-a', rules: rules(500) }
  own(both[1], putGroup(many, empty))
  const count = netfilter(both[1], (fd) => kernelRules(fd, 'inet', 'ingress-sg-a')).length
  own(both[1], exact(both[1], putGroup(empty, many)))
  expect(count).toBe(2000)
  expect(encodeBatch(putGroup({ groupId: 'sg-a', rules: rules(5000) }, empty))).toBeUndefined()
})

// P314
test('of the rules that never change it knows some exactly, and the rest not at all', () => {
  const rules = baseRuleset().filter(({ add }) => 'rule' in (add as object))
  const known = rules.filter((rule) => encodeBatch([rule]) !== undefined)
  expect(known.length).toBeGreaterThan(5)
  expect(known.length).toBeLessThan(rules.length)
  library(both[0], known)
  own(both[1], known)
  expect(rulesAsBytes(both[1])).toEqual(rulesAsBytes(both[0]))
})

// P307
test('whatever it does not know exactly is left to libnftables', () => {
  const [one] = changePort(undefined, second, OTHERS)
  const element = (elem: unknown): Command =>
    ({
      add: { element: { family: 'inet', table: 'enid', name: 'destination_ipv4', elem } },
    }) as Command
  for (const command of [
    ...UNKNOWN_RULES.map((expr) => addRule('inet', 'x', expr)),
    addSet('inet', 'x', ['ifname']),
    addVerdictMap('x', 'ifname'),
    addGate('x', 'input', 0),
    element([{ prefix: { addr: '10.0.0.0', len: 24 } }]),
    element(['10.0.0.1']),
    element([{ concat: ['e1', '2001:db8::1'] }]),
    element([{ concat: ['e1', '10.0.0.1', '10.0.0.2'] }]),
    {
      add: { element: { family: 'inet', table: 'enid', name: 'of_intervals', elem: ['10.0.0.1'] } },
    },
    element([{ concat: ['e1', { prefix: { addr: '10.0.0.0', len: 24 } }] }]),
    element([{ elem: { val: '10.0.0.1', timeout: 5 } }]),
    element([['e1', { goto: { target: 'x' } }]]),
    element(['10.0.0.1', '10.0.0.2']),
    element([80]),
    element([{ concat: ['a-name-that-is-too-long', '10.0.0.1'] }]),
    { add: { element: { family: 'ip', table: 'enid', name: 'x', elem: ['e1'] } } } as Command,
    {
      add: {
        chain: {
          family: 'netdev',
          table: 'enid',
          name: 'x',
          hook: 'egress',
          dev: 'lo',
          type: 'filter',
          prio: 0,
          policy: 'drop',
        },
      },
    },
  ]) {
    const said = JSON.stringify(command)
    expect(encodeBatch([command]), said).toBeUndefined()
    expect(encodeBatch([one ?? command, command]), said).toBeUndefined()
  }
})
