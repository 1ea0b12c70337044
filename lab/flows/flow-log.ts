// VPC flow log records of one aggregation interval, version 2 (VPC user guide, "Flow log records").
// Pure. What a flow carried comes from the kernel's own counts of flows; what was dropped, from the
// verdicts, packet by packet.
//
//   version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes
//   start end action log-status
//
// Each ENI has its own view: what the sender's groups and ACL let out is accepted there, also when
// the receiver's then drop it. As on AWS, what never got as far as a group is not in it (spoofed
// packets, what is not IP), nor is what an ENI exchanges with the router (IMDS, DHCP, the resolver).

import type { FlowCount } from '../fabric/flow-counts.ts'
import type { Lost, Verdict } from '../fabric/verdict.ts'
import { ACCOUNT_ID } from '../model/world.ts'
import { type Addressed, ownersOf } from './owners.ts'

/** The names of the fields, as the first line of a file says them. */
export const FIELDS =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status'

/** Whom the flow's addresses belong to, and who has no traffic. */
export type Interval = {
  readonly startMs: number
  readonly endMs: number
  readonly counts: readonly FlowCount[]
  readonly heard: readonly (Verdict | Lost)[]
  /** The ENIs that are plugged in, with their addresses. */
  readonly enis: readonly Addressed[]
  /** Whether news of flows that ended were lost. */
  readonly lost: boolean
}

type Key = Omit<FlowCount, 'packets' | 'bytes'>
type Sum = {
  readonly eniId: string
  readonly key: Key
  readonly action: 'ACCEPT' | 'REJECT'
  packets: number
  bytes: number
  firstMs: number
  lastMs: number
}

const LINK_LOCAL = /^(169\.254\.|fe80:|fd00:ec2:)/

/** The interval's records, one line each, ENI by ENI. */
export function flowLogRecords(interval: Interval): string[] {
  const { startMs, endMs, counts, heard, enis } = interval
  const ownerOf = ownersOf(enis)
  const owners = new Map<string, string>()
  const verdicts = heard.filter((each) => 'verdict' in each)
  // Who sent and who was to get it is surest where the packet was seen.
  for (const { packet, from, to } of verdicts) {
    if (from !== undefined && packet.source !== undefined) owners.set(packet.source, from)
    if (to !== undefined && packet.destination !== undefined) owners.set(packet.destination, to)
  }
  const began = new Map<string, number>()
  for (const { verdict, packet, atMs } of verdicts) {
    const key = keyOf(packet)
    if (verdict === 'accept' && key !== undefined) began.set(JSON.stringify(key), atMs)
  }
  const sums = new Map<string, Sum>()
  const add = (
    eniId: string | undefined,
    key: Key,
    action: Sum['action'],
    packets: number,
    bytes: number,
    fromMs: number,
    toMs: number,
  ): void => {
    if (eniId === undefined || LINK_LOCAL.test(key.source) || LINK_LOCAL.test(key.destination))
      return
    const id = JSON.stringify([eniId, key, action])
    const sum = sums.get(id) ?? {
      eniId,
      key,
      action,
      packets: 0,
      bytes: 0,
      firstMs: fromMs,
      lastMs: toMs,
    }
    sum.packets += packets
    sum.bytes += bytes
    sum.firstMs = Math.min(sum.firstMs, fromMs)
    sum.lastMs = Math.max(sum.lastMs, toMs)
    sums.set(id, sum)
  }
  const tracked = new Set<string>()
  for (const { packets, bytes, ...key } of counts) {
    tracked.add(JSON.stringify(key))
    const fromMs = Math.max(
      startMs,
      began.get(JSON.stringify(key)) ?? began.get(JSON.stringify(reversed(key))) ?? startMs,
    )
    for (const end of [key.source, key.destination]) {
      add(owners.get(end) ?? ownerOf(end), key, 'ACCEPT', packets, bytes, fromMs, endMs)
    }
  }
  for (const { verdict, gate, packet, rules, from, to, atMs } of verdicts) {
    const key = keyOf(packet)
    if (verdict === 'accept' || key === undefined) continue
    const bytes = packet.bytes ?? 0
    // The kernel counts a packet of a flow that runs before a gate drops it: it is taken off again.
    // One that a rule let out just now was the first of a flow, which then never came to be.
    const isCounted = rules.egress === undefined && tracked.has(JSON.stringify(key))
    if (gate === 'egress' || gate === 'leaving') {
      add(from, key, 'REJECT', 1, bytes, atMs, atMs)
      if (isCounted) for (const end of [from, to]) add(end, key, 'ACCEPT', -1, -bytes, atMs, atMs)
    }
    if (gate === 'entering' || gate === 'ingress') {
      add(to, key, 'REJECT', 1, bytes, atMs, atMs)
      if (isCounted) add(to, key, 'ACCEPT', -1, -bytes, atMs, atMs)
      else add(from, key, 'ACCEPT', 1, bytes, atMs, atMs)
    }
  }
  const isLossy = interval.lost || heard.some((each) => 'lost' in each)
  const seconds = `${Math.floor(startMs / 1000)} ${Math.floor(endMs / 1000)}`
  const empty = (eniId: string, status: string): string =>
    `2 ${ACCOUNT_ID} ${eniId} - - - - - - - ${seconds} - ${status}`
  const present = [...sums.values()].filter(({ packets }) => packets > 0)
  const withTraffic = new Set(present.map(({ eniId }) => eniId))
  const all = new Set([...enis.map(({ eniId }) => eniId), ...withTraffic])
  return [...all].sort().flatMap((eniId) => {
    const own = present.filter((sum) => sum.eniId === eniId).map(record)
    if (isLossy) return [...own, empty(eniId, 'SKIPDATA')]
    return own.length > 0 ? own : [empty(eniId, 'NODATA')]
  })
}

function record({ eniId, key, action, packets, bytes, firstMs, lastMs }: Sum): string {
  const { source, destination, sourcePort, destinationPort, protocol } = key
  return [
    2,
    ACCOUNT_ID,
    eniId,
    source,
    destination,
    sourcePort,
    destinationPort,
    protocol,
    packets,
    bytes,
    Math.floor(firstMs / 1000),
    Math.floor(lastMs / 1000),
    action,
    'OK',
  ].join(' ')
}

/** The five fields of a packet; ICMP has no ports there, as in AWS's records. */
function keyOf(packet: Verdict['packet']): Key | undefined {
  const { protocol, source, destination, sourcePort = 0, destinationPort = 0 } = packet
  if (protocol === undefined || source === undefined || destination === undefined) return undefined
  return { protocol, source, destination, sourcePort, destinationPort }
}

const reversed = ({ protocol, source, destination, sourcePort, destinationPort }: Key): Key => ({
  protocol,
  source: destination,
  destination: source,
  sourcePort: destinationPort,
  destinationPort: sourcePort,
})
