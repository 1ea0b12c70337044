// What other emulators that claim real enforcement shipped, each as a case that fails where the bug
// is: with the public thread that tells of it. mutants.ts puts each of them back into the lab.

import type { Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const area = 'bugs of others'
const lets = (...rules: string[]) => ({ groups: { server: { in: rules } } })

export const EMULATOR_BUGS: readonly Row[] = [
  {
    id: 'bug-1-egress-answers-for-ingress',
    area,
    given: lets('tcp 443 any'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'b>a tcp 80': 'none',
          'a>c tcp 80': 'none',
          'c>d tcp 80': 'none',
          'a>b tcp 443': 'both',
        },
      },
    ],
    why: "The sender's outbound rule and the receiver's inbound rule are two decisions, whoever has the lower id (faiscadev/fakecloud#2525).",
    doc: DOC.groups,
  },
  {
    id: 'bug-2-same-subnet-not-seen',
    area,
    given: lets('tcp 443 any'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'e>b udp 80': 'none',
          'd>c tcp 80': 'none',
          'g>c ping': 'none',
          'a>b tcp 443': 'both',
        },
      },
    ],
    why: 'Two ENIs of one subnet are filtered from each other as any two (faiscadev/fakecloud#1774).',
    doc: DOC.groups,
  },
  {
    id: 'bug-3-enforced-on-paper',
    area,
    given: {},
    steps: [
      { see: { 'a>b tcp 80': 'none', 'a>c tcp 80': 'none' } },
      { now: lets('tcp 80 any') },
      { see: { 'a>b tcp 80': 'both', 'a>c tcp 80': 'both' } },
      { now: {} },
      { see: { 'a>b tcp 80': 'none', 'a>c tcp 80': 'none' } },
    ],
    why: 'Rules that are listed are in force on packets: a drop, a pass, a drop (faiscadev/fakecloud#1764).',
    doc: DOC.groups,
  },
  {
    id: 'bug-4-text-becomes-rules',
    area,
    ip: 4,
    given: {},
    steps: [
      ...[
        '{a}/32 accept',
        '{a}/32, 0.0.0.0/0',
        '{a}/32 } accept comment {',
        '0.0.0.0/0\nadd rule inet enid ingress_gate accept',
      ].map(
        (CidrIp): Step => ({
          call: 'AuthorizeSecurityGroupIngress',
          input: {
            GroupId: '$server',
            IpPermissions: [
              { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp }] },
            ],
          },
          refused: 'InvalidParameterValue',
        }),
      ),
      { see: { 'a>b tcp 80': 'none', 'e>b tcp 80': 'none', 'a>c udp 80': 'none' } },
    ],
    why: 'What a caller writes is a value or is refused; it never becomes syntax (faiscadev/fakecloud#1764).',
    doc: DOC.permission,
  },
  {
    id: 'bug-5-only-ipv4-is-denied',
    area,
    ip: 6,
    given: lets('tcp 443 any4'),
    steps: [
      {
        see: {
          'a>b tcp 443': 'none',
          'a>c udp 80': 'none',
          'a>b ping': 'none',
          'a>c proto 130': 'none',
        },
      },
    ],
    why: 'What no rule lets in is dropped in IPv6 too (mulgadc/spinifex#947).',
    doc: DOC.groups,
  },
  {
    id: 'bug-5-other-frames-pass',
    area,
    ip: 4,
    given: {},
    steps: [
      {
        see: Object.fromEntries(
          ['88cc', '8035', '88b5'].flatMap((type) =>
            ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].flatMap((to) =>
              ['a', 'h']
                .filter((from) => from !== to)
                .map((from) => [`${from}>${to} ethertype ${type}`, 'none'] as const),
            ),
          ),
        ),
      },
    ],
    why: 'RARP, LLDP and raw ethertypes are dropped like all that no rule lets in (mulgadc/spinifex#947).',
    doc: DOC.faq,
  },
  {
    id: 'bug-6-open-before-its-groups',
    area,
    given: {},
    steps: [
      { replug: 'e', knock: 'd>e udp 80' },
      { replug: 'g', knock: 'a>g udp 80' },
    ],
    why: 'An ENI passes nothing before its groups apply (mulgadc/spinifex#201).',
    doc: DOC.groups,
  },
  {
    id: 'bug-7-answered-before-in-force',
    area,
    given: {},
    steps: [1, 2, 3, 4, 5].flatMap((): Step[] => [
      { now: lets('udp 80 any') },
      { see: { 'a>b udp 80': 'both', 'a>c udp 80': 'both' } },
      { now: {} },
      { see: { 'a>b udp 80': 'none', 'a>c udp 80': 'none' } },
    ]),
    why: 'A call is answered when the packets obey, or fails (mulgadc/spinifex#201).',
    doc: DOC.authorize,
  },
  {
    id: 'bug-8-a-catch-all-outranks-the-group',
    area,
    given: lets('tcp 443 a'),
    steps: [
      {
        see: {
          'a>c tcp 80': 'none',
          'a>c udp 443': 'none',
          'f>c tcp 443': 'none',
          'h>b ping': 'none',
          'a>c tcp 443': 'both',
        },
      },
    ],
    why: 'No rule for a whole VPC or subnet outranks a group: the closed port, across subnets (stephrobert/feint#491).',
    doc: DOC.groups,
  },
  {
    id: 'bug-8-a-group-that-never-arrived',
    area,
    given: { ...lets('tcp 80 any'), wear: { e: ['server'], h: ['more'] } },
    steps: [{ see: { 'a>e tcp 80': 'both', 'a>h tcp 80': 'none', 'a>e tcp 81': 'none' } }],
    why: 'The groups that EC2 lists on an ENI are those that judge (stephrobert/feint#475).',
    doc: DOC.modifyEni,
  },
  {
    id: 'bug-9-a-group-nobody-can-delete',
    area,
    ip: 4,
    given: {},
    steps: [
      {
        call: 'CreateSecurityGroup',
        input: { GroupName: 'conform-short-lived', Description: 'x', VpcId: '$vpc' },
        keep: { temporary: 'GroupId' },
      },
      {
        call: 'CreateNetworkInterface',
        input: { SubnetId: '$subnetZ', Groups: ['$temporary'] },
        keep: { orphan: 'NetworkInterface.NetworkInterfaceId' },
      },
      {
        call: 'DeleteSecurityGroup',
        input: { GroupId: '$temporary' },
        refused: 'DependencyViolation',
      },
      { call: 'DeleteNetworkInterface', input: { NetworkInterfaceId: '$orphan' } },
      { call: 'DeleteSecurityGroup', input: { GroupId: '$temporary' } },
    ],
    why: 'A group that no ENI wears any more can be deleted (mulgadc/spinifex#1059).',
    doc: DOC.deleteGroup,
  },
  {
    id: 'bug-10-imds-for-a-wrong-source',
    area,
    given: {
      groups: { client: { in: ['-1 any'] }, server: { in: ['-1 any'] }, other: { in: ['-1 any'] } },
    },
    steps: [
      {
        see: {
          'a(as b)>imds tcp 80': 'none',
          'a(as d)>imds tcp 80': 'none',
          'h(as a)>imds tcp 80': 'none',
          'a>imds tcp 80': 'both',
        },
      },
    ],
    why: 'The metadata service answers who asked, under the address that is its own (floci-io/floci#3540).',
    doc: DOC.imds,
  },
  {
    id: 'bug-11-numbers-and-capitals',
    area,
    given: lets('6 80 a', 'UDP 81 a', '131 a'),
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>b tcp 81': 'none',
          'a>c udp 81': 'both',
          'a>c udp 80': 'none',
          'a>b proto 131': 'both',
          'a>b proto 132': 'none',
          'a>b ping': 'none',
        },
      },
    ],
    why: 'A protocol as a number, or in capitals, is that protocol and not all of them (mulgadc/spinifex).',
    doc: DOC.permission,
  },
  {
    id: 'bug-11-icmp-types-ignored',
    area,
    ip: 4,
    given: lets('ICMP 8/0 a', '1 3/4 a'),
    steps: [
      {
        see: {
          'a>b ping': 'both',
          'a>c icmp 3/4': 'there',
          'a>b icmp 13/0': 'none',
          'a>c icmp 3/1': 'none',
          'a>b tcp 80': 'none',
        },
      },
    ],
    why: 'ICMP types and codes are looked at, in capitals and by number too (mulgadc/spinifex).',
    doc: DOC.permission,
  },
  {
    id: 'bug-12-a-bad-block-becomes-everywhere',
    area,
    ip: 4,
    given: {},
    steps: [
      ...['10.0.0.0/99', 'nonsense', '10.0.0.0', '/0', '10.0.0.0/-1', '10.0.0.0/8/8', '0/0'].map(
        (CidrIp): Step => ({
          call: 'AuthorizeSecurityGroupIngress',
          input: {
            GroupId: '$server',
            IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp }] }],
          },
          refused: 'InvalidParameterValue',
        }),
      ),
      { see: { 'a>b tcp 80': 'none', 'd>b udp 80': 'none', 'a>c ping': 'none' } },
    ],
    why: 'A bad block is refused; it never widens to anywhere (faiscadev/fakecloud#1764).',
    doc: DOC.authorize,
  },
  {
    id: 'bug-13-ipv6-only-opens-ipv4',
    area,
    ip: 4,
    given: {
      ...lets('tcp 80 any6', 'tcp 81 pl:list6', 'tcp 82 pl:list4'),
      lists: { list6: ['a'] },
    },
    steps: [
      {
        see: {
          'a>b tcp 80': 'none',
          'a>c tcp 81': 'none',
          'a>b tcp 82': 'none',
          'a>b udp 53': 'none',
        },
      },
    ],
    why: 'A rule with an IPv6 block or a prefix list alone is not 0.0.0.0/0 (LocalEmu).',
    doc: DOC.groupRules,
  },
]
