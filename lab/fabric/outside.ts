// What lies outside the VPC, and what it is called: the edge, where gateways translate, and behind
// it the lab's own piece of the Internet. Two namespaces, three links, no way out of the machine but
// by opt-in (uplink.ts).
//
//   fabric ══ igw  ══ edge ══ internet ══ eth0 internet: a host that answers ══ real ══ the host
//          ══ eigw ══          MTU 1500                                         (opt-in)
//   fabric ══ noroute           where a packet goes that no route leads anywhere else
//
// All addresses are of documentation ranges (RFC 5737, RFC 3849) or link-local: nothing on the real
// Internet has them.

/** Links of the fabric's namespace that lead out of the VPC, or nowhere. No ENI's link is so named. */
export const LINK = { internet: 'igw', egressOnly: 'eigw', nowhere: 'noroute' } as const

/** The edge's link to the Internet, in the edge's namespace. */
export const EDGE_INTERNET = 'internet'

/** The Internet's link to the host, in the Internet's namespace, where there is one. */
export const UPLINK = 'real'

/** Namespaces beside the fabric's own, by their names after the lab's. No probe can be so named. */
export const BESIDE = { edge: 'edge', internet: 'internet' } as const

/** The same as a list. */
export const RESERVED_NAMES: readonly string[] = Object.values(BESIDE)

/** The edge's own addresses: what it says to the VPC (a packet is too big) comes from these. */
export const EDGE = {
  ipv4: '169.254.100.1',
  ipv6: 'fd00:ec2::6401',
  linkLocal: 'fe80::ed9e',
} as const

/** MACs of the links between the namespaces, by who has them. */
export const MAC = {
  fabric: '0a:00:00:00:00:01',
  edge: '0a:00:00:00:00:02',
  internet: '0a:00:00:00:00:03',
  uplinkInside: '0a:00:00:00:00:04',
  uplinkHost: '0a:00:00:00:00:05',
} as const

/** The host on the lab's Internet, and its link-local address. */
export const INTERNET_HOST = {
  ipv4: '203.0.113.10',
  ipv6: '2001:db8:ffff::10',
  linkLocal: 'fe80::203',
} as const

/** What the lab's Internet sends back to the edge: public addresses, and every VPC's IPv6 block. */
export const BEHIND_EDGE = { ipv4: '198.51.100.0/24', ipv6: '2001:db8::/32' } as const

/** The MTU of everything outside (EC2 user guide, "Network maximum transmission unit"). */
export const OUTSIDE_MTU = 1500

/** Every address, by IP version. */
export const EVERYWHERE = { ipv4: '0.0.0.0/0', ipv6: '::/0' } as const
