// Where packets cross a subnet's border, as nftables rules: out of the sender's subnet, then into
// the receiver's, each its network ACL's own gate. Pure.
//
//   border_out ──(the sender's port)──▶ leaving-<subnet>  ──▶ acl-egress-<acl>
//   border_in  ──(the receiver's port)─▶ entering-<subnet> ──▶ acl-ingress-<acl>
//       └── at once, where the packet was found to stay in one subnet (near.ts)
//
// A port is in a subnet by its link, never by its address: with the source check off a guest may
// send from any. A packet whose other end is in the same subnet crosses no border. What a port
// exchanges with the router itself (IMDS, ARP, NDP) is not forwarded, so no ACL sees it; that is
// EC2's rule as well (VPC user guide, "Network ACLs"). A change of an ACL, or of which one a subnet
// has, touches two chains, however many ports there are. A third chain says by a mark which route
// table the subnet's packets ask (routing.ts).

import { goByNumber, hasNumberOf, leadsTo } from './chain-numbers.ts'
import type { AclEntry, Subnet } from './fabric.ts'
import { isNear } from './near.ts'
import { aclChain, allowedChain, entryName, GATE_OF } from './network-acl.ts'
import {
  accept,
  addChain,
  addGate,
  addRule,
  addSet,
  anyOf,
  type Command,
  changeElement,
  deleteChain,
  deleteSet,
  type Element,
  flushChain,
  inSet,
  jump,
  match,
  meta,
  set,
} from './nft.ts'
import { LINK } from './outside.ts'
import { dropped, firstOfFlow, passed } from './reason.ts'
import { checkId } from './security-group.ts'
import { routerElements } from './services.ts'

type Direction = AclEntry['direction']

const iif = meta('iifname')
const oif = meta('oifname')

const borderChain = (subnetId: string, direction: Direction): string =>
  `${direction === 'egress' ? 'leaving' : 'entering'}-${subnetId}`
const routeChain = (subnetId: string): string => `route-${subnetId}`
/** The links of the ports that are in a subnet. */
export const linkSet = (subnetId: string): string => `links-of-${subnetId}`

/** The two gates: no subnet yet, so closed, but for gateways, which are in none. */
export function borderGates(): Command[] {
  return [
    addGate('border_out', 'forward', -16),
    addRule('inet', 'border_out', [isNear, accept]),
    addRule('inet', 'border_out', goByNumber(iif, 'subnet_of', 'border_out_subnet')),
    addRule('inet', 'border_out', [match(iif, LINK.internet), accept]),
    addGate('border_in', 'forward', -14),
    addRule('inet', 'border_in', [isNear, accept]),
    addRule('inet', 'border_in', goByNumber(oif, 'subnet_of', 'border_in_subnet')),
    addRule('inet', 'border_in', [match(oif, anyOf(LINK.internet, LINK.egressOnly)), accept]),
    ...(['egress', 'ingress'] as const).flatMap((direction) => {
      const chain = allowedChain(direction)
      return [
        addChain('inet', chain),
        addRule('inet', chain, [firstOfFlow, passed(GATE_OF[direction])]),
        addRule('inet', chain, [accept]),
      ]
    }),
  ]
}

/**
 * Creates a subnet's border, or associates it with another ACL, which must be there, or with
 * another route table: `mark` is its number, none where nothing leads out.
 */
export function putBorder(subnet: Subnet, isNew: boolean, mark = 0): Command[] {
  const { subnetId, aclId } = subnet
  checkId('subnetId', subnetId)
  const chain = (direction: Direction, otherEnd: typeof iif): Command[] => {
    const name = borderChain(subnetId, direction)
    const none = entryName(aclId, direction, '*')
    return [
      isNew ? addChain('inet', name) : flushChain('inet', name),
      addRule('inet', name, [match(otherEnd, inSet(linkSet(subnetId))), accept]),
      addRule('inet', name, [jump(aclChain(aclId, direction))]),
      addRule('inet', name, dropped(GATE_OF[direction], none), none),
    ]
  }
  return [
    ...(isNew
      ? [addSet('inet', linkSet(subnetId), ['ifname']), ...changeRouter('add', subnet)]
      : []),
    ...chain('egress', oif),
    ...chain('ingress', iif),
    isNew ? addChain('inet', routeChain(subnetId)) : flushChain('inet', routeChain(subnetId)),
    addRule('inet', routeChain(subnetId), [set(meta('mark'), mark)]),
    ...(isNew ? ways(subnetId).map((way) => changeElement('add', way)) : []),
  ]
}

/** Takes a subnet's border away. The kernel refuses while a port is in the subnet. */
export function dropBorder(subnet: Subnet): Command[] {
  const { subnetId } = subnet
  return [
    ...changeRouter('delete', subnet),
    ...ways(subnetId).map((way) => changeElement('delete', way)),
    deleteChain('inet', borderChain(subnetId, 'egress')),
    deleteChain('inet', borderChain(subnetId, 'ingress')),
    deleteChain('inet', routeChain(subnetId)),
    deleteSet('inet', linkSet(subnetId)),
  ]
}

/** What puts a port into its subnet. */
export function borderElements(subnetId: string, link: string): Element[] {
  return [
    { family: 'inet', key: [link], set: linkSet(subnetId) },
    hasNumberOf('subnet_of', link, subnetId),
  ]
}

/** Where a subnet's number leads. */
const ways = (subnetId: string): Element[] => [
  leadsTo('border_out_subnet', subnetId, borderChain(subnetId, 'egress')),
  leadsTo('border_in_subnet', subnetId, borderChain(subnetId, 'ingress')),
  leadsTo('route_of', subnetId, routeChain(subnetId)),
]

const changeRouter = (verb: 'add' | 'delete', subnet: Subnet): Command[] =>
  routerElements(subnet).map((element) => changeElement(verb, element))
