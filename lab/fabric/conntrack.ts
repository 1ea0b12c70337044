// Forgets the flows of addresses that leave. An address is given to another ENI later, and the new
// one must not be let through on what was agreed with the old one. ctnetlink over our own socket.

import type { SystemError } from './libc.ts'
import { attribute, attributes, dumpOf, type Message, order } from './netlink-message.ts'
import { dump, transact } from './netlink-socket.ts'

const GET = (1 << 8) | 1 // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
const DELETE = (1 << 8) | 2
const CTA = { ORIGINAL: 1, REPLY: 2, ID: 12 }
const TUPLE_IP = 1
const HEADER_BYTES = 4 // struct nfgenmsg: family, version, resource id.

/**
 * Deletes every tracked flow from or to one of the addresses, in either direction of the flow. A
 * kernel without conntrack over netlink refuses, because then nothing can be forgotten.
 */
export function forgetFlows(fd: number, addresses: readonly Uint8Array[]): void {
  if (addresses.length === 0) return
  const leaving = new Set(addresses.map((address) => Buffer.from(address).toString('hex')))
  const entries = dump(fd, dumpOf(GET, 'list tracked flows', header(0)))
  const doomed = entries.filter((entry) => addressesOf(entry).some((each) => leaving.has(each)))
  for (const entry of doomed) {
    try {
      transact(fd, [deletion(entry)], ['ENOENT']) // It may have ended by itself meanwhile.
    } catch (error) {
      throw new Error(`forget a tracked flow: ${(error as SystemError).message}`)
    }
  }
}

function addressesOf(entry: Buffer): string[] {
  const found = attributes(entry, HEADER_BYTES)
  return [CTA.ORIGINAL, CTA.REPLY].flatMap((direction) => {
    const tuple = found.get(direction)
    const ip = tuple && attributes(tuple, 0).get(TUPLE_IP)
    return ip ? [...attributes(ip, 0).values()].map((address) => address.toString('hex')) : []
  })
}

/** The flow's own words for itself, sent back; its id makes sure that it is still the same one. */
function deletion(entry: Buffer): Message {
  const found = attributes(entry, HEADER_BYTES)
  const nested = 0x8000
  return order(
    DELETE,
    'delete a tracked flow',
    header(entry[0] ?? 0),
    attribute(CTA.ORIGINAL | nested, found.get(CTA.ORIGINAL) ?? Buffer.of()),
    attribute(CTA.ID, found.get(CTA.ID) ?? Buffer.of()),
  )
}

const header = (family: number): Buffer => Buffer.of(family, 0, 0, 0)
