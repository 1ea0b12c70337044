// The edge's nftables: what an internet gateway does. Pure. It translates one private address to one
// public address, both ways, and knows no ports; IPv6 goes through as it is. What has no public
// address does not leave, and nothing comes in for an address that nobody has.
//
//   igw ─▶ forward ─▶ postrouting: private → public ─▶ internet
//   igw ◀─ forward ◀─ prerouting: public → private ◀─ known ◀─ internet
//
// A packet larger than 1500 is told so here, by the edge's own address; no other word of its own
// leaves the edge. Which packets come this far is the fabric's business (routing.ts, gates.ts).

import {
  accept,
  addAddressMap,
  addGate,
  addNatChain,
  addRule,
  addSet,
  addTable,
  anyOf,
  type Command,
  changeElement,
  drop,
  type Element,
  flowIs,
  inSet,
  match,
  meta,
  payload,
  type Statement,
  translate,
} from './nft.ts'
import { EDGE_INTERNET, LINK } from './outside.ts'
import { TOO_BIG } from './too-big.ts'
import type { Listed } from './whole-ruleset.ts'

const PUBLIC_OF = 'public_of'
const iif = meta('iifname')
const oif = meta('oifname')
const saddr = payload('ip', 'saddr')
const daddr = payload('ip', 'daddr')
const rule = (chain: string, ...statements: Statement[]): Command =>
  addRule('inet', chain, statements)

/** A public address and the private one that it stands for. */
export type PublicAddress = { readonly publicIp: string; readonly privateIp: string }

/** The edge without any address: nothing of IPv4 passes it. */
export function edgeRuleset(): Command[] {
  const fromVpc = [match(iif, LINK.internet), match(oif, EDGE_INTERNET)]
  const toVpc = [match(iif, EDGE_INTERNET), match(oif, LINK.internet)]
  const isIpv6 = match(meta('nfproto'), 'ipv6')
  return [
    addTable('inet'),
    addSet('inet', 'known', ['ipv4_addr']),
    addSet('inet', 'has_public', ['ipv4_addr']),
    addAddressMap(PUBLIC_OF, 'ipv4_addr'),
    addAddressMap('private_of', 'ipv4_addr'),
    // Before conntrack: what is for nobody here leaves no trace.
    addGate('known_only', 'prerouting', -300),
    rule('known_only', match(iif, EDGE_INTERNET, '!='), accept),
    rule('known_only', match(daddr, inSet('known')), accept),
    rule('known_only', isIpv6, accept),
    addNatChain('arriving', 'prerouting', -100),
    rule('arriving', match(iif, EDGE_INTERNET), translate('dnat', 'ipv4', daddr, 'private_of')),
    addNatChain('leaving', 'postrouting', 100),
    rule('leaving', match(oif, EDGE_INTERNET), translate('snat', 'ipv4', saddr, PUBLIC_OF)),
    addGate('forward', 'forward', 0),
    rule('forward', flowIs('invalid'), drop),
    rule('forward', ...fromVpc, match(saddr, inSet('has_public')), accept),
    rule('forward', ...toVpc, match(daddr, inSet('has_public')), accept),
    rule(
      'forward',
      match(iif, anyOf(LINK.internet, LINK.egressOnly)),
      match(oif, EDGE_INTERNET),
      isIpv6,
      accept,
    ),
    rule('forward', ...toVpc, isIpv6, accept),
    addGate('input', 'input', 0),
    addGate('output', 'output', 0),
    ...Object.values(TOO_BIG).map((isOne) => rule('output', ...isOne, accept)),
  ]
}

/** What turns one public address's translation into another; `undefined` is none. */
export function changeAddress(
  before: PublicAddress | undefined,
  after: PublicAddress | undefined,
): Command[] {
  const [old, now] = [before, after].map((each) => (each === undefined ? [] : elementsOf(each)))
  return [
    ...(old ?? []).map((element) => changeElement('delete', element)),
    ...(now ?? []).map((element) => changeElement('add', element)),
  ]
}

function elementsOf({ publicIp, privateIp }: PublicAddress): Element[] {
  const inet = { family: 'inet' } as const
  return [
    { ...inet, set: 'known', key: [publicIp] },
    { ...inet, set: 'has_public', key: [privateIp] },
    { ...inet, set: PUBLIC_OF, key: [privateIp], value: publicIp },
    { ...inet, set: 'private_of', key: [publicIp], value: privateIp },
  ]
}

/** The translations that the kernel lists with this map, as `private public`; of all others none. */
export function pairsListed(listed: Listed): string[] {
  const map = listed.map as { name: string; elem?: unknown[] } | undefined
  return map?.name === PUBLIC_OF ? pairs(map.elem) : []
}

/** The translation that a command adds, said the same way. */
export function pairAdded({ add }: Command): string[] {
  const element = (add as { element?: { name: string; elem: unknown[] } } | undefined)?.element
  return element?.name === PUBLIC_OF ? pairs(element.elem) : []
}

const pairs = (elements: readonly unknown[] = []): string[] =>
  elements.flatMap((each) => (Array.isArray(each) ? [each.join(' ')] : []))
