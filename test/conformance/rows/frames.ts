// What an ENI can do to its link by hand: another's address or MAC, frames that are no IP, claims; the
// source/destination check; and the instance metadata service.

import type { Row } from '../row.ts'
import { DOC } from './docs.ts'

const open = {
  groups: { client: { in: ['-1 any'] }, server: { in: ['-1 any'] }, other: { in: ['-1 any'] } },
}
const ETHERTYPES = {
  '88b5': 'local experiments',
  '88cc': 'LLDP',
  '8035': 'RARP',
  '8847': 'MPLS',
  '8864': 'PPPoE',
  '0842': 'wake-on-LAN',
  '05dc': 'IEEE 802.3 lengths',
}

export const FRAMES: readonly Row[] = [
  {
    id: 'spoof-address',
    area: 'spoofing',
    given: open,
    steps: [
      {
        see: {
          'a(as a)>b udp 80': 'there',
          'a(as a)>c udp 80': 'there',
          'a(as e)>b udp 80': 'none',
          'a(as b)>c udp 80': 'none',
          'a(as d)>c udp 80': 'none',
          'a(as nowhere)>c udp 80': 'none',
          'a(as e)>c ping': 'none',
        },
      },
    ],
    why: "An instance cannot send from an address that is not its ENI's, be it a neighbour's or nobody's.",
    doc: DOC.eni,
  },
  {
    id: 'spoof-mac',
    area: 'spoofing',
    given: open,
    steps: [
      {
        see: {
          'a(mac b)>c udp 80': 'none',
          'a(mac e)>b udp 80': 'none',
          'a(mac d)>c ping': 'none',
          'a>c udp 80': 'both',
        },
      },
    ],
    why: "An instance cannot send from a MAC that is not its ENI's.",
    doc: DOC.separation,
  },
  {
    id: 'spoof-router',
    area: 'spoofing',
    ip: 4,
    given: open,
    steps: [{ see: { 'a(as router)>b udp 80': 'none', 'a(as router)>c udp 80': 'none' } }],
    why: "Nobody sends from the router's address.",
    doc: DOC.separation,
  },
  {
    id: 'spoof-a-member',
    area: 'spoofing',
    given: { groups: { server: { in: ['udp 80 sg:client'] } } },
    steps: [
      {
        see: {
          'e(as a)>b udp 80': 'none',
          'g(as d)>c udp 80': 'none',
          'a(as a)>b udp 80': 'there',
        },
      },
    ],
    why: 'Nobody gets in as the member of a group by sending from its address.',
    doc: DOC.eni,
  },
  {
    id: 'arp-answers',
    area: 'spoofing',
    ip: 4,
    given: {},
    steps: [{ see: { 'a>router arp': 'there', 'a>b arp': 'there', 'a>nowhere arp': 'none' } }],
    why: 'The mapping service answers for the router and for every ENI, whatever the groups; for nobody else.',
    doc: DOC.separation,
  },
  {
    id: 'arp-lies',
    area: 'spoofing',
    ip: 4,
    given: {},
    steps: [{ see: { 'a(as b)>router arp': 'none', 'a(mac b)>router arp': 'none' } }],
    why: 'A question under another address or MAC is not answered.',
    doc: DOC.separation,
  },
  {
    id: 'claim-an-address',
    area: 'spoofing',
    given: open,
    steps: [
      { see: { 'a>b claim': 'none' } },
      { see: { 'e>b udp 80': 'both', 'c>b tcp 80': 'both' } },
    ],
    why: 'Gratuitous ARP and unasked adverts reach nobody and divert nothing.',
    doc: DOC.separation,
  },
  ...Object.entries(ETHERTYPES).map(
    ([ethertype, name]): Row => ({
      id: `frame-${ethertype}`,
      area: 'frames',
      ip: 4,
      given: open,
      steps: [
        {
          see: {
            [`a>b ethertype ${ethertype}`]: 'none',
            [`a>router ethertype ${ethertype}`]: 'none',
            [`a>nowhere ethertype ${ethertype}`]: 'none',
            'a>b udp 80': 'both',
          },
        },
      ],
      why: `A VPC carries IP: frames of ${name} reach nobody, with every group open.`,
      doc: DOC.faq,
    }),
  ),
  ...([0, 5] as const).map(
    (vlan): Row => ({
      id: `frame-vlan-${vlan}`,
      area: 'frames',
      given: open,
      steps: [{ see: { [`a>b vlan ${vlan}`]: 'none', [`a>router vlan ${vlan}`]: 'none' } }],
      why: 'A tagged frame is no IP: VLANs are no part of a VPC.',
      doc: DOC.faq,
    }),
  ),
  {
    id: 'frame-to-all',
    area: 'frames',
    given: open,
    steps: [{ see: { 'a(as a)>all udp 80': 'none' } }],
    why: 'Amazon VPC supports neither broadcast nor multicast.',
    doc: DOC.faq,
  },
  {
    id: 'check-off-sends',
    area: 'source/dest check',
    given: { ...open, unchecked: ['a'] },
    steps: [
      {
        see: {
          'a(as nowhere)>b udp 80': 'there',
          'a(as nowhere)>c udp 80': 'there',
          'd(as nowhere)>c udp 80': 'none',
        },
      },
    ],
    why: 'With its source/destination check off an ENI sends from any address, as a NAT instance must.',
    doc: DOC.natInstance,
  },
  {
    id: 'check-off-not-the-mac',
    area: 'source/dest check',
    given: { ...open, unchecked: ['a'] },
    steps: [{ see: { 'a(mac b)>c udp 80': 'none', 'a(as a)>c udp 80': 'there' } }],
    why: 'The check is of addresses: the MAC stays the ENI’s.',
    doc: DOC.eni,
  },
  {
    id: 'check-off-groups-judge',
    area: 'source/dest check',
    given: { groups: { server: { in: ['udp 80 X'] } }, unchecked: ['a'] },
    steps: [{ see: { 'a(as nowhere)>c udp 80': 'none', 'a(as a)>c udp 80': 'there' } }],
    why: 'Groups judge by the address that a packet bears.',
    doc: DOC.groupRules,
  },
  {
    id: 'check-on-again',
    area: 'source/dest check',
    given: { ...open, unchecked: ['a', 'd'] },
    steps: [
      { see: { 'a(as nowhere)>c udp 80': 'there', 'd(as nowhere)>b udp 80': 'there' } },
      { now: { ...open, unchecked: ['d'] } },
      {
        see: {
          'a(as nowhere)>c udp 80': 'none',
          'd(as nowhere)>b udp 80': 'there',
          'a(as a)>c udp 80': 'there',
        },
      },
    ],
    why: 'The check is an ENI’s own, and in force when the call returns.',
    doc: DOC.modifyEni,
  },
  {
    id: 'imds-whatever-the-groups',
    area: 'metadata service',
    given: { groups: { client: { out: [] } } },
    steps: [{ see: { 'a>imds tcp 80': 'both', 'd>imds tcp 80': 'both', 'a>b tcp 80': 'none' } }],
    why: 'Groups do not filter what goes to and from the instance metadata service.',
    doc: DOC.groups,
  },
  {
    id: 'imds-whatever-the-acl',
    area: 'metadata service',
    given: { acls: { X: {}, Y: {} } },
    steps: [{ see: { 'a>imds tcp 80': 'both', 'd>imds tcp 80': 'both', 'a>c tcp 80': 'none' } }],
    why: 'Network ACLs do not filter it either.',
    doc: DOC.acl,
  },
  {
    id: 'imds-one-port',
    area: 'metadata service',
    given: open,
    steps: [{ see: { 'a>imds tcp 81': 'none', 'a>imds tcp 22': 'none', 'a>imds tcp 80': 'both' } }],
    why: 'The service is HTTP on its address and nothing else.',
    doc: DOC.imdsRead,
  },
  {
    id: 'imds-not-for-another',
    area: 'metadata service',
    given: open,
    steps: [
      {
        see: {
          'a(as e)>imds tcp 80': 'none',
          'a(as b)>imds tcp 80': 'none',
          'a(as d)>imds tcp 80': 'none',
        },
      },
    ],
    why: 'Who asks under another address is not answered, and neither is the other.',
    doc: DOC.imds,
  },
  {
    id: 'router-answers-no-ping',
    area: 'metadata service',
    ip: 4,
    given: open,
    steps: [{ see: { 'a>router ping': 'none', 'a>router tcp 80': 'none' } }],
    why: 'The VPC’s router is no host: it answers ARP and nothing else.',
    doc: DOC.howItWorks,
  },
]
