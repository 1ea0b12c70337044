// Who is meant: blocks and their borders, groups, prefix lists, the default group, several groups.

import type { Row } from '../row.ts'
import { DOC } from './docs.ts'

const lets = (...rules: string[]) => ({ groups: { server: { in: rules } } })

const BLOCKS: readonly Row[] = [
  {
    id: 'block-one-address',
    area: 'blocks',
    given: lets('udp 80 a/32'),
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'a>c udp 80': 'both',
          'e>b udp 80': 'none',
          'd>b udp 80': 'none',
        },
      },
    ],
    why: 'A block of one address is that address, not its neighbour.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-two-addresses',
    area: 'blocks',
    given: lets('udp 80 a/31/127'),
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'e>c udp 80': 'both',
          'd>b udp 80': 'none',
          'f>b udp 80': 'none',
        },
      },
    ],
    why: 'A block ends where its prefix length says.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-host-bits',
    area: 'blocks',
    given: lets('udp 80 e/31/127'),
    steps: [{ see: { 'a>b udp 80': 'both', 'e>c udp 80': 'both', 'd>b udp 80': 'none' } }],
    why: 'Bits below the prefix length are cleared, not refused and not widened.',
    doc: DOC.authorize,
  },
  {
    id: 'block-subnet',
    area: 'blocks',
    given: lets('tcp 80 X'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'e>c tcp 80': 'both',
          'd>b tcp 80': 'none',
          'h>c tcp 80': 'none',
        },
      },
    ],
    why: "A subnet's block is all of its ENIs and nobody else's.",
    doc: DOC.groupRules,
  },
  {
    id: 'block-vpc',
    area: 'blocks',
    given: lets('tcp 80 vpc'),
    steps: [{ see: { 'a>b tcp 80': 'both', 'd>b tcp 80': 'both', 'h>c tcp 80': 'both' } }],
    why: "The VPC's block is every ENI in it.",
    doc: DOC.groupRules,
  },
  {
    id: 'block-two-rules',
    area: 'blocks',
    given: lets('tcp 80 a', 'tcp 80 h'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'h>b tcp 80': 'both',
          'e>b tcp 80': 'none',
          'f>b tcp 80': 'none',
        },
      },
    ],
    why: 'Two rules let in what either does.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-elsewhere-4',
    area: 'blocks',
    ip: 4,
    given: lets('-1 192.0.2.0/24', 'tcp 80 0.0.0.0/1'),
    steps: [{ see: { 'a>b udp 80': 'none', 'a>b tcp 80': 'both', 'a>c ping': 'none' } }],
    why: 'A block that holds the sender lets it in, whatever its size; another does not.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-elsewhere-6',
    area: 'blocks',
    ip: 6,
    given: lets('-1 fd00:1:2::/48', 'tcp 80 2000::/3'),
    steps: [{ see: { 'a>b udp 80': 'none', 'a>b tcp 80': 'both', 'a>c ping': 'none' } }],
    why: 'A block that holds the sender lets it in, whatever its size; another does not.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-other-half',
    area: 'blocks',
    ip: 4,
    given: lets('-1 128.0.0.0/1'),
    steps: [{ see: { 'a>b udp 80': 'none', 'a>c tcp 80': 'none', 'd>c ping': 'none' } }],
    why: 'A block of one bit is half of all addresses, not all.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-out',
    area: 'blocks',
    given: { groups: { client: { out: ['udp 80 b'] }, server: { in: ['-1 any'] } } },
    steps: [{ see: { 'a>b udp 80': 'both', 'a>c udp 80': 'none', 'a>b udp 81': 'none' } }],
    why: 'The block of an outbound rule is where packets go.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-out-subnet',
    area: 'blocks',
    given: { groups: { client: { out: ['tcp 80 Y'] }, server: { in: ['-1 any'] } } },
    steps: [
      {
        see: {
          'a>c tcp 80': 'both',
          'a>b tcp 80': 'none',
          'd>c tcp 80': 'both',
          'd>b tcp 80': 'none',
        },
      },
    ],
    why: 'An outbound rule to a subnet lets nothing out to another, its own not either.',
    doc: DOC.groupRules,
  },
  {
    id: 'block-in-is-the-source',
    area: 'blocks',
    given: lets('tcp 80 b', 'tcp 81 c'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'a>c tcp 81': 'none',
          'b>c tcp 80': 'both',
          'c>b tcp 81': 'both',
        },
      },
    ],
    why: 'The block of an inbound rule is where packets come from, never where they go.',
    doc: DOC.groupRules,
  },
]

