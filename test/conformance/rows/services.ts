// Rows about what the VPC's router serves beside names: how far a token of the metadata service travels,
// and the lease that an ENI is offered. No group and no ACL is asked about either.

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

export const SERVICES: readonly Row[] = [
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
