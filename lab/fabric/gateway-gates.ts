// What the gates have for gateways: links that no group and no ACL judges. Pure; part of gates.ts.

import { goByNumber, hasNumberOf, leadsTo } from './chain-numbers.ts'
import {
  accept,
  addChain,
  addRule,
  type Command,
  changeElement,
  ct,
  type Element,
  fib,
  flowIs,
  match,
  meta,
  type Statement,
} from './nft.ts'
import { LINK } from './outside.ts'
import { firstOfFlow, NO_ROUTE, passed, refuse } from './reason.ts'
import { TOLD_TOO_BIG } from './too-big.ts'

/** Where a port is sent to by a gate that does not judge it. */
export const OPEN = 'open'
/** The same where a packet reaches a gateway: it was let pass by all gates that judged it. */
export const TO_GATEWAY = 'to_gateway'

const oif = meta('oifname')
const rule = (chain: string, ...statements: Statement[]): Command =>
  addRule('inet', chain, statements)

/**
 * The links of the gateways: they go everywhere, since no group and no ACL is theirs; but from the
 * Internet only what goes back there by its receiver's own route table, and by an egress-only
 * gateway only answers (VPC user guide, "Enable internet access").
 */
export function gatewayGates(): Command[] {
  const chain = 'from_internet'
  const wayBack = (link: string) => match(fib('oifname', 'saddr'), link)
  const add = (element: Element): Command => changeElement('add', element)
  const inet = (set: string, link: string): Command => add({ family: 'inet', set, key: [link] })
  const outward = (link: string): Command[] => [
    inet('unchecked_destination', link),
    add(hasNumberOf('ingress_groups', link, TO_GATEWAY)),
  ]
  return [
    addChain('inet', OPEN),
    rule(OPEN, accept),
    addChain('inet', TO_GATEWAY),
    rule(TO_GATEWAY, firstOfFlow, passed('gateway')),
    rule(TO_GATEWAY, accept),
    addChain('inet', chain),
    ...Object.values(TOLD_TOO_BIG).map((isTold) => rule(chain, ...isTold, accept)),
    rule(chain, ...goByNumber(oif, 'subnet_of', 'route_of')),
    rule(chain, wayBack(LINK.internet), accept),
    rule(
      chain,
      flowIs('established', 'related'),
      match(ct('direction'), 'reply'),
      wayBack(LINK.egressOnly),
      accept,
    ),
    refuse(chain, 'destination', NO_ROUTE),
    inet('gateways', LINK.internet),
    add(leadsTo('egress_chains', chain, chain)),
    add(leadsTo('egress_chains', OPEN, OPEN)),
    add(leadsTo('ingress_chains', TO_GATEWAY, TO_GATEWAY)),
    add(hasNumberOf('egress_groups', LINK.internet, chain)),
    ...outward(LINK.internet),
    ...outward(LINK.egressOnly),
  ]
}
