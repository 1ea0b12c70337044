// Flows: that groups are stateful, which flows are tracked, and what becomes of each when its rule
// goes; and fragments, which have no ports but in their first.

import type { Row } from '../row.ts'
import { DOC } from './docs.ts'

const area = 'tracking'
const doc = DOC.tracking
const KINDS = ['tcp 80', 'udp 80'] as const

/** Rows for a TCP and a UDP flow. */
const each = (make: (kind: string, name: string) => Row): Row[] =>
  KINDS.map((kind) => make(kind, kind.split(' ')[0] ?? ''))

export const FLOWS: readonly Row[] = [
  ...each((kind, name) => ({
    id: `stateful-${name}`,
    area,
    given: {
      groups: {
        client: { in: [], out: [`${kind} any`] },
        server: { in: [`${kind} any`], out: [] },
      },
    },
    steps: [{ see: { [`a>b ${kind}`]: 'both', [`a>c ${kind}`]: 'both', [`b>a ${kind}`]: 'none' } }],
    why: 'Groups are stateful: the answer passes without a rule, a flow the other way does not.',
    doc: DOC.groups,
  })),
  {
    id: 'stateful-ping',
    area,
    given: {
      groups: { client: { in: [], out: ['ping any'] }, server: { in: ['ping any'], out: [] } },
    },
    steps: [{ see: { 'a>b ping': 'both', 'a>c ping': 'both', 'b>a ping': 'none' } }],
    why: 'The answer to a ping passes without a rule.',
    doc: DOC.groups,
  },
  {
    id: 'stateful-protocol',
    area,
    given: {
      groups: { client: { in: [], out: ['110 any'] }, server: { in: ['110 any'], out: [] } },
    },
    steps: [{ see: { 'a>b proto 110': 'both', 'a>c proto 110': 'both', 'e>b proto 110': 'both' } }],
    why: 'Other protocols are tracked too, by addresses and number.',
    doc,
  },
  ...each((kind, name) => ({
    id: `tracked-${name}-goes-on`,
    area,
    given: { groups: { server: { in: [`${kind} a`] } } },
    steps: [
      { see: { [`a>b ${kind} #near`]: 'both', [`a>c ${kind} #far`]: 'both' } },
      { now: {} },
      {
        see: {
          '#near': 'both',
          '#far': 'both',
          '#near back': 'there',
          '#far back': 'there',
          [`a>b ${kind}`]: 'none',
          [`a>c ${kind}`]: 'none',
        },
      },
    ],
    why: 'A tracked flow is not interrupted when its rule goes; a new one is not let in.',
    doc,
  })),
  ...each((kind, name) => ({
    id: `tracked-${name}-by-group`,
    area,
    given: { groups: { server: { in: [`${kind} sg:client`] } } },
    steps: [
      { see: { [`a>c ${kind} #flow`]: 'both' } },
      { now: {} },
      { see: { '#flow': 'both', '#flow back': 'there', [`a>c ${kind}`]: 'none' } },
    ],
    why: 'A flow that a rule with a group lets in is tracked: only 0.0.0.0/0 and ::/0 make an untracked one.',
    doc,
  })),
  ...each((kind, name) => ({
    id: `tracked-${name}-for-want-of-a-way-out`,
    area,
    given: { groups: { server: { in: [`${kind} any`], out: ['tcp 1 any'] } } },
    steps: [
      { see: { [`a>c ${kind} #flow`]: 'both' } },
      { now: { groups: { server: { out: ['tcp 1 any'] } } } },
      { see: { '#flow': 'both', '#flow back': 'there', [`a>c ${kind}`]: 'none' } },
    ],
    why: 'From everywhere, but without a rule that lets all answers out, a flow is tracked.',
    doc,
  })),
  ...each((kind, name) => ({
    id: `untracked-${name}-ends`,
    area,
    given: { groups: { server: { in: [`${kind} any`] } } },
    steps: [
      { see: { [`a>b ${kind} #near`]: 'both', [`a>c ${kind} #far`]: 'both' } },
      { now: {} },
      { see: { '#near': 'none', '#far': 'none', [`a>c ${kind}`]: 'none' } },
    ],
    why: 'An untracked flow, let in from everywhere with everything let out, ends with its rule.',
    doc,
  })),
  {
    id: 'untracked-udp-comes-back',
    area,
    given: { groups: { server: { in: ['udp 80 any'] } } },
    steps: [
      { see: { 'a>c udp 80 #flow': 'both' } },
      { now: {} },
      { see: { '#flow': 'none' } },
      { now: { groups: { server: { in: ['udp 80 any'] } } } },
      { see: { '#flow': 'both', '#flow back': 'there' } },
    ],
    why: 'Each packet of an untracked flow is judged by the rules as they are.',
    doc,
  },
  ...each((kind, name) => ({
    id: `untracked-${name}-answers-need-their-rule`,
    area,
    given: { groups: { server: { in: [`${kind} any`] } } },
    steps: [
      { see: { [`a>c ${kind} #flow`]: 'both' } },
      { now: { groups: { server: { in: [`${kind} any`], out: [] } } } },
      { see: { '#flow back': 'none' } },
    ],
    why: 'Nothing is remembered of an untracked flow: its answers leave only by a rule.',
    doc,
  })),
  ...each((kind, name) => ({
    id: `tracked-${name}-by-its-sender`,
    area,
    given: { groups: { client: { out: [`${kind} any`] }, server: { in: [`${kind} a`] } } },
    steps: [
      { see: { [`a>c ${kind} #flow`]: 'both' } },
      { now: { groups: { client: { out: [] } } } },
      { see: { '#flow': 'both', '#flow back': 'there', [`a>c ${kind}`]: 'none' } },
    ],
    why: 'Who begins a flow tracks it too, unless it lets everything in from everywhere.',
    doc,
  })),
  ...each((kind, name) => ({
    id: `untracked-${name}-by-its-sender`,
    area,
    given: {
      groups: { client: { in: ['-1 any'], out: [`${kind} any`] }, server: { in: [`${kind} a`] } },
    },
    steps: [
      { see: { [`a>c ${kind} #flow`]: 'both' } },
      { now: { groups: { client: { in: ['-1 any'], out: [] }, server: { in: [`${kind} a`] } } } },
      { see: { '#flow': 'none', [`a>c ${kind}`]: 'none' } },
    ],
    why: 'A flow to everywhere whose answers are all let in is untracked by who began it.',
    doc,
  })),
  {
    id: 'tracked-ping-always',
    area,
    given: { groups: { server: { in: ['-1 any'] } } },
    steps: [
      { see: { 'a>b ping #near': 'both', 'a>c ping #far': 'both' } },
      { now: {} },
      { see: { '#near': 'both', '#far': 'both', 'a>c ping': 'none' } },
    ],
    why: 'ICMP is always tracked, whatever the rules.',
    doc,
  },
  {
    id: 'tracked-protocol-goes-on',
    area,
    given: { groups: { server: { in: ['111 any'] } } },
    steps: [
      { see: { 'a>c proto 111': 'both' } },
      { now: {} },
      { see: { 'a>c proto 111': 'both', 'd>c proto 111': 'none', 'a>c proto 112': 'none' } },
    ],
    why: 'Other protocols than TCP, UDP and ICMP are tracked by addresses and number, for 600 s.',
    doc,
  },
  ...each((kind, name) => ({
    id: `tracked-${name}-not-for-others`,
    area,
    given: { groups: { server: { in: [`${kind} a`] } } },
    steps: [
      { see: { [`a>c ${kind} #flow`]: 'both', [`e>c ${kind}`]: 'none', [`d>c ${kind}`]: 'none' } },
      { see: { '#flow': 'both', [`a>c ${name} 81`]: 'none', [`e>c ${kind}`]: 'none' } },
    ],
    why: 'A flow that is tracked opens nothing for another flow, port or sender.',
    doc,
  })),
  {
    id: 'fragments-to-an-open-port',
    area: 'fragments',
    given: { groups: { server: { in: ['udp 80 a'] } } },
    steps: [{ see: { 'a>b parts 80': 'there', 'a>c parts 80': 'there' } }],
    why: 'A rule with ports lets in the whole datagram, its later fragments too.',
    doc: DOC.groups,
  },
  {
    id: 'fragments-to-a-closed-port',
    area: 'fragments',
    given: { groups: { server: { in: ['udp 81 a'] } } },
    steps: [{ see: { 'a>b parts 80': 'none', 'a>c parts 80': 'none' } }],
    why: 'Of a datagram to a closed port no fragment is let in.',
    doc: DOC.groups,
  },
  {
    id: 'fragments-not-let-out',
    area: 'fragments',
    given: { groups: { client: { out: ['udp 81 any'] }, server: { in: ['-1 any'] } } },
    steps: [{ see: { 'a>b parts 80': 'none', 'a>c parts 80': 'none', 'a>c parts 81': 'there' } }],
    why: 'Outbound rules see the whole datagram as well.',
    doc: DOC.groups,
  },
  {
    id: 'fragments-without-their-first',
    area: 'fragments',
    given: { groups: { server: { in: ['udp 80 a'] } } },
    steps: [{ see: { 'a>b tail 80': 'none', 'a>c tail 80': 'none', 'a>b udp 80': 'both' } }],
    why: 'A later fragment alone has no ports, so no rule with ports lets it in.',
    doc: DOC.groups,
  },
  {
    id: 'fragments-at-a-border',
    area: 'fragments',
    given: {
      groups: { server: { in: ['-1 any'] } },
      acls: { Y: { in: ['100 deny udp 80 any', '200 allow -1 any'], out: ['100 allow -1 any'] } },
    },
    steps: [{ see: { 'a>c parts 80': 'none', 'a>c parts 81': 'there', 'a>c udp 82': 'both' } }],
    why: 'A network ACL that denies a port lets no part of a datagram to it pass.',
    doc: DOC.acl,
  },
]
