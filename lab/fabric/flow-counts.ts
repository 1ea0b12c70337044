// What the kernel's flows have carried: packets and bytes, each way, since the last time they were
// asked. ctnetlink over our own sockets: a dump that sets the counters to 0 as it reads them, and the
// news of flows that ended, which bring their last counts.

import fs from 'node:fs'
import ipaddr from 'ipaddr.js'
import { close } from './libc.ts'
import { attributes, dumpOf } from './netlink-message.ts'
import { dump, news, openNetlink } from './netlink-socket.ts'

const GET_AND_ZERO = (1 << 8) | 3 // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_CTRZERO
const DELETED = (1 << 8) | 2
const CTA = { ORIGINAL: 1, REPLY: 2, COUNTERS_ORIGINAL: 9, COUNTERS_REPLY: 10 }
const TUPLE = { IP: 1, PROTOCOL: 2 }
const PROTOCOL = { NUMBER: 1, SOURCE_PORT: 2, DESTINATION_PORT: 3 }
const HEADER_BYTES = 4 // struct nfgenmsg
/** Reads of the news of ended flows, of one flow each; more than the socket has room for. */
const READS_MAX = 50_000

/** One direction of a flow. Ports are 0 where the protocol has none. */
export type FlowCount = {
  readonly protocol: number
  readonly source: string
  readonly destination: string
  readonly sourcePort: number
  readonly destinationPort: number
  readonly packets: number
  readonly bytes: number
}

/** Counts in the namespace that it is made in. The kernel begins to count with it. */
export class FlowCounter {
  readonly #ended: number

  constructor() {
    fs.writeFileSync('/proc/sys/net/netfilter/nf_conntrack_acct', '1')
    this.#ended = openNetlink('flows')
  }

  /**
   * The directions of all flows that carried something since the last call, those that ended too;
   * `lost`: the news of some that ended found no room. `netfilter` is a socket of that namespace.
   */
  read(netfilter: number): { counts: FlowCount[]; lost: boolean } {
    const { messages, lost } = news(this.#ended, READS_MAX)
    const last = messages.filter(({ type }) => type === DELETED).map(({ payload }) => payload)
    const live = dump(netfilter, dumpOf(GET_AND_ZERO, 'count flows', Buffer.alloc(HEADER_BYTES)))
    return { counts: [...last, ...live].flatMap(parseFlow), lost }
  }

  close(): void {
    close(this.#ended)
  }
}

/** Both directions of a flow as the kernel describes it; only those that carried something. */
export function parseFlow(entry: Buffer): FlowCount[] {
  const found = attributes(entry, HEADER_BYTES)
  return (
    [
      [CTA.ORIGINAL, CTA.COUNTERS_ORIGINAL],
      [CTA.REPLY, CTA.COUNTERS_REPLY],
    ] as const
  ).flatMap(([tuple, counters]) => {
    const who = parseTuple(found.get(tuple))
    const counted = attributes(found.get(counters) ?? Buffer.of(), 0)
    const [packets, bytes] = [number(counted.get(1)), number(counted.get(2))]
    return who === undefined || packets === 0 ? [] : [{ ...who, packets, bytes }]
  })
}

function parseTuple(tuple: Buffer | undefined): Omit<FlowCount, 'packets' | 'bytes'> | undefined {
  const parts = attributes(tuple ?? Buffer.of(), 0)
  const [source, destination] = [...attributes(parts.get(TUPLE.IP) ?? Buffer.of(), 0).values()]
  const protocol = attributes(parts.get(TUPLE.PROTOCOL) ?? Buffer.of(), 0)
  const port = (type: number): number => {
    const bytes = protocol.get(type)
    return bytes !== undefined && bytes.length >= 2 ? bytes.readUInt16BE() : 0
  }
  const isAddress = (bytes?: Buffer): bytes is Buffer => bytes?.length === 4 || bytes?.length === 16
  if (!isAddress(source) || !isAddress(destination)) return undefined
  return {
    protocol: protocol.get(PROTOCOL.NUMBER)?.[0] ?? 0,
    source: text(source),
    destination: text(destination),
    sourcePort: port(PROTOCOL.SOURCE_PORT),
    destinationPort: port(PROTOCOL.DESTINATION_PORT),
  }
}

const text = (bytes: Buffer): string => ipaddr.fromByteArray([...bytes]).toString()

const number = (bytes: Buffer | undefined): number =>
  bytes === undefined || bytes.length < 8 ? 0 : Number(bytes.readBigUInt64BE())
