// Sets of traffic, exactly: which protocols, ports, types and codes. Pure arithmetic, for saying who
// may reach whom.
//
// A set has one list of ranges for each kind: the ports of tcp and of udp, type and code of icmp and
// of icmpv6 as one number (256 · type + code), and the numbers of all other protocols.

import { ANY, ICMP, ICMPV6, PORT_MAX, TCP, UDP } from '../fabric/protocol.ts'

/** Both ends included. */
type Range = readonly [from: number, to: number]
const KINDS = ['tcp', 'udp', 'icmp', 'icmpv6', 'other'] as const
type Kind = (typeof KINDS)[number]

/** Ranges in order, none touching the next. */
export type Traffic = { readonly [kind in Kind]: readonly Range[] }

const WHOLE: Readonly<Record<Kind, Range>> = {
  tcp: [0, PORT_MAX],
  udp: [0, PORT_MAX],
  icmp: [0, 0xffff],
  icmpv6: [0, 0xffff],
  other: [0, 255],
}
const KIND_OF: Readonly<Record<number, Kind>> = {
  [TCP]: 'tcp',
  [UDP]: 'udp',
  [ICMP]: 'icmp',
  [ICMPV6]: 'icmpv6',
}
/** The numbers that are kinds of their own. */
const OWN = [ICMP, TCP, UDP, ICMPV6]

export const NOTHING: Traffic = { tcp: [], udp: [], icmp: [], icmpv6: [], other: [] }
export const EVERYTHING: Traffic = {
  tcp: [WHOLE.tcp],
  udp: [WHOLE.udp],
  icmp: [WHOLE.icmp],
  icmpv6: [WHOLE.icmpv6],
  other: OWN.reduce<Range[]>((left, number) => without(left, [[number, number]]), [WHOLE.other]),
}

/** What a rule's protocol, ports, type and code mean. */
export function trafficOf(rule: {
  readonly protocol: number | 'all'
  readonly from?: number
  readonly to?: number
}): Traffic {
  const { protocol, from = ANY, to = ANY } = rule
  if (protocol === 'all') return EVERYTHING
  const kind = KIND_OF[protocol]
  if (kind === undefined) return { ...NOTHING, other: [[protocol, protocol]] }
  if (kind === 'tcp' || kind === 'udp') {
    return { ...NOTHING, [kind]: [from === ANY ? WHOLE[kind] : [from, to]] }
  }
  if (from === ANY) return { ...NOTHING, [kind]: [WHOLE[kind]] }
  const code: Range =
    to === ANY ? [256 * from, 256 * from + 255] : [256 * from + to, 256 * from + to]
  return { ...NOTHING, [kind]: [code] }
}

export const union = (a: Traffic, b: Traffic): Traffic => each(a, b, (x, y) => merge([...x, ...y]))
export const difference = (a: Traffic, b: Traffic): Traffic => each(a, b, without)
export const intersection = (a: Traffic, b: Traffic): Traffic => difference(a, difference(a, b))
export const isNothing = (a: Traffic): boolean => KINDS.every((kind) => a[kind].length === 0)

/** In words, as short as they can be: `tcp 80,443-445 icmp 8/0`, `all`, or nothing. */
export function words(traffic: Traffic): string {
  if (isNothing(difference(EVERYTHING, traffic))) return 'all'
  return KINDS.flatMap((kind) => {
    const ranges = traffic[kind]
    if (ranges.length === 0) return []
    const name = kind === 'other' ? 'protocol' : kind
    if (isNothing({ ...NOTHING, [kind]: without(EVERYTHING[kind], ranges) })) {
      return [kind === 'other' ? 'other protocols' : kind]
    }
    const text = kind === 'icmp' || kind === 'icmpv6' ? ranges.map(typeAndCode) : ranges.map(span)
    return [`${name} ${text.join(',')}`]
  }).join(' ')
}

const span = ([from, to]: Range): string => (from === to ? `${from}` : `${from}-${to}`)

function typeAndCode([from, to]: Range): string {
  const [type, last] = [from >> 8, to >> 8]
  if (from % 256 === 0 && to % 256 === 255) return span([type, last])
  return from === to ? `${type}/${from % 256}` : `${type}/${from % 256}-${last}/${to % 256}`
}

const each = (
  a: Traffic,
  b: Traffic,
  work: (a: readonly Range[], b: readonly Range[]) => Range[],
): Traffic => ({
  tcp: work(a.tcp, b.tcp),
  udp: work(a.udp, b.udp),
  icmp: work(a.icmp, b.icmp),
  icmpv6: work(a.icmpv6, b.icmpv6),
  other: work(a.other, b.other),
})

function merge(ranges: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = merged.at(-1)
    if (last === undefined || from > last[1] + 1) merged.push([from, to])
    else merged[merged.length - 1] = [last[0], Math.max(last[1], to)]
  }
  return merged
}

function without(ranges: readonly Range[], taken: readonly Range[]): Range[] {
  return taken.reduce<Range[]>(
    (left, [from, to]) =>
      left.flatMap(([first, last]): Range[] => {
        if (last < from || first > to) return [[first, last]]
        return [
          ...(first < from ? [[first, from - 1] as const] : []),
          ...(last > to ? [[to + 1, last] as const] : []),
        ]
      }),
    [...ranges],
  )
}