const GROUPS: readonly Row[] = [
  {
    id: 'group-members',
    area: 'group references',
    given: lets('tcp 80 sg:client'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c tcp 80': 'both',
          'd>b tcp 80': 'both',
          'd>c tcp 80': 'both',
          'e>b tcp 80': 'none',
          'g>c tcp 80': 'none',
        },
      },
    ],
    why: 'A rule that names a group means its members by their private addresses, in every subnet.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-not-itself',
    area: 'group references',
    given: lets('udp 80 sg:client'),
    steps: [{ see: { 'b>c udp 80': 'none', 'c>b udp 80': 'none', 'a>d udp 80': 'none' } }],
    why: 'Members of one group do not reach each other unless a rule says so.',
    doc: DOC.groups,
  },
  {
    id: 'group-itself',
    area: 'group references',
    given: lets('udp 80 sg:server'),
    steps: [
      {
        see: {
          'b>c udp 80': 'both',
          'c>b udp 80': 'both',
          'a>b udp 80': 'none',
          'd>c udp 80': 'none',
        },
      },
    ],
    why: 'A group may name itself: its members then reach each other, and only they.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-out',
    area: 'group references',
    given: {
      groups: {
        client: { out: ['udp 80 sg:server'] },
        server: { in: ['-1 any'] },
        other: { in: ['-1 any'] },
      },
    },
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'a>c udp 80': 'both',
          'a>e udp 80': 'none',
          'a>g udp 80': 'none',
        },
      },
    ],
    why: 'An outbound rule may name a group: its members are who is sent to.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-empty',
    area: 'group references',
    given: lets('-1 sg:fifth'),
    steps: [{ see: { 'a>b udp 80': 'none', 'b>c tcp 80': 'none', 'e>b ping': 'none' } }],
    why: 'A group that nobody wears is nobody.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-all-protocols',
    area: 'group references',
    given: lets('-1 sg:client'),
    steps: [
      {
        see: {
          'a>b tcp 1': 'both',
          'a>c udp 1': 'both',
          'd>b ping': 'both',
          'd>c proto 109': 'both',
          'e>c tcp 1': 'none',
        },
      },
    ],
    why: 'All protocols, from members alone.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-ping',
    area: 'group references',
    given: lets('ping sg:client'),
    steps: [
      { see: { 'a>b ping': 'both', 'd>c ping': 'both', 'g>c ping': 'none', 'a>b udp 80': 'none' } },
    ],
    why: 'ICMP rules name groups as others do.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-joined-and-left',
    area: 'group references',
    given: lets('udp 80 sg:client'),
    steps: [
      { see: { 'e>b udp 80': 'none', 'e>c udp 80': 'none' } },
      { now: { ...lets('udp 80 sg:client'), wear: { e: ['other', 'client'] } } },
      { see: { 'e>b udp 80': 'both', 'e>c udp 80': 'both', 'a>b udp 80': 'both' } },
      { now: lets('udp 80 sg:client') },
      { see: { 'e>b udp 80': 'none', 'e>c udp 80': 'none', 'a>b udp 80': 'both' } },
    ],
    why: 'Who a group is changes with the ENIs that wear it, at once.',
    doc: DOC.modifyEni,
  },
  {
    id: 'group-moved',
    area: 'group references',
    given: lets('tcp 80 sg:more', 'tcp 81 sg:client'),
    steps: [
      { see: { 'a>b tcp 80': 'none', 'a>b tcp 81': 'both' } },
      { now: { ...lets('tcp 80 sg:more', 'tcp 81 sg:client'), wear: { a: ['more'] } } },
      { see: { 'a>b tcp 80': 'both', 'a>b tcp 81': 'none', 'd>b tcp 81': 'both' } },
    ],
    why: 'An ENI that moves to another group is a member there and no longer here.',
    doc: DOC.modifyEni,
  },
  {
    id: 'group-several-named',
    area: 'group references',
    given: lets('udp 80 sg:client', 'udp 80 sg:more'),
    steps: [
      { see: { 'a>b udp 80': 'both', 'e>b udp 80': 'none' } },
      { now: { ...lets('udp 80 sg:client', 'udp 80 sg:more'), wear: { e: ['more'] } } },
      { see: { 'a>b udp 80': 'both', 'e>b udp 80': 'both', 'f>b udp 80': 'none' } },
    ],
    why: 'Rules that name several groups mean the members of any.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-and-block',
    area: 'group references',
    given: lets('tcp 80 sg:client', 'tcp 80 h'),
    steps: [{ see: { 'd>b tcp 80': 'both', 'h>b tcp 80': 'both', 'f>b tcp 80': 'none' } }],
    why: 'A group and a block stand side by side.',
    doc: DOC.groupRules,
  },
  {
    id: 'group-mutual',
    area: 'group references',
    given: {
      groups: {
        client: { in: ['udp 81 sg:server'], out: ['udp 80 sg:server'] },
        server: { in: ['udp 80 sg:client'], out: ['udp 81 sg:client'] },
      },
    },
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'c>d udp 81': 'both',
          'b>c udp 80': 'none',
          'a>b udp 81': 'none',
          'b>a udp 80': 'none',
        },
      },
    ],
    why: 'Two groups may name each other, each with its own rules in each direction.',
    doc: DOC.groupRules,
  },
  {
    id: 'default-group',
    area: 'default group',
    given: { wear: { a: ['default'], b: ['default'], c: ['default'] } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c udp 80': 'both',
          'c>a ping': 'both',
          'e>b tcp 80': 'none',
          'd>c udp 80': 'none',
          'a>e tcp 80': 'none',
        },
      },
    ],
    why: 'The default group lets in everything from its own members and from nobody else.',
    doc: DOC.defaultGroup,
  },
  {
    id: 'default-group-left',
    area: 'default group',
    given: { wear: { a: ['default'], b: ['default'] } },
    steps: [
      { see: { 'a>b tcp 80': 'both' } },
      { now: { wear: { a: ['other'], b: ['default'] } } },
      { see: { 'a>b tcp 80': 'none', 'e>b tcp 80': 'none' } },
    ],
    why: 'Who no longer wears the default group is no longer let in by it.',
    doc: DOC.defaultGroup,
  },
  {
    id: 'default-group-changed',
    area: 'default group',
    given: { wear: { a: ['default'], b: ['default'] }, groups: { default: { in: ['tcp 80 e'] } } },
    steps: [{ see: { 'a>b tcp 80': 'none', 'e>b tcp 80': 'both', 'a>b udp 80': 'none' } }],
    why: 'The rules of the default group may be changed like any other’s.',
    doc: DOC.defaultGroup,
  },
  {
    id: 'several-groups-union',
    area: 'several groups',
    given: {
      groups: { server: { in: ['tcp 80 any'] }, more: { in: ['udp 81 any'] } },
      wear: { b: ['server', 'more'] },
    },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>b udp 81': 'both',
          'a>c udp 81': 'none',
          'a>b tcp 81': 'none',
        },
      },
    ],
    why: 'An ENI of several groups lets in what any of them does.',
    doc: DOC.groups,
  },
  {
    id: 'several-groups-union-out',
    area: 'several groups',
    given: {
      groups: {
        client: { out: ['tcp 80 any'] },
        more: { out: ['udp 81 any'] },
        server: { in: ['-1 any'] },
      },
      wear: { a: ['client', 'more'] },
    },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c udp 81': 'both',
          'a>b udp 80': 'none',
          'd>b udp 81': 'none',
        },
      },
    ],
    why: 'An ENI of several groups lets out what any of them does.',
    doc: DOC.groups,
  },
  {
    id: 'several-groups-five',
    area: 'several groups',
    given: {
      groups: {
        server: { in: ['tcp 80 any'] },
        other: { in: ['tcp 81 any'] },
        more: { in: ['tcp 82 any'] },
        fourth: { in: ['tcp 83 any'] },
        fifth: { in: ['tcp 84 any'] },
      },
      wear: { b: ['fifth', 'server', 'fourth', 'other', 'more'] },
    },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>b tcp 81': 'both',
          'a>b tcp 82': 'both',
          'a>b tcp 83': 'both',
          'a>b tcp 84': 'both',
          'a>b tcp 85': 'none',
          'a>c tcp 84': 'none',
        },
      },
    ],
    why: 'Five groups on one ENI, each counted.',
    doc: DOC.quotas,
  },
  {
    id: 'several-groups-one-goes',
    area: 'several groups',
    given: {
      groups: { server: { in: ['tcp 80 any'] }, more: { in: ['tcp 81 any'] } },
      wear: { b: ['server', 'more'] },
    },
    steps: [
      { see: { 'a>b tcp 80': 'both', 'a>b tcp 81': 'both' } },
      {
        now: {
          groups: { server: { in: ['tcp 80 any'] }, more: { in: ['tcp 81 any'] } },
          wear: { b: ['more'] },
        },
      },
      { see: { 'a>b tcp 80': 'none', 'a>b tcp 81': 'both', 'a>c tcp 80': 'both' } },
    ],
    why: 'A group that an ENI no longer wears no longer counts.',
    doc: DOC.modifyEni,
  },
  {
    id: 'several-groups-member-by-second',
    area: 'several groups',
    given: {
      ...lets('udp 80 sg:fourth'),
      wear: { e: ['other', 'fourth'], f: ['fourth', 'other'] },
    },
    steps: [{ see: { 'e>b udp 80': 'both', 'f>c udp 80': 'both', 'h>c udp 80': 'none' } }],
    why: 'An ENI is a member of each group that it wears, whichever comes first.',
    doc: DOC.groups,
  },
]

