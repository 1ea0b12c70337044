// The rtnetlink messages of policy routing: rules that say which packets ask which table, and the
// routes of those tables. Pure. Numbers are Linux's (linux/rtnetlink.h, fib_rules.h): ABI.

import { addressBytes, parseCidr } from './address.ts'
import { attribute, attributes, FLAG, type Message, message } from './netlink-message.ts'
import { RTM } from './rtnetlink.ts'

const { ACK, CREATE, EXCL, REPLACE } = FLAG
const AF = { ipv4: 2, ipv6: 10 } as const
const TO_TABLE = 1 // FR_ACT_TO_TBL
const RTN_UNICAST = 1
const RTN_UNREACHABLE = 7

export type Version = keyof typeof AF

/** Which packets ask which table, and when: the smallest preference first. */
export type PolicyRule = {
  readonly preference: number
  readonly table: number
  /** Only packets with this mark. */
  readonly mark?: number
  /** Only packets that came in by this link; `lo` are those that this namespace sends itself. */
  readonly from?: string
}

/** A route of one table. `out` is a link's index, `gateway` a link-local address on it. */
export type TableRoute = {
  readonly table: number
  readonly cidr: string
  readonly out?: number
  readonly gateway?: string
}

/** Adds a rule or takes it away, for one IP version. */
export function changeRule(verb: 'add' | 'remove', version: Version, rule: PolicyRule): Message {
  const header = Buffer.alloc(12)
  header[0] = AF[version]
  header[7] = TO_TABLE
  const { preference, table, mark, from } = rule
  return message(
    verb === 'add' ? RTM.NEWRULE : RTM.DELRULE,
    verb === 'add' ? ACK | CREATE | EXCL : ACK,
    `${verb} ${version} rule ${preference} for table ${table}`,
    header,
    attribute(6, uint32(preference)), // FRA_PRIORITY
    attribute(15, uint32(table)), // FRA_TABLE
    ...(mark === undefined ? [] : [attribute(10, uint32(mark))]), // FRA_FWMARK
    ...(from === undefined ? [] : [attribute(3, Buffer.from(`${from}\0`))]), // FRA_IIFNAME
  )
}

/** Sets a route, in place of one to the same block; without `out`, the block is unreachable. */
export function setRoute({ table, cidr, out, gateway }: TableRoute): Message {
  const { version, bytes, length } = blockOf(cidr)
  const type = out === undefined ? RTN_UNREACHABLE : RTN_UNICAST
  const scope = version === 'ipv4' && out !== undefined && gateway === undefined ? 253 : 0
  return message(
    RTM.NEWROUTE,
    ACK | CREATE | REPLACE,
    `set route to ${cidr} in table ${table}`,
    routeHeader(version, length, scope, type),
    attribute(1, bytes), // RTA_DST
    attribute(15, uint32(table)), // RTA_TABLE
    ...(out === undefined ? [] : [attribute(4, uint32(out))]), // RTA_OIF
    ...(gateway === undefined ? [] : [via(version, gateway)]),
  )
}

/** Takes the route to a block out of a table, whatever it is. */
export function dropRoute(table: number, cidr: string): Message {
  const { version, bytes, length } = blockOf(cidr)
  return message(
    RTM.DELROUTE,
    ACK,
    `drop route to ${cidr} of table ${table}`,
    routeHeader(version, length, version === 'ipv4' ? 255 : 0, 0),
    attribute(1, bytes),
    attribute(15, uint32(table)),
  )
}

/** Asks by which link and router this namespace would send to an address; nothing is sent. */
export function askRoute(address: string): Message {
  const bytes = addressBytes(address)
  const version = versionOf(address)
  const header = routeHeader(version, bytes.length * 8, 0, 0)
  header.fill(0, 4) // The kernel takes no table, scope or type in a question.
  return message(RTM.GETROUTE, 0, `ask for the route to ${address}`, header, attribute(1, bytes))
}

/** The answer; undefined where it leads to no link, or by a gateway of the other IP version. */
export function parseRoute(payload: Buffer): { ifindex: number; gateway?: Buffer } | undefined {
  const found = attributes(payload, 12)
  const [ifindex, gateway] = [found.get(4)?.readInt32LE(0), found.get(5)]
  const isOther = found.has(18) // RTA_VIA
  if (payload[7] !== RTN_UNICAST || ifindex === undefined || isOther) return undefined
  return { ifindex, ...(gateway === undefined ? {} : { gateway }) }
}

/** The IP version of a block. */
export const versionOf = (cidr: string): Version => (cidr.includes(':') ? 'ipv6' : 'ipv4')

function blockOf(cidr: string): { version: Version; bytes: Buffer; length: number } {
  const version = versionOf(cidr)
  const { address, length } = parseCidr(cidr, version)
  return { version, bytes: addressBytes(address), length }
}

/** An IPv4 route, too, may go by an IPv6 neighbour: one way to name it for both. */
function via(version: Version, gateway: string): Buffer {
  const bytes = addressBytes(gateway)
  if (version === 'ipv6') return attribute(5, bytes) // RTA_GATEWAY
  return attribute(18, Buffer.concat([Buffer.of(AF.ipv6, 0), bytes])) // RTA_VIA
}

const routeHeader = (version: Version, length: number, scope: number, type: number): Buffer =>
  Buffer.of(AF[version], length, 0, 0, 0, 4, scope, type, 0, 0, 0, 0) // 4: RTPROT_STATIC

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
