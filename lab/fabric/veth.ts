// The message that makes a pair of links. Pure.
//
// Between two of them one packet carries more of a TCP stream than an IP packet's length can say
// (BIG TCP, Linux 6.3): 14 segments at an MTU of 9001, where 64 KiB have room for seven. Nothing of
// that is on a wire: it is cut into segments before it leaves by a link that knows nothing of it. That
// costs more than the large packet spared, so where segments are of 1500 bytes, as behind a bridge or
// on the Internet, no more of them go in one packet than 64 KiB have room for.

import { attribute, FLAG, type Message, message } from './netlink-message.ts'
import { IFLA, linkHeader, macBytes, RTM, text, uint32 } from './rtnetlink.ts'

/** How much one packet of a TCP stream over IPv4 carries, bytes, its headers included. */
const SUPER_PACKET_BYTES = 128 * 1024
/** How many segments leave a guest in one packet: of 1448 bytes, as many as 64 KiB have room for. */
const SUPER_PACKET_SEGMENTS = 45
/** linux/if_link.h. A kernel that is older than the first passes over it, and carries 64 KiB. */
const IFLA_GSO = { IPV4_MAX_SIZE: 63, MAX_SEGS: 40 } as const

/** A veth pair whose peer is born in another namespace: no move, so no 15 ms (measured). */
export function createVeth(
  near: { name: string; mac: string },
  far: { name: string; mac: string; netnsFd: number },
  mtu: number,
  group: number,
): Message {
  const end = ({ name, mac }: { name: string; mac: string }): Buffer[] => [
    attribute(IFLA.IFNAME, text(name)),
    attribute(IFLA.ADDRESS, macBytes(mac)),
    attribute(IFLA.MTU, uint32(mtu)),
    attribute(IFLA_GSO.IPV4_MAX_SIZE, uint32(SUPER_PACKET_BYTES)),
  ]
  const peer = Buffer.concat([
    linkHeader(0),
    ...end(far),
    attribute(IFLA_GSO.MAX_SEGS, uint32(SUPER_PACKET_SEGMENTS)),
    attribute(IFLA.FD, uint32(far.netnsFd)),
  ])
  const kind = Buffer.concat([
    attribute(1, Buffer.from('veth')), // IFLA_INFO_KIND
    attribute(2, attribute(1, peer)), // IFLA_INFO_DATA { VETH_INFO_PEER }
  ])
  return message(
    RTM.NEWLINK,
    FLAG.ACK | FLAG.CREATE | FLAG.EXCL,
    `create link ${near.name} with its peer ${far.name}`,
    linkHeader(0),
    ...end(near),
    attribute(IFLA.GROUP, uint32(group)),
    attribute(IFLA.LINKINFO, kind),
  )
}
