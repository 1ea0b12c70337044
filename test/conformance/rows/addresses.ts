// Addresses beyond an ENI's first: secondary ones and delegated prefixes, in force when their call
// returns; and the resolver, which no group and no ACL is asked about.

import type { Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const area = 'more addresses'
const OPEN = { groups: { server: { in: ['udp 80 any'] } } }
/** 2^48: where the first /80 of a subnet begins that holds none of its own addresses. */
const SECOND_80 = 2 ** 48

/** The calls that give an ENI an address or a prefix, and take it away again. */
const calls = (
  ip: 4 | 6,
  eni: string,
  what: 'addresses' | 'prefixes',
  value: string,
): [Step, Step] => {
  const names = {
    4: { addresses: 'PrivateIpAddresses', prefixes: 'Ipv4Prefixes', verb: 'PrivateIpAddresses' },
    6: { addresses: 'Ipv6Addresses', prefixes: 'Ipv6Prefixes', verb: 'Ipv6Addresses' },
  }[ip]
  const input = { NetworkInterfaceId: `$${eni}`, [names[what]]: [value] }
  return [
    { call: `Assign${names.verb}`, input },
    { call: `Unassign${names.verb}`, input },
  ]
}

function secondary(ip: 4 | 6): Row[] {
  const [assign, unassign] = calls(ip, 'b', 'addresses', '{X50}')
  const [take, give] = calls(ip, 'a', 'addresses', '{X51}')
  return [
    {
      id: `address-secondary-${ip}`,
      area,
      ip,
      given: OPEN,
      steps: [
        { see: { 'd>b@X50 udp 80': 'none' } },
        assign,
        { see: { 'd>b@X50 udp 80': 'there', 'd>b@X50 udp 81': 'none', 'd>b udp 80': 'both' } },
        unassign,
        { see: { 'd>b@X50 udp 80': 'none', 'd>b udp 80': 'both' } },
      ],
      why: 'A secondary address leads to its ENI, under the ENI’s groups, while it is assigned.',
      doc: DOC.addresses,
    },
    {
      id: `address-secondary-is-a-member-${ip}`,
      area,
      ip,
      given: { groups: { server: { in: ['udp 80 sg:client'] } } },
      steps: [
        { see: { 'a(as X51)>c udp 80': 'none' } },
        take,
        {
          see: {
            'a(as X51)>c udp 80': 'there',
            'e(as X51)>c udp 80': 'none',
            'a(as X51)>c udp 81': 'none',
          },
        },
        give,
        { see: { 'a(as X51)>c udp 80': 'none', 'a(as a)>c udp 80': 'there' } },
      ],
      why: 'A rule that names a group means all private addresses of its members, the secondary ones too.',
      doc: DOC.groupRules,
    },
  ]
}

function prefix(ip: 4 | 6): Row[] {
  const [base, bits] = ip === 4 ? [64, 28] : [SECOND_80, 80]
  const last = ip === 4 ? base + 15 : base + SECOND_80 - 1
  const [assign, unassign] = calls(ip, 'b', 'prefixes', `{X${base}}/${bits}`)
  const at = (number: number): string => `d>b@X${number} udp 80`
  return [
    {
      id: `prefix-${ip}`,
      area,
      ip,
      given: OPEN,
      steps: [
        { see: { [at(base)]: 'none' } },
        assign,
        {
          see: {
            [at(base)]: 'there',
            [at(base + 7)]: 'there',
            [at(last)]: 'there',
            [at(base - 1)]: 'none',
            [at(last + 1)]: 'none',
            [`d>b@X${base} udp 81`]: 'none',
          },
        },
        unassign,
        { see: { [at(base)]: 'none', [at(last)]: 'none' } },
      ],
      why: 'Every address of a delegated prefix leads to its ENI, and none beside it.',
      doc: DOC.prefixes,
    },
    {
      id: `prefix-is-its-own-${ip}`,
      area,
      ip,
      given: OPEN,
      steps: [
        assign,
        {
          see: {
            [`b(as X${base + 3})>c udp 80`]: 'there',
            [`a(as X${base + 3})>c udp 80`]: 'none',
          },
        },
        unassign,
        { see: { [`b(as X${base + 3})>c udp 80`]: 'none' } },
      ],
      why: 'An ENI sends from the addresses of its prefix, and no other ENI does.',
      doc: DOC.prefixes,
    },
  ]
}

export const ADDRESSES: readonly Row[] = [
  ...secondary(4),
  ...secondary(6),
  ...prefix(4),
  ...prefix(6),
  {
    id: 'resolver-whatever-the-groups',
    area: 'resolver',
    given: { groups: { client: { out: [] } } },
    steps: [{ see: { 'a>resolver dns': 'both', 'd>resolver dns': 'both', 'a>b udp 53': 'none' } }],
    why: 'Groups do not filter what goes to and from the Amazon DNS server.',
    doc: DOC.groups,
  },
  {
    id: 'resolver-whatever-the-acl',
    area: 'resolver',
    given: { acls: { X: {}, Y: {} } },
    steps: [{ see: { 'a>resolver dns': 'both', 'd>resolver dns': 'both', 'a>c udp 53': 'none' } }],
    why: 'Network ACLs do not filter it either.',
    doc: DOC.acl,
  },
  {
    id: 'resolver-link-local',
    area: 'resolver',
    ip: 4,
    given: {},
    steps: [{ see: { 'a>resolver2 dns': 'both', 'f>resolver2 dns': 'both' } }],
    why: 'The resolver is at 169.254.169.253 as well.',
    doc: DOC.dns,
  },
]
