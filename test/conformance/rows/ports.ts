// Ports, both ends of a range, in both directions; ICMP types and codes.

import type { Row } from '../row.ts'
import type { Verdict } from '../wire/wire.ts'
import { DOC } from './docs.ts'

const area = 'ports'

/** What `a` meets at b and c on each port. */
function meets(protocol: string, ports: Record<number, Verdict>): Record<string, Verdict> {
  return Object.fromEntries(
    Object.entries(ports).flatMap(([port, verdict]) => [
      [`a>b ${protocol} ${port}`, verdict],
      [`a>c ${protocol} ${port}`, verdict],
    ]),
  )
}

const BOTH_WAYS = (['in', 'out'] as const).flatMap((way) =>
  (['tcp', 'udp'] as const).map((protocol) => ({ way, protocol })),
)
const given = (way: 'in' | 'out', ...rules: string[]) =>
  way === 'in'
    ? { groups: { server: { in: rules } } }
    : { groups: { client: { out: rules }, server: { in: ['-1 any'] } } }

export const PORTS: readonly Row[] = [
  ...BOTH_WAYS.map(
    ({ way, protocol }): Row => ({
      id: `ports-${protocol}-${way}-range`,
      area,
      given: given(way, `${protocol} 80-90 any`),
      steps: [
        { see: meets(protocol, { 79: 'none', 80: 'both', 85: 'both', 90: 'both', 91: 'none' }) },
      ],
      why: 'A port range includes both of its ends, and nothing beyond.',
      doc: DOC.permission,
    }),
  ),
  ...BOTH_WAYS.map(
    ({ way, protocol }): Row => ({
      id: `ports-${protocol}-${way}-one`,
      area,
      given: given(way, `${protocol} 443 any`),
      steps: [{ see: meets(protocol, { 442: 'none', 443: 'both', 444: 'none', 44300: 'none' }) }],
      why: 'A range of one port is that port.',
      doc: DOC.permission,
    }),
  ),
  ...BOTH_WAYS.map(
    ({ way, protocol }): Row => ({
      id: `ports-${protocol}-${way}-all`,
      area,
      given: given(way, `${protocol} 0-65535 any`),
      steps: [
        {
          see: {
            ...meets(protocol, { 1: 'both', 1024: 'both', 65535: 'both' }),
            [`a>b ${protocol === 'tcp' ? 'udp' : 'tcp'} 1024`]: 'none',
          },
        },
      ],
      why: '0 to 65535 is every port of that protocol.',
      doc: DOC.permission,
    }),
  ),
  ...(['tcp', 'udp'] as const).flatMap((protocol): Row[] => [
    {
      id: `ports-${protocol}-last`,
      area,
      given: given('in', `${protocol} 65535 any`, `${protocol} 1 any`),
      steps: [{ see: meets(protocol, { 1: 'both', 2: 'none', 65534: 'none', 65535: 'both' }) }],
      why: 'The first and the last port are ports like any other.',
      doc: DOC.permission,
    },
    {
      id: `ports-${protocol}-two-ranges`,
      area,
      given: given('in', `${protocol} 80-82 any`, `${protocol} 84-86 any`),
      steps: [{ see: meets(protocol, { 82: 'both', 83: 'none', 84: 'both', 87: 'none' }) }],
      why: 'What lies between two ranges is in neither.',
      doc: DOC.groupRules,
    },
    {
      id: `ports-${protocol}-overlap`,
      area,
      given: given('in', `${protocol} 80-85 a`, `${protocol} 83-90 any`),
      steps: [
        {
          see: {
            ...meets(protocol, { 80: 'both', 84: 'both', 90: 'both' }),
            [`e>b ${protocol} 82`]: 'none',
            [`e>b ${protocol} 83`]: 'both',
          },
        },
      ],
      why: 'Of overlapping rules the most permissive counts.',
      doc: DOC.groupRules,
    },
    {
      id: `ports-${protocol}-of-the-receiver`,
      area,
      given: given('in', `${protocol} 80 any`),
      steps: [{ see: { [`a:80>b ${protocol} 81`]: 'none', [`a:81>b ${protocol} 80`]: 'both' } }],
      why: "A rule's ports are the destination's: where a packet comes from does not count.",
      doc: DOC.groupRules,
    },
  ]),
  {
    id: 'icmp-type-any-code',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmp 3/* any'),
    steps: [
      {
        see: {
          'a>b icmp 3/0': 'there',
          'a>c icmp 3/4': 'there',
          'a>b icmp 11/0': 'none',
          'a>b ping': 'none',
        },
      },
    ],
    why: 'A type with code -1 is that type with any code.',
    doc: DOC.permission,
  },
  {
    id: 'icmp-type-and-code',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmp 3/4 any'),
    steps: [
      {
        see: {
          'a>b icmp 3/4': 'there',
          'a>c icmp 3/4': 'there',
          'a>b icmp 3/3': 'none',
          'a>b icmp 11/0': 'none',
        },
      },
    ],
    why: 'A type and a code are both looked at.',
    doc: DOC.permission,
  },
  {
    id: 'icmp-all-types',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmp * any'),
    steps: [
      {
        see: {
          'a>b ping': 'both',
          'a>c icmp 13/0': 'both',
          'a>b icmp 3/1': 'there',
          'a>b icmp 12/0': 'there',
          'a>b udp 80': 'none',
        },
      },
    ],
    why: 'Type -1 with code -1 is all of ICMP.',
    doc: DOC.permission,
  },
  {
    id: 'icmp-timestamp-is-no-echo',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmp 13/0 any'),
    steps: [{ see: { 'a>b icmp 13/0': 'both', 'a>b ping': 'none' } }],
    why: 'Each type is let in by itself; the answer to a request needs no rule.',
    doc: DOC.permission,
  },
  {
    id: 'icmp-code-of-echo',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmp 8/0 any'),
    steps: [{ see: { 'a>b icmp 8/0': 'both', 'a>c icmp 8/1': 'none' } }],
    why: 'An echo request with another code is another message.',
    doc: DOC.permission,
  },
  {
    id: 'icmp-out',
    area: 'icmp',
    ip: 4,
    given: given('out', 'icmp 8/* any'),
    steps: [{ see: { 'a>b ping': 'both', 'a>c icmp 13/0': 'none', 'a>b udp 80': 'none' } }],
    why: 'Types bind outbound rules too.',
    doc: DOC.permission,
  },
  {
    id: 'icmp-error-needs-a-rule',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmp 8/* any'),
    steps: [{ see: { 'a>b icmp 3/4': 'none', 'a>c icmp 11/0': 'none', 'a>b ping': 'both' } }],
    why: 'An ICMP error gets in by a rule for it, as the guide says of fragmentation needed.',
    doc: DOC.tracking,
  },
  {
    id: 'icmpv6-type-any-code',
    area: 'icmp',
    ip: 6,
    given: given('in', 'icmpv6 1/* any'),
    steps: [
      {
        see: {
          'a>b icmp 1/0': 'there',
          'a>c icmp 1/4': 'there',
          'a>b icmp 2/0': 'none',
          'a>b ping': 'none',
        },
      },
    ],
    why: 'A type with code -1 is that type with any code, in ICMPv6 too.',
    doc: DOC.permission,
  },
  {
    id: 'icmpv6-type-and-code',
    area: 'icmp',
    ip: 6,
    given: given('in', 'icmpv6 1/4 any'),
    steps: [{ see: { 'a>b icmp 1/4': 'there', 'a>c icmp 1/3': 'none', 'a>b icmp 3/0': 'none' } }],
    why: 'A type and a code are both looked at, in ICMPv6 too.',
    doc: DOC.permission,
  },
  {
    id: 'icmpv6-all-types',
    area: 'icmp',
    ip: 6,
    given: given('in', 'icmpv6 * any'),
    steps: [
      {
        see: {
          'a>b ping': 'both',
          'a>c icmp 1/0': 'there',
          'a>b icmp 4/1': 'there',
          'a>b udp 80': 'none',
        },
      },
    ],
    why: 'Type -1 with code -1 is all of ICMPv6.',
    doc: DOC.permission,
  },
  {
    id: 'icmpv6-too-big-needs-a-rule',
    area: 'icmp',
    ip: 6,
    given: given('in', 'icmpv6 128/* any'),
    steps: [{ see: { 'a>b icmp 2/0': 'none', 'a>b ping': 'both' } }],
    why: 'A packet-too-big gets in by a rule for it.',
    doc: DOC.tracking,
  },
  {
    id: 'icmp-says-nothing-of-icmpv6',
    area: 'icmp',
    ip: 6,
    given: given('in', 'icmp * any4'),
    steps: [{ see: { 'a>b ping': 'none', 'a>c icmp 1/0': 'none' } }],
    why: 'ICMP is IPv4’s and ICMPv6 is IPv6’s.',
    doc: DOC.permission,
  },
  {
    id: 'icmpv6-says-nothing-of-icmp',
    area: 'icmp',
    ip: 4,
    given: given('in', 'icmpv6 * any6'),
    steps: [{ see: { 'a>b ping': 'none', 'a>c icmp 3/0': 'none' } }],
    why: 'ICMPv6 is IPv6’s and ICMP is IPv4’s.',
    doc: DOC.permission,
  },
]
