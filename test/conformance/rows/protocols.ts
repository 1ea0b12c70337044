// Protocols: by name, by number, all of them; and that one says nothing of another.

import type { Row } from '../row.ts'
import { DOC } from './docs.ts'

const area = 'protocols'
const doc = DOC.permission
/** b and c let that in, and a may send everything. */
const lets = (...rules: string[]) => ({ groups: { server: { in: rules } } })

export const PROTOCOLS: readonly Row[] = [
  {
    id: 'protocol-tcp',
    area,
    given: lets('tcp 80 any'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c tcp 80': 'both',
          'a>b udp 80': 'none',
          'a>c ping': 'none',
        },
      },
    ],
    why: 'A rule for tcp lets in TCP to its port and no other protocol.',
    doc,
  },
  {
    id: 'protocol-udp',
    area,
    given: lets('udp 80 any'),
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'a>c udp 80': 'both',
          'a>b tcp 80': 'none',
          'a>c ping': 'none',
        },
      },
    ],
    why: 'A rule for udp lets in UDP to its port and no other protocol.',
    doc,
  },
  {
    id: 'protocol-ping',
    area,
    given: lets('ping any'),
    steps: [
      {
        see: { 'a>b ping': 'both', 'a>c ping': 'both', 'a>b udp 80': 'none', 'a>b tcp 80': 'none' },
      },
    ],
    why: 'A rule for echo requests lets in pings, and their answers need no rule.',
    doc,
  },
  {
    id: 'protocol-tcp-by-number',
    area,
    given: lets('6 80 any'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c tcp 80': 'both',
          'a>b tcp 81': 'none',
          'a>b udp 80': 'none',
        },
      },
    ],
    why: 'Protocol 6 is tcp: the number means what the name means, its ports too.',
    doc,
  },
  {
    id: 'protocol-udp-by-number',
    area,
    given: lets('17 80 any'),
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'a>c udp 80': 'both',
          'a>b udp 81': 'none',
          'a>b tcp 80': 'none',
        },
      },
    ],
    why: 'Protocol 17 is udp.',
    doc,
  },
  {
    id: 'protocol-icmp-by-number',
    area,
    ip: 4,
    given: lets('1 8/* any'),
    steps: [{ see: { 'a>b ping': 'both', 'a>b icmp 13/0': 'none', 'a>b udp 80': 'none' } }],
    why: 'Protocol 1 is icmp, its type and code too.',
    doc,
  },
  {
    id: 'protocol-icmpv6-by-number',
    area,
    ip: 6,
    given: lets('58 128/* any'),
    steps: [{ see: { 'a>b ping': 'both', 'a>b icmp 1/4': 'none', 'a>b udp 80': 'none' } }],
    why: 'Protocol 58 is icmpv6, its type and code too.',
    doc,
  },
  {
    id: 'protocol-all',
    area,
    given: lets('-1 a'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c udp 9': 'both',
          'a>b ping': 'both',
          'a>c proto 100': 'both',
          'e>b tcp 80': 'none',
        },
      },
    ],
    why: 'Protocol -1 is all protocols and all ports, from whom the rule names.',
    doc,
  },
  ...(
    [
      ['gre', 47, 4],
      ['esp', 50, undefined],
      ['ospf', 89, undefined],
      ['experimental', 253, undefined],
    ] as const
  ).map(
    ([name, number, ip]): Row => ({
      id: `protocol-${name}`,
      area,
      ...(ip === undefined ? {} : { ip }),
      given: lets(`${number} any`),
      steps: [
        {
          see: {
            [`a>b proto ${number}`]: 'both',
            [`a>c proto ${number}`]: 'both',
            'a>b proto 101': 'none',
            'a>b tcp 80': 'none',
            'a>c udp 80': 'none',
          },
        },
      ],
      why: `A rule by protocol number ${number} lets in that protocol alone.`,
      doc,
    }),
  ),
  {
    id: 'protocol-number-has-no-ports',
    area,
    given: lets('102 80-80 any'),
    steps: [{ see: { 'a>b proto 102': 'both', 'a>b tcp 80': 'none', 'a>b udp 80': 'none' } }],
    why: 'A protocol other than tcp, udp and ICMP has no ports: what is given is not looked at.',
    doc,
  },
  {
    id: 'protocol-other-version',
    area,
    given: lets('tcp 80 any4', 'udp 80 any6'),
    ip: 4,
    steps: [{ see: { 'a>b tcp 80': 'both', 'a>b udp 80': 'none' } }],
    why: 'A rule from ::/0 says nothing of IPv4.',
    doc: DOC.groupRules,
  },
  {
    id: 'protocol-other-version-6',
    area,
    given: lets('tcp 80 any4', 'udp 80 any6'),
    ip: 6,
    steps: [{ see: { 'a>b tcp 80': 'none', 'a>b udp 80': 'both' } }],
    why: 'A rule from 0.0.0.0/0 says nothing of IPv6.',
    doc: DOC.groupRules,
  },
  {
    id: 'protocol-all-of-the-other-version',
    area,
    ip: 6,
    given: lets('-1 any4'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'a>c udp 80': 'none',
          'a>b ping': 'none',
          'a>c proto 103': 'none',
        },
      },
    ],
    why: 'All traffic from 0.0.0.0/0 is no IPv6 traffic at all.',
    doc: DOC.groupRules,
  },
  {
    id: 'protocol-all-of-ipv6',
    area,
    ip: 4,
    given: lets('-1 any6'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'a>c udp 80': 'none',
          'a>b ping': 'none',
          'a>c proto 103': 'none',
        },
      },
    ],
    why: 'All traffic from ::/0 is no IPv4 traffic at all.',
    doc: DOC.groupRules,
  },
  {
    id: 'protocol-out-tcp',
    area,
    given: { groups: { client: { out: ['tcp 80 any'] }, server: { in: ['-1 any'] } } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>b tcp 81': 'none',
          'a>c udp 80': 'none',
          'a>b ping': 'none',
        },
      },
    ],
    why: 'A group with outbound rules of its own lets nothing else out.',
    doc: DOC.groups,
  },
  {
    id: 'protocol-out-by-number',
    area,
    given: { groups: { client: { out: ['104 any'] }, server: { in: ['-1 any'] } } },
    steps: [{ see: { 'a>b proto 104': 'both', 'a>b tcp 80': 'none', 'a>c proto 105': 'none' } }],
    why: 'Outbound rules know protocol numbers as inbound rules do.',
    doc,
  },
  {
    id: 'protocol-nothing-in',
    area,
    given: {},
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'a>c udp 80': 'none',
          'a>b ping': 'none',
          'a>c proto 106': 'none',
        },
      },
    ],
    why: 'A new group lets nothing in.',
    doc: DOC.groups,
  },
  {
    id: 'protocol-nothing-out',
    area,
    given: { groups: { client: { out: [] }, server: { in: ['-1 any'] } } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'a>c udp 80': 'none',
          'a>b ping': 'none',
          'a>c proto 107': 'none',
        },
      },
    ],
    why: 'A group without outbound rules lets nothing out.',
    doc: DOC.groups,
  },
  {
    id: 'protocol-all-out-is-ec2s',
    area,
    given: lets('-1 any'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c udp 80': 'both',
          'a>b ping': 'both',
          'a>c proto 108': 'both',
        },
      },
    ],
    why: 'A new group lets everything out.',
    doc: DOC.groups,
  },
]
