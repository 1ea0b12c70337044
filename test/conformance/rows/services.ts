// Rows about what the VPC's router serves beside names: how far a token of the metadata service travels,
// and the lease that an ENI is offered, about which no group and no ACL is asked; and about ENIs that have
// IPv6 alone.

import type { Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const hops = (HttpPutResponseHopLimit: number): Step => ({
  call: 'ModifyInstanceMetadataOptions',
  input: { InstanceId: '$instance', HttpPutResponseHopLimit },
})
const tokens = (limit: number): Step => ({
  see: { [`a>imds token ${limit}`]: 'both', [`d>imds token ${limit}`]: 'both' },
})
const closed = {
  groups: { client: { in: [], out: [] } },
  acls: { X: {}, Y: {} },
}

const NATIVE: readonly Row[] = [
  {
    id: 'native-speaks-ipv6',
    area: 'IPv6-only subnets',
    ip: 6,
    given: {
      native: true,
      groups: { client: { in: ['-1 any'] }, other: { in: ['udp 80 any', 'tcp 80 any'] } },
    },
    steps: [
      {
        see: {
          'a>v udp 80': 'both',
          'a>v tcp 80': 'both',
          'a>v udp 81': 'none',
          'v>a udp 90': 'both',
          'v>d tcp 90': 'both',
          'v>f udp 80': 'both',
          'v>b udp 80': 'none',
        },
      },
    ],
    why: 'An ENI of an IPv6-only subnet speaks with the other subnets, under the same groups as they do.',
    doc: DOC.ipv6Native,
  },
  {
    id: 'native-is-a-member',
    area: 'IPv6-only subnets',
    ip: 6,
    given: { native: true, groups: { server: { in: ['udp 80 sg:other'] } } },
    steps: [{ see: { 'v>b udp 80': 'both', 'v>c udp 80': 'both', 'a>b udp 80': 'none' } }],
    why: 'A rule that names a group means the IPv6 addresses of its members, wherever they are.',
    doc: DOC.groupRules,
  },
  {
    id: 'native-services',
    area: 'IPv6-only subnets',
    ip: 6,
    given: { native: true, groups: { other: { in: [], out: [] } } },
    steps: [{ see: { 'v>resolver dns': 'both', 'v>imds tcp 80': 'both', 'v>a udp 80': 'none' } }],
    why: 'The resolver and the metadata service have IPv6 addresses, which no group is asked about.',
    doc: DOC.ipv6Native,
  },
]

export const SERVICES: readonly Row[] = [
  ...NATIVE,
  {
    id: 'imds-hop-limit',
    area: 'metadata service',
    given: closed,
    steps: [hops(1), tokens(1), hops(3), tokens(3), hops(64), tokens(64), hops(1), tokens(1)],
    why: 'A token leaves with as many hops as the instance’s options say, from the next request on.',
    doc: DOC.imds,
  },
  {
    id: 'dhcp-own-address',
    area: 'DHCP',
    ip: 4,
    given: closed,
    steps: [{ see: { 'a>resolver lease': 'both', 'd>resolver lease': 'both' } }],
    why: 'An ENI is offered its primary address and the VPC’s resolver, whatever groups and ACLs say.',
    doc: DOC.dhcp,
  },
  {
    id: 'dhcp-options',
    area: 'DHCP',
    ip: 4,
    given: {},
    steps: [
      {
        call: 'DescribeVpcs',
        input: { VpcIds: ['$vpc'] },
        keep: { before: 'Vpcs.0.DhcpOptionsId' },
      },
      {
        call: 'CreateDhcpOptions',
        input: { DhcpConfigurations: [{ Key: 'domain-name-servers', Values: ['{c}'] }] },
        keep: { options: 'DhcpOptions.DhcpOptionsId' },
      },
      {
        call: 'AssociateDhcpOptions',
        input: { DhcpOptionsId: '$options', VpcId: '$vpc' },
      },
      { see: { 'a>c lease': 'both' } },
      {
        call: 'AssociateDhcpOptions',
        input: { DhcpOptionsId: '$before', VpcId: '$vpc' },
      },
      { see: { 'a>resolver lease': 'both' } },
      { call: 'DeleteDhcpOptions', input: { DhcpOptionsId: '$options' } },
    ],
    why: 'Leases have the name servers of the VPC’s DHCP options set, from its association on.',
    doc: DOC.dhcp,
  },
]
