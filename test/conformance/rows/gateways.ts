// Rows about what leads out of the VPC: internet gateways and Elastic IPs, NAT gateways, egress-only
// internet gateways, and what a route decides among them. Where nobody outside takes part, the Internet is
// crossed from one public address of the VPC to another.

import type { Given, Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const OPEN = {
  client: { in: ['-1 any'] },
  server: { in: ['-1 any'] },
  other: { in: ['-1 any'] },
} as const
/** X has a way to the Internet, and a, in X, an Elastic IP. */
const IGW: Given = { groups: OPEN, routes: { X: ['any igw'] }, public: ['a'] }
/** X gets out by the NAT gateway, which is in Z, which gets out by the internet gateway. */
const NAT: Given = { groups: OPEN, routes: { X: ['any nat'], Z: ['any igw'] } }
const EIGW: Given = { groups: OPEN, routes: { X: ['any eigw'] } }

type Words = Pick<Row, 'id' | 'why' | 'doc'>
const asked =
  (area: string, ip?: 4 | 6) =>
  (words: Words, given: Given, ...steps: Step[]): Row => ({
    area,
    ...(ip === undefined ? {} : { ip }),
    given,
    steps,
    ...words,
  })
const igw4 = asked('internet gateway', 4)
const igw6 = asked('internet gateway', 6)
const nat = asked('NAT gateway', 4)
const eigw = asked('egress-only gateway', 6)
const routes = asked('longest prefix')

const INTERNET_GATEWAY: readonly Row[] = [
  igw4(
    {
      id: 'igw-translates-out',
      why: 'What leaves by an internet gateway has the Elastic IP of its private address, and without one does not leave.',
      doc: DOC.igw,
    },
    IGW,
    {
      see: {
        'a>o udp 90 as a!': 'both',
        'a>o ping as a!': 'both',
        'a>o tcp 81': 'both',
        'b>o udp 90': 'none',
        'b>o ping': 'none',
      },
    },
  ),
  igw4(
    {
      id: 'igw-translates-in',
      why: 'From outside an ENI is reached by its public address, under its groups, and by no private one.',
      doc: DOC.igw,
    },
    { ...IGW, groups: { client: { in: ['udp 80 any', 'ping o'] } } },
    {
      see: {
        'o>a! udp 80': 'both',
        'o>a! udp 81': 'none',
        'o>a! ping': 'both',
        'o>a! tcp 80': 'none',
        'o>a udp 80': 'none',
      },
    },
  ),
  igw4(
    {
      id: 'igw-answers-need-no-rule',
      why: 'Groups remember what they let out by a gateway as they do within the VPC.',
      doc: DOC.groups,
    },
    { ...IGW, groups: { client: { in: [], out: ['udp 90 o', 'ping o'] } } },
    {
      see: {
        'a>o udp 90 as a!': 'both',
        'a>o ping as a!': 'both',
        'a>o udp 91': 'none',
        'o>a! udp 90': 'none',
      },
    },
  ),
  igw4(
    {
      id: 'igw-rules-know-private-addresses',
      why: 'A rule that names a group means private addresses: who comes by a public one is none of its members.',
      doc: DOC.groupRules,
    },
    {
      groups: { server: { in: ['udp 80 sg:client'] } },
      routes: { X: ['any igw'] },
      public: ['a', 'b'],
    },
    { see: { 'a>b udp 80': 'both', 'a>b! udp 80': 'none' } },
    {
      now: {
        groups: { server: { in: ['udp 80 a!'] } },
        routes: { X: ['any igw'] },
        public: ['a', 'b'],
      },
    },
    { see: { 'a>b udp 80': 'none', 'a>b! udp 80 as a!': 'both', 'e>b! udp 80': 'none' } },
  ),
  igw4(
    {
      id: 'igw-of-another-subnet',
      why: 'An Elastic IP is of one ENI, wherever in the VPC that is.',
      doc: DOC.eip,
    },
    { groups: OPEN, routes: { X: ['any igw'], Y: ['any igw'] }, public: ['a', 'c'] },
    {
      see: {
        'a>c! udp 80 as a!': 'both',
        'c>a! udp 80 as c!': 'both',
        'd>a! udp 80': 'none',
      },
    },
  ),
  igw4(
    {
      id: 'igw-needs-a-route',
      why: 'A subnet is public by a route to the gateway: without one a public address leads nowhere.',
      doc: DOC.igw,
    },
    { ...IGW, routes: { X: [] } },
    { see: { 'a>o udp 90': 'none', 'o>a! udp 80': 'none', 'a>b udp 80': 'both' } },
    { now: { ...IGW, routes: { X: ['o igw'] } } },
    { see: { 'a>o udp 90 as a!': 'both', 'o>a! udp 80': 'both', 'a>nowhere ping': 'none' } },
    { now: { ...IGW, routes: { X: [] } } },
    { see: { 'a>o udp 90': 'none', 'o>a! udp 80': 'none' } },
  ),
  igw4(
    {
      id: 'eip-in-force-on-return',
      why: 'An association is in force when its call returns, and so is its end; a flow ends with it.',
      doc: DOC.eip,
    },
    IGW,
    { see: { 'a>o udp 90 as a! #f': 'both', 'b>o udp 90': 'none' } },
    { now: { ...IGW, public: ['b'] } },
    { see: { '#f': 'none', 'a>o udp 90': 'none', 'b>o udp 90 as b!': 'both' } },
    { now: { ...IGW, public: [] } },
    { see: { 'a>o udp 90': 'none', 'b>o udp 90': 'none' } },
    { now: IGW },
    { see: { 'a>o udp 90 as a!': 'both', 'o>a! udp 80': 'both' } },
  ),
  igw4(
    {
      id: 'eip-of-one-private-address',
      why: 'An Elastic IP stands for one private address: a secondary one beside it does not leave.',
      doc: DOC.eip,
    },
    { ...IGW, more: { a: ['X51'] } },
    {
      see: {
        'a(as a)>o udp 90 as a!': 'there',
        'a(as X51)>o udp 90': 'none',
        'a(as X51)>c udp 90': 'there',
      },
    },
  ),
  ...([4, 6] as const).map((ip) =>
    asked('internet gateway', ip)(
      {
        id: `igw-acl-${ip}`,
        why: 'The subnet’s ACL judges what comes from outside and what goes there, without memory.',
        doc: DOC.acl,
      },
      {
        ...IGW,
        acls: {
          X: { in: ['100 deny udp 0-65535 o', '200 allow -1 any'], out: ['100 allow -1 any'] },
        },
      },
      { see: { 'a>o udp 90 as a!': 'there', 'o>a! udp 80': 'none', 'a>o ping as a!': 'both' } },
      {
        now: {
          ...IGW,
          acls: { X: { in: ['100 allow -1 any'], out: ['100 allow udp 90 o'] } },
        },
      },
      {
        see: {
          'a>o udp 90 as a!': 'both',
          'a>o udp 91': 'none',
          'o>a! udp 80': 'there',
          'a>c udp 90': 'none',
        },
      },
    ),
  ),
  igw6(
    {
      id: 'igw-takes-ipv6-as-it-is',
      why: 'IPv6 addresses are public: an internet gateway translates none of them, and needs no Elastic IP.',
      doc: DOC.igw,
    },
    { ...IGW, public: [] },
    {
      see: {
        'a>o udp 90': 'both',
        'b>o udp 90': 'both',
        'a>o tcp 81': 'both',
        'a>o ping': 'both',
        'o>a udp 80': 'both',
        'o>b tcp 80': 'both',
      },
    },
    { now: { ...IGW, public: [], routes: { X: [] } } },
    { see: { 'a>o udp 90': 'none', 'o>a udp 80': 'none' } },
  ),
  igw6(
    {
      id: 'igw-ipv6-under-groups',
      why: 'Groups judge what comes from outside by its address, as they judge what comes from within.',
      doc: DOC.groups,
    },
    {
      ...IGW,
      groups: { client: { in: ['udp 80 o'] }, server: { in: ['udp 80 sg:client'] } },
    },
    { see: { 'o>a udp 80': 'both', 'o>a udp 81': 'none', 'o>b udp 80': 'none' } },
  ),
]

const EGRESS_ONLY: readonly Row[] = [
  eigw(
    {
      id: 'eigw-out-alone',
      why: 'By an egress-only gateway goes what was begun inside, with its answers, and nothing else.',
      doc: DOC.eigw,
    },
    EIGW,
    {
      see: {
        'a>o udp 90': 'both',
        'a>o tcp 81': 'both',
        'a>o ping': 'both',
        'o>a udp 80': 'none',
        'o>a tcp 80': 'none',
        'o>b ping': 'none',
      },
    },
  ),
  eigw(
    {
      id: 'eigw-goes-on',
      why: 'It is stateful: a flow that was begun inside goes on.',
      doc: DOC.eigw,
    },
    EIGW,
    { see: { 'a>o udp 90 #f': 'both' } },
    { see: { '#f': 'both', 'o>a udp 90': 'none' } },
  ),
  eigw(
    {
      id: 'eigw-under-groups',
      why: 'The sender’s own groups let it out first.',
      doc: DOC.groups,
    },
    { ...EIGW, groups: { client: { out: ['udp 90 o'] } } },
    { see: { 'a>o udp 90': 'both', 'a>o udp 91': 'none' } },
  ),
  eigw(
    {
      id: 'eigw-or-igw-by-the-route',
      why: 'Which of the two gateways is open to a subnet its most specific route says.',
      doc: DOC.routePriority,
    },
    { ...EIGW, routes: { X: ['any eigw', 'o igw'], Y: ['any eigw'] } },
    { see: { 'o>a udp 80': 'both', 'o>c udp 80': 'none', 'c>o udp 90': 'both' } },
    { now: { ...EIGW, routes: { X: ['any igw', 'o eigw'], Y: ['any igw'] } } },
    { see: { 'o>a udp 80': 'none', 'o>c udp 80': 'both', 'a>o udp 90': 'both' } },
  ),
]

const NAT_GATEWAY: readonly Row[] = [
  nat(
    {
      id: 'nat-out-under-its-own-address',
      why: 'What leaves by a public NAT gateway has the gateway’s Elastic IP; answers find their way back.',
      doc: DOC.nat,
    },
    NAT,
    {
      see: {
        'a>o udp 90 as nat!': 'both',
        'b>o udp 90 as nat!': 'both',
        'a>o ping as nat!': 'both',
        'a>o tcp 81': 'both',
      },
    },
  ),
  nat(
    {
      id: 'nat-lets-nobody-in',
      why: 'Nothing that was begun outside comes in by a NAT gateway.',
      doc: DOC.nat,
    },
    NAT,
    { see: { 'a>o udp 90 as nat! #f': 'both', 'o>nat! ping': 'none', 'o>a udp 80': 'none' } },
    { see: { 'o>nat! ping': 'none', 'a>o udp 90 as nat!': 'both' } },
  ),
  nat(
    {
      id: 'nat-whatever-elastic-ip',
      why: 'The route decides: with an Elastic IP of its own, too, an ENI leaves by the NAT gateway, under its address.',
      doc: DOC.routeTables,
    },
    { ...NAT, public: ['a'] },
    { see: { 'a>o udp 90 as nat!': 'both' } },
    { now: { ...NAT, public: ['a'], routes: { X: ['any nat', 'o igw'], Z: ['any igw'] } } },
    { see: { 'a>o udp 90 as a!': 'both', 'b>o udp 90': 'none' } },
  ),
  nat(
    {
      id: 'nat-needs-its-own-way-out',
      why: 'A NAT gateway sends on by the route table of its own subnet.',
      doc: DOC.nat,
    },
    { ...NAT, routes: { X: ['any nat'], Z: [] } },
    { see: { 'a>o udp 90': 'none', 'a>o ping': 'none' } },
    { now: NAT },
    { see: { 'a>o udp 90 as nat!': 'both' } },
  ),
  nat(
    {
      id: 'nat-three-protocols',
      why: 'A NAT gateway takes TCP, UDP and ICMP.',
      doc: DOC.nat,
    },
    NAT,
    { see: { 'a>o proto 47': 'none', 'a>o proto 132': 'none', 'a>o udp 90 as nat!': 'both' } },
  ),
  nat(
    {
      id: 'nat-acl-of-its-subnet',
      why: 'No group judges a NAT gateway; the ACL of its subnet does, on the way in and on the way out.',
      doc: DOC.natAcl,
    },
    {
      ...NAT,
      acls: { Z: { in: ['100 deny udp 90 X', '200 allow -1 any'], out: ['100 allow -1 any'] } },
    },
    { see: { 'a>o udp 90': 'none', 'a>o udp 91 as nat!': 'both' } },
    {
      now: {
        ...NAT,
        acls: { Z: { in: ['100 allow -1 any'], out: ['100 deny udp 90 o', '200 allow -1 any'] } },
      },
    },
    { see: { 'a>o udp 90': 'none', 'a>o udp 91 as nat!': 'both' } },
    {
      now: {
        ...NAT,
        acls: {
          Z: {
            in: ['100 allow udp 90 X', '110 allow udp 1024-65535 o'],
            out: ['100 allow udp 90 o', '110 allow udp 1024-65535 X'],
          },
        },
      },
    },
    { see: { 'a>o udp 90 as nat!': 'both', 'a>o ping': 'none' } },
    {
      now: {
        ...NAT,
        acls: {
          Z: { in: ['100 allow -1 X', '110 deny -1 o'], out: ['100 allow -1 any'] },
        },
      },
    },
    { see: { 'a>o udp 90 as nat!': 'there' } },
  ),
  nat(
    {
      id: 'nat-of-an-unchecked-sender',
      why: 'Answers need no rule, whether or not the ENI’s source/destination check is on.',
      doc: DOC.tracking,
    },
    { ...NAT, groups: { client: { in: [] } }, unchecked: ['a'] },
    { see: { 'a>o udp 90 as nat!': 'both', 'a>o tcp 81': 'both', 'a>o ping as nat!': 'both' } },
    { now: { ...NAT, groups: { client: { in: [] } } } },
    { see: { 'a>o udp 90 as nat!': 'both' } },
  ),
  nat(
    {
      id: 'nat-within-the-vpc-of-an-unchecked-sender',
      why: 'The same where a route leads into the VPC by the gateway: the answer is the gateway’s.',
      doc: DOC.tracking,
    },
    {
      groups: { ...OPEN, client: { in: [] } },
      routes: { X: ['Y nat'], Z: [] },
      unchecked: ['a'],
    },
    { see: { 'a>c udp 80 as nat': 'both', 'a>c tcp 80': 'both', 'a>c ping as nat': 'both' } },
  ),
  nat(
    {
      id: 'nat-sender-groups',
      why: 'The sender’s groups judge before the gateway, by the address that it calls.',
      doc: DOC.natAcl,
    },
    { ...NAT, groups: { client: { out: ['udp 90 o'] }, other: { out: ['-1 vpc'] } } },
    { see: { 'a>o udp 90 as nat!': 'both', 'a>o udp 91': 'none', 'e>o udp 90': 'none' } },
  ),
]

/** Within the VPC a NAT gateway is a route's target as well. */
const NAT_WITHIN: readonly Row[] = [
  {
    id: 'nat-hides-its-senders',
    area: 'NAT gateway',
    ip: 4,
    given: {
      groups: { server: { in: ['udp 80 sg:client'] } },
      routes: { X: ['Y nat'], Z: [] },
    },
    steps: [
      { see: { 'a>c udp 80': 'none', 'a>b udp 80': 'both' } },
      {
        now: {
          groups: { server: { in: ['udp 80 nat'] } },
          routes: { X: ['Y nat'], Z: [] },
        },
      },
      { see: { 'a>c udp 80 as nat': 'both', 'd>c udp 80': 'none' } },
    ],
    why: 'Behind a NAT gateway a member’s address is the gateway’s: a rule that names the group does not match it.',
    doc: DOC.groupRules,
  },
]

const LONGEST: readonly Row[] = [
  routes(
    {
      id: 'longest-prefix-wins',
      why: 'Of all routes that match, the most specific decides, whichever was made first.',
      doc: DOC.routePriority,
    },
    { ...IGW, routes: { X: ['any igw', 'o/24 idle'] } },
    { see: { 'a>o udp 90': 'none' } },
    { now: { ...IGW, routes: { X: ['any igw', 'o/24 idle', 'o igw'] } } },
    { see: { 'a>o udp 90 as a!': 'both' } },
    { now: { ...IGW, routes: { X: ['any idle', 'o/24 igw'] } } },
    { see: { 'a>o udp 90 as a!': 'both' } },
    { now: { ...IGW, routes: { X: ['o/24 igw', 'o idle'] } } },
    { see: { 'a>o udp 90': 'none' } },
  ),
  routes(
    {
      id: 'longest-prefix-replaced',
      why: 'A route that is replaced leads elsewhere when the call returns.',
      doc: DOC.routeTables,
    },
    IGW,
    { see: { 'a>o udp 90 as a!': 'both' } },
    { now: { ...IGW, routes: { X: ['any idle'] } } },
    { see: { 'a>o udp 90': 'none', 'a>c udp 80': 'both' } },
    { now: IGW },
    { see: { 'a>o udp 90 as a!': 'both' } },
  ),
]

/** Routes to an ENI, on which nothing is sent on: that it is heard there is what counts. */
const TARGETS: readonly Row[] = [
  {
    id: 'route-local-before-any',
    area: 'route tables',
    given: { groups: OPEN, routes: { X: ['any idle'], Y: ['any idle'] } },
    steps: [{ see: { 'a>c udp 80': 'both', 'a>b udp 80': 'both', 'c>f udp 80': 'both' } }],
    why: 'The local route is more specific than the route to everywhere.',
    doc: DOC.routePriority,
  },
  {
    id: 'route-to-unchecked-eni',
    area: 'route tables',
    given: { groups: OPEN, routes: { X: ['Y f'] }, unchecked: ['f'] },
    steps: [
      {
        see: {
          'a>c udp 80 at f': 'there',
          'a>d ping at f': 'there',
          'a>b udp 80': 'both',
          'a>h udp 80': 'both',
          'f>c udp 80': 'both',
        },
      },
      { now: { groups: OPEN, routes: { X: ['Y f'] } } },
      { see: { 'a>c udp 80': 'none' } },
    ],
    why: 'A route to an ENI leads to it and to nobody else; with its check off it takes what is for others.',
    doc: DOC.natInstance,
  },
  {
    id: 'route-not-within-its-subnet',
    area: 'route tables',
    given: {
      groups: OPEN,
      routes: { X: ['X f', 'Y f', 'Z g'], Z: ['X g', 'Z g'] },
      unchecked: ['f', 'g'],
    },
    steps: [
      {
        see: {
          'a>b udp 80': 'both',
          'f>h udp 80': 'both',
          'a>f udp 80 at g': 'there',
          'f>a udp 80 at g': 'there',
        },
      },
    ],
    why: 'Routes are asked about what leaves a subnet, never about what stays in it.',
    doc: DOC.routeTables,
  },
  {
    id: 'route-hop-opens-no-gate',
    area: 'route tables',
    given: {
      groups: { client: { in: [] }, server: { in: [] }, other: { in: ['-1 X'] } },
      routes: { X: ['Y f'] },
      unchecked: ['f'],
    },
    steps: [
      { see: { 'a:4100>c udp 80 at f': 'there' } },
      // What f sends on is the same packet again: addresses, ports and all.
      { see: { 'f(as a):4100>c udp 80': 'none' } },
      {
        now: {
          groups: { client: { in: [] }, server: { in: ['udp 80 a'] }, other: { in: ['-1 X'] } },
          routes: { X: ['Y f'] },
          unchecked: ['f'],
        },
      },
      { see: { 'f(as a):4100>c udp 80': 'there', 'f(as b):4100>c udp 80': 'none' } },
    ],
    why: 'Each ENI on the way judges for itself: what the one in the middle let in opens no gate of the last one’s.',
    doc: DOC.groups,
  },
  {
    id: 'route-target-has-groups',
    area: 'route tables',
    given: {
      groups: { server: { in: ['-1 any'] }, other: { in: ['udp 80 sg:client'] } },
      routes: { X: ['Y f'] },
      unchecked: ['f'],
    },
    steps: [
      { see: { 'a>c udp 80 at f': 'there', 'a>c udp 81': 'none', 'b>c udp 80': 'none' } },
      {
        now: {
          groups: { server: { in: ['-1 any'] }, other: { in: ['-1 any'] } },
          routes: { X: ['Y f'] },
          unchecked: ['f'],
          acls: { Z: { in: ['100 deny udp 80 X', '200 allow -1 any'], out: ['100 allow -1 any'] } },
        },
      },
      { see: { 'a>c udp 80': 'none', 'a>c udp 81 at f': 'there' } },
    ],
    why: 'Who stands on the way judges by its own groups, and the border of its subnet by its ACL.',
    doc: DOC.groups,
  },
]

export const GATEWAYS: readonly Row[] = [
  ...TARGETS,
  ...LONGEST,
  ...INTERNET_GATEWAY,
  ...EGRESS_ONLY,
  ...NAT_GATEWAY,
  ...NAT_WITHIN,
]
