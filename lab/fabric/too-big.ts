// The one thing that the way out tells a sender: a packet is larger than 1500 and may not be cut.
// Pure. Groups do not judge it (EC2 user guide, "Path MTU Discovery": no rule is needed for it), ACLs
// do (VPC user guide, "Network ACLs and path MTU discovery").

import { match, payload, type Statement } from './nft.ts'
import { EDGE } from './outside.ts'

/** IPv4: fragmentation needed. IPv6: packet too big. */
export const TOO_BIG: Readonly<Record<'ipv4' | 'ipv6', readonly Statement[]>> = {
  ipv4: [match(payload('icmp', 'type'), 3), match(payload('icmp', 'code'), 4)],
  ipv6: [match(payload('icmpv6', 'type'), 2)],
}

/** The same, said by the edge: no ENI can send from these addresses. */
export const TOLD_TOO_BIG: Readonly<Record<'ipv4' | 'ipv6', readonly Statement[]>> = {
  ipv4: [match(payload('ip', 'saddr'), EDGE.ipv4), ...TOO_BIG.ipv4],
  ipv6: [match(payload('ip6', 'saddr'), EDGE.ipv6), ...TOO_BIG.ipv6],
}
