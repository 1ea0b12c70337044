// What two ports of one subnet exchange, told by one look-up: such a packet crosses no border. Pure.
//
// The check of the destination (gates.ts) finds receivers that are in the sender's subnet first, and
// says so by the packet's mark, which both borders (border.ts) ask first. A rule of a group that is
// asked in between writes over the mark: then the borders look for themselves.

import { familyOf } from './address.ts'
import {
  accept,
  addSet,
  type Command,
  concat,
  type Element,
  fromMap,
  inSet,
  match,
  meta,
  payload,
  type Statement,
  set,
} from './nft.ts'
import { numberOf, WITHIN } from './reason.ts'

const VERSIONS = ['ipv4', 'ipv6'] as const

/** The addresses of the ports, each with its subnet's number and its link. */
export const nearSets = (): Command[] =>
  VERSIONS.map((version) =>
    addSet('inet', `near_${version}`, ['mark', 'ifname', `${version}_addr`]),
  )

export const nearElement = (subnetId: string, link: string, address: string): Element => ({
  family: 'inet',
  set: `near_${familyOf(address) ?? 'ipv4'}`,
  key: [numberOf(subnetId), link, address],
})

/** Accepts a packet to a port in the sender's subnet, and marks it. */
export const acceptNear = (version: 'ipv4' | 'ipv6'): Statement[] => [
  match(meta('nfproto'), version),
  set(meta('mark'), fromMap(meta('iifname'), 'subnet_of')),
  match(
    concat(meta('mark'), meta('oifname'), payload(version === 'ipv4' ? 'ip' : 'ip6', 'daddr')),
    inSet(`near_${version}`),
  ),
  set(meta('mark'), WITHIN),
  accept,
]

/** That a packet was found to be one. */
export const isNear: Statement = match(meta('mark'), WITHIN)
