// How a link leads to the chains of its groups and of its subnet: by a number. Pure.
//
//   link ─▶ number   a map, one element for each port
//           number ─▶ chain   a verdict map, one element for each set of groups, and for each subnet
//
// At every change of a rule the kernel walks all that verdict maps lead to, element by element: by way
// of links it would walk each chain once for every port that it is for.

import { byMap, type Element, type Expression, fromMap, meta, type Statement, set } from './nft.ts'
import { numberOf } from './reason.ts'

/** The maps from links to numbers. */
export const NUMBERS = ['egress_groups', 'ingress_groups', 'subnet_of'] as const
/** The verdict maps from numbers to chains. */
export const CHAINS = [
  ...(['egress_chains', 'ingress_chains'] as const),
  ...(['border_out_subnet', 'border_in_subnet', 'route_of'] as const),
] as const

type Numbers = (typeof NUMBERS)[number]
type Chains = (typeof CHAINS)[number]

/** That a link has the number of something. */
export const hasNumberOf = (numbers: Numbers, link: string, name: string): Element => ({
  family: 'inet',
  set: numbers,
  key: [link],
  value: numberOf(name),
})

/**
 * That the number of something leads to a chain. Two with one number (of 1,000, once in 8,000 labs)
 * cannot be: the kernel refuses the second.
 */
export const leadsTo = (chains: Chains, name: string, chain: string): Element => ({
  family: 'inet',
  set: chains,
  key: [numberOf(name)],
  to: chain,
})

/** Goes to where a link's number leads. A link without one leads nowhere. */
export const goByNumber = (link: Expression, numbers: Numbers, chains: Chains): Statement[] => [
  set(meta('mark'), fromMap(link, numbers)),
  byMap(meta('mark'), chains),
]
