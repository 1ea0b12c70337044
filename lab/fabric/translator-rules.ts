// A NAT gateway's nftables, in a namespace of its own behind an ENI of its own. Pure. TCP, UDP and
// ICMP of IPv4 are sent on from its one private address, with a port of its own choosing; what
// nobody inside began comes to an address that answers nothing (VPC user guide, "NAT gateways").
//
//   ENI ─▶ route ─▶ forward ─▶ postrouting: → the gateway's address, 1024-65535 ─▶ route ─▶ igw
//
// A connection that was idle for 350 s is forgotten, and whoever goes on with it inside gets a reset.

import {
  accept,
  addGate,
  addNatChain,
  addRule,
  addTable,
  anyOf,
  type Command,
  flowIs,
  match,
  meta,
  reset,
  type Statement,
  snatTo,
} from './nft.ts'
import { ICMP, TCP, UDP } from './protocol.ts'

/** How long an idle connection is remembered, and a lone datagram (VPC user guide). */
export const IDLE_SECONDS = 350

/** The settings of its namespace. */
export const TRANSLATOR_SYSCTLS: readonly (readonly [path: string, value: string])[] = [
  ['ipv4/ip_forward', '1'],
  ['ipv4/conf/all/rp_filter', '0'],
  ['ipv4/conf/default/rp_filter', '0'],
  ['ipv4/conf/all/send_redirects', '0'],
  ['ipv4/conf/default/send_redirects', '0'],
  ['ipv6/conf/all/disable_ipv6', '1'],
  ['ipv6/conf/default/disable_ipv6', '1'],
  ['netfilter/nf_conntrack_tcp_timeout_established', String(IDLE_SECONDS)],
  ['netfilter/nf_conntrack_udp_timeout', String(IDLE_SECONDS)],
  ['netfilter/nf_conntrack_udp_timeout_stream', String(IDLE_SECONDS)],
  ['netfilter/nf_conntrack_tcp_loose', '0'],
  ['netfilter/nf_conntrack_tcp_be_liberal', '1'],
]

const rule = (chain: string, ...statements: Statement[]): Command =>
  addRule('inet', chain, statements)

/** The whole ruleset of a gateway with that private address. */
export function translatorRuleset(address: string): Command[] {
  const is = (...protocols: number[]): Statement => match(meta('l4proto'), anyOf(...protocols))
  const isIpv4 = match(meta('nfproto'), 'ipv4')
  return [
    addTable('inet'),
    addNatChain('leaving', 'postrouting', 100),
    rule('leaving', isIpv4, is(TCP, UDP), snatTo(address, [1024, 65535])),
    rule('leaving', isIpv4, is(ICMP), snatTo(address)),
    addGate('forward', 'forward', 0),
    rule('forward', isIpv4, flowIs('invalid'), is(TCP), reset),
    rule('forward', isIpv4, flowIs('new', 'established', 'related'), is(TCP, UDP, ICMP), accept),
    addGate('input', 'input', 0),
    addGate('output', 'output', 0),
    rule('output', isIpv4, is(TCP), accept), // Its resets: nothing else here speaks TCP.
  ]
}