const LISTS: readonly Row[] = [
  {
    id: 'list-one-entry',
    area: 'prefix lists',
    given: { ...lets('tcp 80 pl:list'), lists: { list4: ['a'], list6: ['a'] } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c tcp 80': 'both',
          'e>b tcp 80': 'none',
          'a>b tcp 81': 'none',
        },
      },
    ],
    why: 'A rule that names a prefix list means its entries.',
    doc: DOC.lists,
  },
  {
    id: 'list-several-entries',
    area: 'prefix lists',
    given: { ...lets('tcp 80 pl:list'), lists: { list4: ['a', 'f', 'Y'], list6: ['a', 'f', 'Y'] } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'f>b tcp 80': 'both',
          'd>b tcp 80': 'both',
          'g>c tcp 80': 'both',
          'e>b tcp 80': 'none',
          'h>b tcp 80': 'none',
        },
      },
    ],
    why: 'Every entry of a list counts, the last as the first.',
    doc: DOC.lists,
  },
  {
    id: 'list-empty',
    area: 'prefix lists',
    given: lets('-1 pl:list'),
    steps: [{ see: { 'a>b tcp 80': 'none', 'a>c udp 80': 'none', 'd>b ping': 'none' } }],
    why: 'A list without entries is nobody, never everybody.',
    doc: DOC.lists,
  },
  {
    id: 'list-changed',
    area: 'prefix lists',
    given: { ...lets('udp 80 pl:list'), lists: { list4: ['a'], list6: ['a'] } },
    steps: [
      { see: { 'a>b udp 80': 'both', 'e>b udp 80': 'none' } },
      { now: { ...lets('udp 80 pl:list'), lists: { list4: ['e'], list6: ['e'] } } },
      { see: { 'a>b udp 80': 'none', 'e>b udp 80': 'both' } },
      { now: lets('udp 80 pl:list') },
      { see: { 'a>b udp 80': 'none', 'e>b udp 80': 'none' } },
    ],
    why: 'Rules follow a list that changes.',
    doc: DOC.lists,
  },
  {
    id: 'list-out',
    area: 'prefix lists',
    given: {
      groups: { client: { out: ['tcp 80 pl:list'] }, server: { in: ['-1 any'] } },
      lists: { list4: ['c'], list6: ['c'] },
    },
    steps: [{ see: { 'a>c tcp 80': 'both', 'a>b tcp 80': 'none', 'd>c tcp 80': 'both' } }],
    why: 'An outbound rule may name a list: its entries are who is sent to.',
    doc: DOC.lists,
  },
  {
    id: 'list-of-the-other-version',
    area: 'prefix lists',
    ip: 6,
    given: { ...lets('-1 pl:list4'), lists: { list4: ['0.0.0.0/0'] } },
    steps: [{ see: { 'a>b tcp 80': 'none', 'a>c ping': 'none' } }],
    why: 'A list of IPv4 blocks says nothing of IPv6.',
    doc: DOC.lists,
  },
  {
    id: 'list-of-ipv6',
    area: 'prefix lists',
    ip: 4,
    given: { ...lets('-1 pl:list6'), lists: { list6: ['::/0'] } },
    steps: [{ see: { 'a>b tcp 80': 'none', 'a>c ping': 'none' } }],
    why: 'A list of IPv6 blocks says nothing of IPv4.',
    doc: DOC.lists,
  },
]

export const PEERS: readonly Row[] = [...BLOCKS, ...GROUPS, ...LISTS]
