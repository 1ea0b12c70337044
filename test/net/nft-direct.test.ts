// Goal: what the fabric says to nftables by itself is what libnftables would have said, and whatever
// is not exactly that is left to libnftables. Method: the same commands both ways, in two namespaces;
// `nft -j` then lists the same ruleset.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Port } from '../../lab/fabric/fabric.ts'
import { baseRuleset } from '../../lab/fabric/gates.ts'
import { openNftables } from '../../lab/fabric/libnftables.ts'
import {
  makeNamespace,
  namespacePath,
  removeNamespace,
  withinPath,
} from '../../lab/fabric/namespace.ts'
import { openNetlink, transact, withNetlink } from '../../lab/fabric/netlink-socket.ts'
import type { Command } from '../../lab/fabric/nft.ts'
import { encodeBatch } from '../../lab/fabric/nft-direct.ts'
import { changePort, compile, guardLink, unguardLink } from '../../lab/fabric/ruleset.ts'

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
const nat = { port: port(3, { groupIds: [], translates: true }), link: 'e3' }
const OTHERS = [['sg-a', 'sg-b']]

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
  withNetlink(
    withinPath(namespacePath(netns), () => openNetlink('netfilter')),
    (fd) => transact(fd, batch),
  )
}

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
  ['its guard, on a device that is there', guardLink('lo')],
  [
    'a port that changes',
    changePort(second, { ...second, port: port(2, { ipv6: [], ipv4: ['10.0.0.77'] }) }, OTHERS),
  ],
  ['a port that translates unplugged', changePort(nat, undefined, OTHERS)],
  ['its guard taken away', unguardLink('lo')],
  ['a guard that went with its link, taken away', unguardLink('e2')],
  [
    'a port unplugged',
    changePort({ ...second, port: port(2, { ipv6: [], ipv4: ['10.0.0.77'] }) }, undefined, OTHERS),
  ],
])('%s leaves the ruleset that libnftables leaves', (_what, commands) => {
  const before = listed(both[1])
  library(both[0], commands)
  own(both[1], commands)
  expect(listed(both[1])).toEqual(listed(both[0]))
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

// P307
test('whatever it does not know exactly is left to libnftables', () => {
  const [one] = changePort(undefined, second, OTHERS)
  const element = (elem: unknown): Command =>
    ({
      add: { element: { family: 'inet', table: 'enid', name: 'destination_ipv4', elem } },
    }) as Command
  for (const command of [
    ...baseRuleset(),
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
    {
      add: {
        rule: {
          family: 'inet',
          table: 'enid',
          chain: 'x',
          expr: [{ counter: null }, { jump: { target: 'y' } }],
        },
      },
    },
    {
      add: {
        rule: {
          family: 'inet',
          table: 'enid',
          chain: 'x',
          expr: [{ jump: { target: 'y' } }],
          comment: 'c',
        },
      },
    },
  ]) {
    const said = JSON.stringify(command)
    // A plain chain is what it knows, and a gateway's link in a set; all else of the base ruleset is not.
    if (/^\{"add":\{"chain":\{"family":"\w+","table":"enid","name":"\w+"\}\}\}$/.test(said))
      continue
    if (/^\{"add":\{"element":.*"elem":\[(\[)?"e?igw"[,\]]/.test(said)) continue
    expect(encodeBatch([command]), said).toBeUndefined()
    expect(encodeBatch([one ?? command, command]), said).toBeUndefined()
  }
})
