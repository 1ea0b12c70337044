// What the router itself answers inside the VPC, as nftables rules: IMDS, the resolver, DHCP. Pure.
// None of it is forwarded, so neither groups nor ACLs are asked; that is EC2's rule as well (VPC user
// guide, "Security groups" and "Network ACLs": DHCP, Amazon DNS and IMDS are not filtered). The frame
// and source checks come before it, so who asks is told by the source address alone.
//
// Somebody who asks for a lease has no address yet. His packet gets his ENI's own one as its source
// there, which he cannot choose, and the answer goes to that address by the route of its port.

import type { Subnet } from './fabric.ts'
import {
  accept,
  addAddressMap,
  addRule,
  addSet,
  anyOf,
  type Command,
  changeElement,
  type Element,
  fromMap,
  match,
  meta,
  moreOftenThan,
  payload,
  type Statement,
  set,
} from './nft.ts'
import { TCP, UDP } from './protocol.ts'
import { dropped } from './reason.ts'

/** The instance metadata service's addresses (EC2 user guide). */
export const IMDS = { ipv4: '169.254.169.254', ipv6: 'fd00:ec2::254' } as const

/** The resolver's addresses beside VPC+2 (VPC user guide, "Amazon DNS server"). */
export const RESOLVER = { ipv4: '169.254.169.253', ipv6: 'fd00:ec2::253' } as const

/** How many packets an ENI may send to these services in a second (VPC user guide, "DNS quotas"). */
export const SERVICE_PACKETS_PER_SECOND = 1024
/** Why a packet beyond that is dropped. */
const TOO_OFTEN = `over ${SERVICE_PACKETS_PER_SECOND} service packets a second`

const rule = (chain: string, ...statements: Statement[]): Command =>
  addRule('inet', chain, statements)
const dhcp = (from: number, to: number): Statement[] => [
  match(payload('udp', 'sport'), from),
  match(payload('udp', 'dport'), to),
]

/** The sets that say for whom and where: empty, so the resolver is closed. */
export function serviceSets(): Command[] {
  return [
    addSet('inet', 'resolver_ipv4', ['ipv4_addr']),
    addSet('inet', 'resolver_ipv6', ['ipv6_addr']),
    addAddressMap('lease_address', 'ifname'),
    addAddressMap('subnet_router', 'ipv4_addr', ['interval']),
  ]
}

/** Before the source check: a question for a lease becomes its ENI's own. */
export function leaseQuestion(chain: string): Command {
  return rule(
    chain,
    match(payload('ip', 'saddr'), '0.0.0.0'),
    match(payload('ip', 'daddr'), '255.255.255.255'),
    ...dhcp(68, 67),
    set(payload('ip', 'saddr'), fromMap(meta('iifname'), 'lease_address')),
    accept,
  )
}

/** What the router takes in from a port, and no more of it than a port may send. */
export function serviceInput(): Command[] {
  return [
    addRule(
      'inet',
      'input',
      [
        moreOftenThan(SERVICE_PACKETS_PER_SECOND, meta('iifname'), 'service_packets'),
        ...dropped('router', TOO_OFTEN),
      ],
      TOO_OFTEN,
    ),
    ...answers('input', 'daddr', 'dport'),
    rule('input', match(meta('nfproto'), 'ipv4'), ...dhcp(68, 67), accept),
  ]
}

/** What the router sends by itself. A lease comes from the router of the subnet that it is for. */
export function serviceOutput(): Command[] {
  return [
    ...answers('output', 'saddr', 'sport'),
    rule(
      'output',
      ...dhcp(67, 68),
      set(payload('ip', 'saddr'), fromMap(payload('ip', 'daddr'), 'subnet_router')),
      accept,
    ),
  ]
}

/** Opens or closes the resolver: at its own addresses, and at the VPC's. */
export function changeResolver(verb: 'add' | 'delete', vpcAddress: string): Command[] {
  return [
    { family: 'inet' as const, set: 'resolver_ipv4', key: [RESOLVER.ipv4] },
    { family: 'inet' as const, set: 'resolver_ipv4', key: [vpcAddress] },
    { family: 'inet' as const, set: 'resolver_ipv6', key: [RESOLVER.ipv6] },
  ].map((element) => changeElement(verb, element))
}

/** The address that a lease is asked for from a link. */
export const leaseElement = (link: string, ipv4: string): Element => ({
  family: 'inet',
  set: 'lease_address',
  key: [link],
  value: ipv4,
})

/** The router that a lease of a subnet comes from; none where it has no IPv4. */
export function routerElements({
  ipv4Cidr,
  ipv4Gateway,
}: Partial<Pick<Subnet, 'ipv4Cidr' | 'ipv4Gateway'>>): Element[] {
  if (ipv4Cidr === undefined || ipv4Gateway === undefined) return []
  return [{ family: 'inet', set: 'subnet_router', key: [ipv4Cidr], value: ipv4Gateway }]
}

function answers(chain: string, address: 'saddr' | 'daddr', port: 'sport' | 'dport'): Command[] {
  const dns = [
    match(meta('l4proto'), anyOf(TCP, UDP)),
    match(payload('th', port), 53),
    accept,
  ] as const
  return [
    rule(chain, match(payload('ip', address), IMDS.ipv4), match(payload('tcp', port), 80), accept),
    rule(chain, match(payload('ip6', address), IMDS.ipv6), match(payload('tcp', port), 80), accept),
    rule(chain, match(payload('ip', address), '@resolver_ipv4'), ...dns),
    rule(chain, match(payload('ip6', address), '@resolver_ipv6'), ...dns),
  ]
}
