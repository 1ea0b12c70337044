// What the gates have for gateways: links that no group and no ACL judges. Pure; part of gates.ts.

import {
  accept,
  addChain,
  addRule,
  byMap,
  type Command,
  changeElement,
  ct,
  fib,
  flowIs,
  match,
  meta,
  type Statement,
} from './nft.ts'
import { LINK } from './outside.ts'
import { firstOfFlow, NO_ROUTE, passed, refuse } from './reason.ts'
import { TOLD_TOO_BIG } from './too-big.ts'

/** Where a gateway's link is sent to by gates that do not judge it. */
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
  const inet = (set: string, link: string, to?: string): Command =>
    changeElement('add', { family: 'inet', set, key: [link], ...(to === undefined ? {} : { to }) })
  const outward = (link: string): Command[] => [
    inet('unchecked_destination', link),
    inet('ingress_groups', link, TO_GATEWAY),
    inet('border_in_subnet', link, OPEN),
  ]
  return [
    addChain('inet', OPEN),
    rule(OPEN, accept),
    addChain('inet', TO_GATEWAY),
    rule(TO_GATEWAY, firstOfFlow, passed('gateway')),
    rule(TO_GATEWAY, accept),
    addChain('inet', chain),
    ...Object.values(TOLD_TOO_BIG).map((isTold) => rule(chain, ...isTold, accept)),
    rule(chain, byMap(oif, 'route_of')),
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
    inet('egress_groups', LINK.internet, chain),
    inet('border_out_subnet', LINK.internet, OPEN),
    ...outward(LINK.internet),
    ...outward(LINK.egressOnly),
  ]
}
