// The fabric's nftables: which gates a packet meets. Pure. The gates never change; what is plugged
// is elements of their sets (ruleset.ts).
//
//   guest ─▶ frames (netdev) ─▶ source_check ─▶ destination_check ─▶ egress_gate ─▶ …
//            its MAC, IP, ARP   its address     (forward -30)        (-20)
//                                    └──▶ input: NDP, and the router's services (services.ts)
//
//   routing (routing.ts) stands between source_check and the kernel's own decision, by its mark.
//
//   … ─▶ border_out ─▶ border_in ─▶ ingress_gate ─▶ guest
//        (-16)         (-14)        (-10)            (border.ts has the two in the middle)
//
// Each gate drops what it does not accept, and an accept ends that gate alone: the sender's groups
// can never answer for the receiver's. What an ENI tracks passes its gate (tracking.ts); conntrack
// confirms a flow only after its first packet passed both gates, so nothing is remembered by one
// alone. A packet that conntrack finds in no flow (an error, a stray segment) is the rules' to judge.

import { borderGates } from './border.ts'
import { CHAINS, goByNumber, NUMBERS } from './chain-numbers.ts'
import { networkOf, networkOfEnd, prefixSets } from './delegated-prefix.ts'
import { gatewayGates } from './gateway-gates.ts'
import { acceptNear, nearSets } from './near.ts'
import {
  accept,
  addChain,
  addGate,
  addMarkMap,
  addRule,
  addSet,
  addTable,
  addVerdictMap,
  anyOf,
  type Command,
  concat,
  fib,
  inSet,
  match,
  meta,
  payload,
  prefix,
  type Statement,
} from './nft.ts'
import { EDGE, LINK } from './outside.ts'
import { NO_ROUTE, refuse } from './reason.ts'
import { routingChains } from './routing.ts'
import { leaseQuestion, serviceInput, serviceOutput, serviceSets } from './services.ts'
import { TOLD_TOO_BIG } from './too-big.ts'
import { agreedChains, passTracked } from './tracking.ts'

const NEIGHBOUR_DISCOVERY = [133, 135, 136] // Router solicitation, neighbour solicitation, advert.

/** Conntrack puts fragments together at -400: each must be its sender's own before that. */
const BEFORE_DEFRAG = -450

/** The tables, gates and empty sets: everything is closed but the links of the gateways. */
export function baseRuleset(): Command[] {
  return [
    ...sets(),
    ...frames(),
    ...sourceCheck(),
    ...router(),
    ...forwarding(),
    ...borderGates(),
    ...routingChains(),
    ...gatewayGates(),
  ]
}

const iif = meta('iifname')
const oif = meta('oifname')
const etherSource = payload('ether', 'saddr')
const rule = (chain: string, ...statements: Statement[]): Command =>
  addRule('inet', chain, statements)

function sets(): Command[] {
  return [
    addTable('inet'),
    addTable('netdev'),
    addSet('netdev', 'mac', ['ifname', 'ether_addr']),
    addSet('netdev', 'unchecked', ['ifname', 'ether_addr']),
    addSet('netdev', 'arp_sender', ['ifname', 'ether_addr', 'ipv4_addr']),
    addSet('inet', 'link_local', ['ifname', 'ipv6_addr']),
    addSet('inet', 'unchecked_source', ['ifname']),
    addSet('inet', 'unchecked_destination', ['ifname']),
    addSet('inet', 'gateways', ['ifname']),
    ...(['ipv4', 'ipv6'] as const).flatMap((version) => [
      addSet('inet', `source_${version}`, ['ifname', `${version}_addr`]),
      addSet('inet', `destination_${version}`, ['ifname', `${version}_addr`]),
    ]),
    ...prefixSets(),
    ...nearSets(),
    ...NUMBERS.map((name) => addMarkMap(name, 'ifname')),
    ...CHAINS.map((name) => addVerdictMap(name, 'mark')),
    ...serviceSets(),
  ]
}

/** What every port's own chain jumps to with all that is no IP from its own MAC: of that only ARP passes. */
function frames(): Command[] {
  const rule = (...statements: Statement[]): Command => addRule('netdev', 'frames', statements)
  const sender = payload('arp', 'saddr ether')
  const address = payload('arp', 'saddr ip')
  return [
    addChain('netdev', 'frames'),
    refuse('frames', 'frames', 'spoofed MAC', match(concat(iif, etherSource), inSet('mac'), '!=')),
    rule(match(concat(iif, sender, address), inSet('arp_sender')), accept),
    rule(
      match(concat(iif, sender, networkOf(address, 'ipv4')), inSet('arp_sender_prefix')),
      accept,
    ),
    rule(match(concat(iif, sender), inSet('unchecked')), accept),
    refuse('frames', 'frames', 'spoofed ARP', match(payload('ether', 'type'), 'arp')),
    refuse('frames', 'frames', 'not IP'),
  ]
}

