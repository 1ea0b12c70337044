// Network ACLs: the lowest number decides, no memory, both directions, at a subnet's border alone.

import type { Given, GroupRules, Row } from '../row.ts'
import { DOC } from './docs.ts'

const area = 'network ACLs'
const ALL = ['100 allow -1 any']
const OPEN: Given['groups'] = {
  client: { in: ['-1 any'] },
  server: { in: ['-1 any'] },
  other: { in: ['-1 any'] },
}
/** Every group open; Y has an ACL with those entries, all the other way unless told. */
const Y = (into: readonly string[], out: readonly string[] = ALL): Given => ({
  groups: OPEN,
  acls: { Y: { in: into, out } },
})
const X = (rules: GroupRules): Given => ({ groups: OPEN, acls: { X: rules } })

export const ACLS: readonly Row[] = [
  {
    id: 'acl-default-allows',
    area,
    given: { groups: OPEN },
    steps: [
      {
        see: {
          'a>c tcp 80': 'both',
          'a>c udp 80': 'both',
          'a>f ping': 'both',
          'a>c proto 120': 'both',
        },
      },
    ],
    why: 'The default network ACL allows all.',
    doc: DOC.aclDefault,
  },
  {
    id: 'acl-new-denies',
    area,
    given: { groups: OPEN, acls: { Y: {} } },
    steps: [
      {
        see: {
          'a>c tcp 80': 'none',
          'c>a udp 80': 'none',
          'a>c ping': 'none',
          'f>d udp 80': 'none',
          'a>f udp 80': 'both',
        },
      },
    ],
    why: 'A new network ACL denies all in both directions.',
    doc: DOC.acl,
  },
  {
    id: 'acl-not-within-a-subnet',
    area,
    given: { groups: OPEN, acls: { X: {}, Y: {} } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'c>d udp 80': 'both',
          'g>c ping': 'both',
          'a>c udp 80': 'none',
        },
      },
    ],
    why: 'A network ACL judges what enters or leaves its subnet, nothing within it.',
    doc: DOC.acl,
  },
  {
    id: 'acl-first-allows',
    area,
    given: Y(['100 allow udp 80 any', '200 deny udp 80 any', '300 allow -1 any']),
    steps: [{ see: { 'a>c udp 80': 'both', 'f>c udp 80': 'both' } }],
    why: 'The lowest number that matches decides.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-first-denies',
    area,
    given: Y(['100 deny udp 80 any', '200 allow udp 80 any', '300 allow -1 any']),
    steps: [{ see: { 'a>c udp 80': 'none', 'f>c udp 80': 'none', 'a>c udp 81': 'both' } }],
    why: 'The lowest number that matches decides, also when a later one allows.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-number-not-time',
    area,
    given: Y(['300 allow -1 any', '200 allow udp 80 a', '100 deny udp 80 X']),
    steps: [
      { see: { 'a>c udp 80': 'none', 'e>c udp 80': 'none', 'f>c udp 80': 'both' } },
      {
        now: Y([
          '300 allow -1 any',
          '200 allow udp 80 a',
          '100 deny udp 80 X',
          '50 allow udp 80 a',
        ]),
      },
      { see: { 'a>c udp 80': 'both', 'e>c udp 80': 'none' } },
    ],
    why: 'Numbers make the order, whichever entry came first.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-first-and-last-number',
    area,
    given: Y(['1 deny udp 80 any', '32766 allow -1 any']),
    steps: [{ see: { 'a>c udp 80': 'none', 'a>c udp 81': 'both' } }],
    why: 'Numbers go from 1 to 32766.',
    doc: DOC.aclEntry,
  },
  ...(['tcp', 'udp'] as const).flatMap((protocol): Row[] => [
    {
      id: `acl-stateless-${protocol}`,
      area,
      given: Y([`100 allow ${protocol} 80 any`], []),
      steps: [{ see: { [`a>c ${protocol} 80`]: 'there', [`a>c ${protocol} 81`]: 'none' } }],
      why: 'A network ACL is stateless: what it lets in is answered only by an entry of its own.',
      doc: DOC.acl,
    },
    {
      id: `acl-ephemeral-${protocol}`,
      area,
      given: Y([`100 allow ${protocol} 80 any`], [`100 allow ${protocol} 1024-32767 any`]),
      steps: [
        {
          see: {
            [`a:1023>c ${protocol} 80`]: 'there',
            [`a:1024>c ${protocol} 80`]: 'both',
            [`a:32767>c ${protocol} 80`]: 'both',
            [`a:32768>c ${protocol} 80`]: 'there',
          },
        },
      ],
      why: 'The answer goes to the ephemeral port that the client chose; the entry must hold it.',
      doc: DOC.aclEphemeral,
    },
    {
      id: `acl-range-${protocol}`,
      area,
      given: Y([`100 allow ${protocol} 80-90 any`]),
      steps: [
        {
          see: {
            [`a>c ${protocol} 79`]: 'none',
            [`a>c ${protocol} 80`]: 'both',
            [`a>c ${protocol} 90`]: 'both',
            [`a>c ${protocol} 91`]: 'none',
          },
        },
      ],
      why: 'A port range includes both of its ends.',
      doc: DOC.aclRules,
    },
    {
      id: `acl-sender-out-${protocol}`,
      area,
      given: X({ in: ALL, out: [`100 allow ${protocol} 80 Y`] }),
      steps: [
        {
          see: {
            [`a>c ${protocol} 80`]: 'both',
            [`a>c ${protocol} 81`]: 'none',
            [`a>f ${protocol} 80`]: 'none',
            [`a>b ${protocol} 81`]: 'both',
          },
        },
      ],
      why: "What leaves is judged by its own subnet's outbound entries.",
      doc: DOC.acl,
    },
    {
      id: `acl-sender-in-${protocol}`,
      area,
      given: X({ in: [`100 allow ${protocol} 1024-65535 c`], out: ALL }),
      steps: [
        {
          see: {
            [`a>c ${protocol} 80`]: 'both',
            [`a>d ${protocol} 80`]: 'there',
            [`a>f ${protocol} 80`]: 'there',
          },
        },
      ],
      why: "The answer is judged by the inbound entries of the client's subnet.",
      doc: DOC.acl,
    },
    {
      id: `acl-cuts-a-flow-${protocol}`,
      area,
      given: {
        groups: { server: { in: [`${protocol} 80 a`] } },
        acls: { Y: { in: ALL, out: ALL } },
      },
      steps: [
        { see: { [`a>c ${protocol} 80 #flow`]: 'both' } },
        {
          now: {
            groups: { server: { in: [`${protocol} 80 a`] } },
            acls: { Y: { in: ['90 deny -1 any'], out: ALL } },
          },
        },
        { see: { '#flow': 'none', '#flow back': 'there' } },
        {
          now: {
            groups: { server: { in: [`${protocol} 80 a`] } },
            acls: { Y: { in: ALL, out: ['90 deny -1 any'] } },
          },
        },
        { see: { '#flow back': 'none' } },
      ],
      why: 'Groups may track a flow, an ACL does not: its entries judge every packet as they are.',
      doc: DOC.acl,
    },
  ]),
  {
    id: 'acl-ping',
    area,
    given: Y(
      ['100 allow icmp 8/* any4', '101 allow icmpv6 128/* any6'],
      ['100 allow icmp 0/* any4', '101 allow icmpv6 129/* any6'],
    ),
    steps: [{ see: { 'a>c ping': 'both', 'c>a ping': 'none', 'a>c udp 80': 'none' } }],
    why: 'A ping and its answer are two types, each with an entry of its own.',
    doc: DOC.aclEntry,
  },
  {
    id: 'acl-ping-unanswered',
    area,
    ip: 4,
    given: Y(['100 allow icmp 8/* any4'], ['100 allow icmp 8/* any4']),
    steps: [{ see: { 'a>c icmp 13/0': 'none', 'c>a icmp 13/0': 'none', 'a>c icmp 8/0': 'there' } }],
    why: 'An entry for echo requests says nothing of echo replies.',
    doc: DOC.aclEntry,
  },
  {
    id: 'acl-icmp-code',
    area,
    ip: 4,
    given: Y(['100 deny icmp 3/4 any', '200 allow -1 any']),
    steps: [{ see: { 'a>c icmp 3/4': 'none', 'a>c icmp 3/3': 'there', 'a>c ping': 'both' } }],
    why: 'Type and code are both looked at.',
    doc: DOC.aclEntry,
  },
  {
    id: 'acl-icmpv6-code',
    area,
    ip: 6,
    given: Y(['100 deny icmpv6 1/4 any', '200 allow -1 any']),
    steps: [{ see: { 'a>c icmp 1/4': 'none', 'a>c icmp 1/3': 'there', 'a>c ping': 'both' } }],
    why: 'Type and code are both looked at, in ICMPv6 too.',
    doc: DOC.aclEntry,
  },
  {
    id: 'acl-protocol-number',
    area,
    given: Y(['100 allow 121 any'], ['100 allow 121 any']),
    steps: [{ see: { 'a>c proto 121': 'both', 'a>c proto 122': 'none', 'a>c tcp 80': 'none' } }],
    why: 'An entry by number is that protocol alone.',
    doc: DOC.aclEntry,
  },
  {
    id: 'acl-one-version-4',
    area,
    ip: 4,
    given: Y(['100 allow -1 any6'], ['100 allow -1 any6']),
    steps: [{ see: { 'a>c tcp 80': 'none', 'c>a udp 80': 'none' } }],
    why: 'An entry for ::/0 says nothing of IPv4.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-one-version-6',
    area,
    ip: 6,
    given: Y(['100 allow -1 any4'], ['100 allow -1 any4']),
    steps: [{ see: { 'a>c tcp 80': 'none', 'c>a udp 80': 'none' } }],
    why: 'An entry for 0.0.0.0/0 says nothing of IPv6.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-deny-one-address',
    area,
    given: Y(['100 deny -1 a', '200 allow -1 any']),
    steps: [
      {
        see: {
          'a>c tcp 80': 'none',
          'a>d udp 80': 'none',
          'e>c tcp 80': 'both',
          'f>d udp 80': 'both',
        },
      },
    ],
    why: 'A network ACL can deny: one address, and no other.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-deny-a-block',
    area,
    given: Y(['100 deny -1 a/31/127', '200 allow -1 any']),
    steps: [{ see: { 'a>c udp 80': 'none', 'e>c udp 80': 'none', 'b>c udp 80': 'both' } }],
    why: 'A block ends where its prefix length says.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-out-is-who-is-sent-to',
    area,
    given: X({ in: ALL, out: ['100 deny -1 c', '200 allow -1 any'] }),
    steps: [{ see: { 'a>c udp 80': 'none', 'a>d udp 80': 'both', 'c>a udp 80': 'there' } }],
    why: 'The block of an outbound entry is where packets go.',
    doc: DOC.aclRules,
  },
  {
    id: 'acl-and-groups',
    area,
    given: {
      groups: { server: { in: ['udp 80-81 any'] } },
      acls: { Y: { in: ['100 allow udp 81-82 any'], out: ALL } },
    },
    steps: [
      {
        see: {
          'a>c udp 80': 'none',
          'a>c udp 81': 'both',
          'a>c udp 82': 'none',
          'a>b udp 80': 'both',
        },
      },
    ],
    why: 'Both must agree: the ACL at the border and the groups at the ENI.',
    doc: DOC.groups,
  },
  {
    id: 'acl-both-subnets',
    area,
    given: {
      groups: OPEN,
      acls: {
        X: { in: ALL, out: ['100 allow udp 80-81 any'] },
        Y: { in: ['100 allow udp 81-82 any'], out: ALL },
      },
    },
    steps: [
      {
        see: {
          'a>c udp 80': 'none',
          'a>c udp 81': 'both',
          'a>c udp 82': 'none',
          'f>c udp 82': 'both',
        },
      },
    ],
    why: 'A packet between two subnets is judged by both ACLs.',
    doc: DOC.acl,
  },
  {
    id: 'acl-replaced',
    area,
    given: Y(['100 deny -1 any']),
    steps: [
      { see: { 'a>c udp 80': 'none' } },
      { now: { groups: OPEN } },
      { see: { 'a>c udp 80': 'both' } },
      { now: Y(['100 deny -1 any']) },
      { see: { 'a>c udp 80': 'none', 'a>f udp 80': 'both' } },
    ],
    why: 'A subnet has one ACL at a time, the one it was last associated with.',
    doc: DOC.aclReplace,
  },
  {
    id: 'acl-entry-replaced',
    area,
    given: Y(['100 allow udp 80 any']),
    steps: [
      { see: { 'a>c udp 80': 'both', 'a>c udp 81': 'none' } },
      { now: Y(['100 allow udp 81 any']) },
      { see: { 'a>c udp 80': 'none', 'a>c udp 81': 'both' } },
      { now: Y(['100 deny udp 81 any', '200 allow udp 80 any']) },
      { see: { 'a>c udp 80': 'both', 'a>c udp 81': 'none' } },
    ],
    why: 'An entry that is replaced says what it says now, when the call returns.',
    doc: DOC.aclEntry,
  },
  {
    id: 'acl-entry-deleted',
    area,
    given: Y(['50 deny udp 80 any', ...ALL]),
    steps: [{ see: { 'a>c udp 80': 'none' } }, { now: Y(ALL) }, { see: { 'a>c udp 80': 'both' } }],
    why: 'An entry that is deleted no longer decides.',
    doc: DOC.aclEntry,
  },
]
