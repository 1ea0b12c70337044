// Calls and packets together: what a call says is in force when it returns, a call that is refused
// has changed nothing, what is in use cannot be deleted, quotas hold, and an ENI that appears is closed.

import type { Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const ingress = (IpPermissions: object[]) => ({ GroupId: '$server', IpPermissions })
const tcp = (more: object) => ({ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, ...more })
const AUTHORIZE = 'AuthorizeSecurityGroupIngress'
const opened = { groups: { server: { in: ['tcp 80 a'] } } }
const CLOSED: Step = {
  see: { 'a>b tcp 80': 'none', 'e>b tcp 80': 'none', 'a>c udp 80': 'none', 'd>c ping': 'none' },
}

/** A permission that must be refused, with nothing let in after it. */
const refused = (
  id: string,
  why: string,
  permission: object,
  code = 'InvalidParameterValue',
): Row => ({
  id: `refused-${id}`,
  area: 'refused rules',
  ip: 4,
  given: {},
  steps: [{ call: AUTHORIZE, input: ingress([permission]), refused: code }, CLOSED],
  why,
  doc: DOC.permission,
})
const block = (CidrIp: string) => tcp({ IpRanges: [{ CidrIp }] })

export const CALLS: readonly Row[] = [
  {
    id: 'in-force-on-return',
    area: 'in force on return',
    given: opened,
    steps: [
      ...[1, 2, 3, 4].flatMap((): Step[] => [
        { see: { 'a>b tcp 80': 'both', 'a>c tcp 80': 'both' } },
        { now: {} },
        { see: { 'a>b tcp 80': 'none', 'a>c tcp 80': 'none' } },
        { now: opened },
      ]),
    ],
    why: 'Drop, pass, drop again: a rule is in force, and gone, when its call has returned.',
    doc: DOC.authorize,
  },
  {
    id: 'in-force-on-return-groups',
    area: 'in force on return',
    given: opened,
    steps: [
      ...[1, 2, 3].flatMap((): Step[] => [
        { now: { ...opened, wear: { b: ['other'] } } },
        { see: { 'a>b tcp 80': 'none', 'a>c tcp 80': 'both' } },
        { now: opened },
        { see: { 'a>b tcp 80': 'both' } },
      ]),
    ],
    why: 'The groups of an ENI are in force when ModifyNetworkInterfaceAttribute has returned.',
    doc: DOC.modifyEni,
  },
  {
    id: 'rule-modified',
    area: 'in force on return',
    ip: 4,
    given: {},
    steps: [
      {
        call: AUTHORIZE,
        input: ingress([tcp({ IpRanges: [{ CidrIp: '{a}/32' }] })]),
        keep: { rule: 'SecurityGroupRules.0.SecurityGroupRuleId' },
      },
      { see: { 'a>b tcp 80': 'both', 'a>b tcp 81': 'none' } },
      {
        call: 'ModifySecurityGroupRules',
        input: {
          GroupId: '$server',
          SecurityGroupRules: [
            {
              SecurityGroupRuleId: '$rule',
              SecurityGroupRule: {
                IpProtocol: 'tcp',
                FromPort: 81,
                ToPort: 81,
                CidrIpv4: '{a}/32',
              },
            },
          ],
        },
      },
      { see: { 'a>b tcp 80': 'none', 'a>b tcp 81': 'both', 'e>b tcp 81': 'none' } },
      {
        call: 'RevokeSecurityGroupIngress',
        input: { GroupId: '$server', SecurityGroupRuleIds: ['$rule'] },
      },
      { see: { 'a>b tcp 81': 'none' } },
    ],
    why: 'A rule that is modified says what it says now; revoked by its id, it is gone.',
    doc: DOC.modifyRules,
  },
  refused('block-too-long', 'A prefix length over 32 is no block.', block('10.0.0.0/33')),
  refused(
    'block-of-words',
    'A block with words behind it is no block.',
    block('10.0.0.0/8 accept'),
  ),
  refused(
    'block-of-syntax',
    'A block is a value, never syntax.',
    block('10.0.0.0/8; add rule inet x y accept'),
  ),
  refused('block-empty', 'An empty block is not everywhere.', block('')),
  refused('block-octet', 'An octet over 255 is no address.', block('10.0.0.300/32')),
  refused('block-short', 'A short form is no address.', block('10/8')),
  refused('block-octal', 'An octal form is not read as another address.', block('012.0.0.0/8')),
  refused('block-without-length', 'A block has a prefix length.', block('10.0.0.0/')),
  refused('block-ipv6-as-ipv4', 'CidrIp is an IPv4 block.', block('::/0')),
  refused(
    'block-ipv6-bad',
    'A prefix length over 128 is no block.',
    tcp({ Ipv6Ranges: [{ CidrIpv6: '2001:db8::/129' }] }),
  ),
  refused('protocol-unknown', 'A protocol that there is not is not all of them.', {
    IpProtocol: 'tpc',
    FromPort: 80,
    ToPort: 80,
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused('protocol-256', 'Protocol numbers end at 255.', {
    IpProtocol: '256',
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused('protocol-minus-two', 'No negative number but -1 is a protocol.', {
    IpProtocol: '-2',
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused('ports-backwards', 'A range does not run backwards.', {
    IpProtocol: 'tcp',
    FromPort: 90,
    ToPort: 80,
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused('ports-too-high', 'Ports end at 65535.', {
    IpProtocol: 'tcp',
    FromPort: 80,
    ToPort: 65536,
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused('ports-missing', 'TCP without ports is not all ports.', {
    IpProtocol: 'tcp',
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused('icmp-type-256', 'ICMP types end at 255.', {
    IpProtocol: 'icmp',
    FromPort: 256,
    ToPort: -1,
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
  }),
  refused(
    'nobody',
    'A rule that names nobody lets nobody in.',
    { IpProtocol: 'tcp', FromPort: 80, ToPort: 80 },
    'MissingParameter',
  ),
  refused(
    'group-unknown',
    'A rule that names a group that there is not is refused.',
    tcp({ UserIdGroupPairs: [{ GroupId: 'sg-00000000000000000' }] }),
    'InvalidGroup.NotFound',
  ),
  refused(
    'list-unknown',
    'A rule that names a prefix list that there is not is refused.',
    tcp({ PrefixListIds: [{ PrefixListId: 'pl-00000000000000000' }] }),
    'InvalidPrefixListID.NotFound',
  ),
  {
    id: 'refused-as-a-whole',
    area: 'refused rules',
    ip: 4,
    given: {},
    steps: [
      {
        call: AUTHORIZE,
        input: ingress([block('0.0.0.0/0'), block('10.0.0.0/40')]),
        refused: 'InvalidParameterValue',
      },
      CLOSED,
    ],
    why: 'A call with one bad rule adds none of its rules.',
    doc: DOC.authorize,
  },
  {
    id: 'refused-duplicate',
    area: 'refused rules',
    ip: 4,
    given: opened,
    steps: [
      {
        call: AUTHORIZE,
        input: ingress([block('{a}/32')]),
        refused: 'InvalidPermission.Duplicate',
      },
      { see: { 'a>b tcp 80': 'both', 'e>b tcp 80': 'none' } },
    ],
    why: 'A rule that is there already is refused, and stays.',
    doc: DOC.errors,
  },
  {
    id: 'revoke-of-what-is-not-there',
    area: 'refused rules',
    ip: 4,
    given: opened,
    steps: [
      { call: 'RevokeSecurityGroupIngress', input: ingress([block('{e}/32')]) },
      { see: { 'a>b tcp 80': 'both', 'e>b tcp 80': 'none' } },
    ],
    why: 'In a default VPC revoking a rule that is not there is no error, and takes nothing away.',
    doc: DOC.revoke,
  },
  {
    id: 'refused-acl-entry',
    area: 'refused rules',
    ip: 4,
    given: {
      groups: { server: { in: ['-1 any'] } },
      acls: { Y: { in: ['100 deny udp 80 any', '200 allow -1 any'], out: ['100 allow -1 any'] } },
    },
    steps: [
      ...(
        [
          [{ RuleNumber: 100 }, 'NetworkAclEntryAlreadyExists'],
          [{ RuleNumber: 0 }, 'InvalidParameterValue'],
          [{ RuleNumber: 32767 }, 'InvalidParameterValue'],
          [{ RuleNumber: 50, CidrBlock: '10.0.0.0/8 accept' }, 'InvalidParameterValue'],
          [{ RuleNumber: 50, Protocol: '256' }, 'InvalidParameterValue'],
          [{ RuleNumber: 50, Protocol: '6' }, 'MissingParameter'],
        ] as const
      ).map(
        ([more, code]): Step => ({
          call: 'CreateNetworkAclEntry',
          input: {
            NetworkAclId: '$aclY',
            Egress: false,
            RuleAction: 'allow',
            Protocol: '-1',
            CidrBlock: '0.0.0.0/0',
            ...more,
          },
          refused: code,
        }),
      ),
      { see: { 'a>c udp 80': 'none', 'a>c udp 81': 'both' } },
    ],
    why: 'An entry that is refused is not there, and the others are as they were.',
    doc: DOC.aclEntry,
  },
  {
    id: 'in-use-group-worn',
    area: 'in use',
    ip: 4,
    given: opened,
    steps: [
      {
        call: 'DeleteSecurityGroup',
        input: { GroupId: '$server' },
        refused: 'DependencyViolation',
      },
      { see: { 'a>b tcp 80': 'both', 'e>b tcp 80': 'none' } },
    ],
    why: 'A group that an ENI wears cannot be deleted, and goes on judging.',
    doc: DOC.deleteGroup,
  },
  {
    id: 'in-use-group-named',
    area: 'in use',
    ip: 4,
    given: { groups: { server: { in: ['tcp 80 sg:fifth'] } } },
    steps: [
      { call: 'DeleteSecurityGroup', input: { GroupId: '$fifth' }, refused: 'DependencyViolation' },
      { see: { 'a>b tcp 80': 'none' } },
    ],
    why: "A group that another group's rule names cannot be deleted.",
    doc: DOC.deleteGroup,
  },
  {
    id: 'in-use-default-group',
    area: 'in use',
    ip: 4,
    given: {},
    steps: [
      { call: 'DeleteSecurityGroup', input: { GroupId: '$default' }, refused: 'CannotDelete' },
    ],
    why: 'The default group cannot be deleted.',
    doc: DOC.defaultGroup,
  },
  {
    id: 'in-use-eni',
    area: 'in use',
    ip: 4,
    given: opened,
    steps: [
      {
        call: 'DeleteNetworkInterface',
        input: { NetworkInterfaceId: '$b' },
        refused: 'InvalidParameterValue',
      },
      { see: { 'a>b tcp 80': 'both' } },
    ],
    why: 'An ENI that is attached cannot be deleted.',
    doc: DOC.deleteEni,
  },
  {
    id: 'in-use-acl',
    area: 'in use',
    ip: 4,
    given: {
      groups: { server: { in: ['-1 any'] } },
      acls: { Y: { in: ['100 allow udp 80 any'], out: ['100 allow -1 any'] } },
    },
    steps: [
      {
        call: 'DeleteNetworkAcl',
        input: { NetworkAclId: '$aclY' },
        refused: 'DependencyViolation',
      },
      { see: { 'a>c udp 80': 'both', 'a>c udp 81': 'none' } },
    ],
    why: 'A network ACL that a subnet has cannot be deleted, and goes on judging.',
    doc: DOC.aclDelete,
  },
  {
    id: 'in-use-list',
    area: 'in use',
    ip: 4,
    given: { groups: { server: { in: ['tcp 80 pl:list4'] } }, lists: { list4: ['a'] } },
    steps: [
      {
        call: 'DeleteManagedPrefixList',
        input: { PrefixListId: '$list4' },
        refused: 'DependencyViolation',
      },
      { see: { 'a>b tcp 80': 'both', 'e>b tcp 80': 'none' } },
    ],
    why: 'A prefix list that a rule names cannot be deleted.',
    doc: DOC.lists,
  },
  {
    id: 'in-use-subnet',
    area: 'in use',
    ip: 4,
    given: opened,
    steps: [
      { call: 'DeleteSubnet', input: { SubnetId: '$subnetX' }, refused: 'DependencyViolation' },
      { see: { 'a>b tcp 80': 'both' } },
    ],
    why: 'A subnet with an ENI in it cannot be deleted.',
    doc: DOC.errors,
  },
  {
    id: 'quota-rules',
    area: 'quotas',
    ip: 4,
    given: {},
    steps: [
      {
        call: AUTHORIZE,
        input: ingress(
          Array.from({ length: 61 }, (_, at) => ({
            IpProtocol: 'tcp',
            FromPort: 40 + at,
            ToPort: 40 + at,
            IpRanges: [{ CidrIp: '0.0.0.0/0' }],
          })),
        ),
        refused: 'RulesPerSecurityGroupLimitExceeded',
      },
      CLOSED,
    ],
    why: 'A group has at most 60 inbound rules; one call too many adds none.',
    doc: DOC.quotas,
  },
  {
    id: 'quota-groups',
    area: 'quotas',
    ip: 4,
    given: opened,
    steps: [
      {
        call: 'ModifyNetworkInterfaceAttribute',
        input: {
          NetworkInterfaceId: '$b',
          Groups: ['$client', '$server', '$other', '$more', '$fourth', '$fifth'],
        },
        refused: 'SecurityGroupsPerInterfaceLimitExceeded',
      },
      { see: { 'a>b tcp 80': 'both', 'e>b tcp 80': 'none' } },
    ],
    why: 'An ENI wears at most five groups; it keeps those that it had.',
    doc: DOC.quotas,
  },
  {
    id: 'quota-entries',
    area: 'quotas',
    ip: 4,
    given: {
      groups: { server: { in: ['-1 any'] } },
      acls: {
        Y: {
          in: [
            ...Array.from({ length: 18 }, (_, at) => `${at + 1} deny udp ${100 + at} any`),
            '100 allow -1 any',
          ],
          out: ['100 allow -1 any'],
        },
      },
    },
    steps: [
      {
        call: 'CreateNetworkAclEntry',
        input: {
          NetworkAclId: '$aclY',
          Egress: false,
          RuleNumber: 50,
          RuleAction: 'deny',
          Protocol: '-1',
          CidrBlock: '0.0.0.0/0',
        },
        refused: 'NetworkAclEntryLimitExceeded',
      },
      { see: { 'a>c udp 80': 'both', 'a>c udp 117': 'none' } },
    ],
    why: 'A network ACL has at most 20 entries a direction, EC2’s own last one counted.',
    doc: DOC.quotas,
  },
  {
    id: 'plugged-closed',
    area: 'closed until it applies',
    given: {},
    steps: [{ replug: 'e', knock: 'd>e udp 80' }, { see: { 'a>e udp 80': 'none' } }],
    why: 'An ENI that appears is closed from its first packet on: nothing of a flood gets in.',
    doc: DOC.groups,
  },
  {
    id: 'plugged-as-before',
    area: 'closed until it applies',
    given: { groups: { other: { in: ['tcp 80 a'] } } },
    steps: [
      { replug: 'g', knock: 'a>g udp 80' },
      { see: { 'a>g tcp 80': 'both', 'e>g tcp 80': 'none', 'a>g udp 80': 'none' } },
    ],
    why: 'An ENI that is attached anew has its groups, and they judge.',
    doc: DOC.eni,
  },
]