/**
 * A packet's source is an address or in a prefix of its port, or the port is unchecked, or it is NDP.
 * That its MAC is the port's was seen before, by the guard of its link.
 */
function sourceCheck(): Command[] {
  const from = (set: string, address: typeof iif) => match(concat(iif, address), inSet(set))
  const chain = 'source_check'
  return [
    addGate(chain, 'prerouting', BEFORE_DEFRAG),
    rule(chain, from('source_ipv4', payload('ip', 'saddr')), accept), // By far the most, so first.
    leaseQuestion(chain),
    rule(chain, from('source_ipv6', payload('ip6', 'saddr')), accept),
    rule(chain, from('source_prefix_ipv4', networkOfEnd('ipv4', 'saddr')), accept),
    rule(chain, from('source_prefix_ipv6', networkOfEnd('ipv6', 'saddr')), accept),
    rule(
      chain,
      from('link_local', payload('ip6', 'saddr')),
      match(payload('icmpv6', 'type'), anyOf(...NEIGHBOUR_DISCOVERY)),
      accept,
    ),
    // From anywhere, but not in the router's name, nor in that of the way out.
    ...[
      match(payload('ip', 'saddr'), EDGE.ipv4, '!='),
      match(payload('ip6', 'saddr'), EDGE.ipv6, '!='),
    ].map((isNotEdge) =>
      rule(
        chain,
        match(iif, inSet('unchecked_source')),
        match(fib('type', 'saddr'), 'local', '!='),
        isNotEdge,
        accept,
      ),
    ),
    rule(chain, match(iif, inSet('gateways')), accept),
    refuse(chain, 'source', 'link-local', from('link_local', payload('ip6', 'saddr'))),
    refuse(chain, 'source', 'spoofed source'),
  ]
}

/** The router itself: it answers ARP, NDP and, where something listens, its services; no ping. */
function router(): Command[] {
  return ['input', 'output'].flatMap((hook) => [
    addGate(hook, hook, 0),
    rule(
      hook,
      match(payload('ip6', 'hoplimit'), 255),
      match(payload('icmpv6', 'type'), anyOf(...NEIGHBOUR_DISCOVERY)),
      accept,
    ),
    ...(hook === 'input'
      ? [...serviceInput(), refuse(hook, 'router', 'no service of the router')]
      : serviceOutput()),
  ])
}

/** From port to port: the receiver's address, then the sender's groups, then the receiver's. */
function forwarding(): Command[] {
  const linkLocalNet = prefix('fe80::', 10)
  const gate = (direction: 'egress' | 'ingress', prio: number, link: typeof iif) => [
    addGate(`${direction}_gate`, 'forward', prio),
    ...passTracked(`${direction}_gate`, direction),
    ...(direction === 'ingress'
      ? Object.values(TOLD_TOO_BIG).map((isTold) => rule('ingress_gate', ...isTold, accept))
      : []),
    rule(`${direction}_gate`, ...goByNumber(link, `${direction}_groups`, `${direction}_chains`)),
    refuse(`${direction}_gate`, direction, `no group rule, ${direction}`),
  ]
  const check = 'destination_check'
  return [
    ...agreedChains(),
    addGate(check, 'forward', -30),
    rule(check, ...acceptNear('ipv4')),
    ...['saddr', 'daddr'].map((address) =>
      refuse(check, 'destination', 'link-local', match(payload('ip6', address), linkLocalNet)),
    ),
    rule(check, ...acceptNear('ipv6')),
    rule(check, match(concat(oif, payload('ip', 'daddr')), inSet('destination_ipv4')), accept),
    rule(check, match(concat(oif, payload('ip6', 'daddr')), inSet('destination_ipv6')), accept),
    ...(['ipv4', 'ipv6'] as const).map((version) =>
      rule(
        check,
        match(concat(oif, networkOfEnd(version, 'daddr')), inSet(`destination_prefix_${version}`)),
        accept,
      ),
    ),
    rule(check, match(oif, inSet('unchecked_destination')), accept),
    refuse(check, 'destination', NO_ROUTE, match(oif, LINK.nowhere)),
    refuse(check, 'destination', 'source/dest check'),
    ...gate('egress', -20, iif),
    ...gate('ingress', -10, oif),
  ]
}
