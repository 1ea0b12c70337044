// Forgets the flows of addresses and prefixes that leave. An address is given to another ENI later, and the new
// one must not be let through on what was agreed with the old one. ctnetlink over our own socket.

import type { SystemError } from './libc.ts'
import { attribute, attributes, dumpOf, type Message, order } from './netlink-message.ts'
import { dump, transact } from './netlink-socket.ts'

const GET = (1 << 8) | 1 // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
const DELETE = (1 << 8) | 2
const CTA = { ORIGINAL: 1, REPLY: 2, ID: 12, ZONE: 18 }
const TUPLE_IP = 1
const HEADER_BYTES = 4 // struct nfgenmsg: family, version, resource id.

/** A network, or one address, of which all bits count. The length is of whole hex digits. */
type Block = { readonly address: Uint8Array; readonly prefixLength: number }

/**
 * Deletes every tracked flow from or to one of the addresses, in either direction of the flow. A
 * kernel without conntrack over netlink refuses, because then nothing can be forgotten.
 */
export function forgetFlows(fd: number, blocks: readonly Block[]): void {
  if (blocks.length === 0) return
  const leaves = leaving(blocks)
  const entries = dump(fd, dumpOf(GET, 'list tracked flows', header(0)))
  const doomed = entries.filter((entry) => addressesOf(entry).some(leaves))
  for (const entry of doomed) {
    try {
      transact(fd, [deletion(entry)], ['ENOENT']) // It may have ended by itself meanwhile.
    } catch (error) {
      throw new Error(`forget a tracked flow: ${(error as SystemError).message}`)
    }
  }
}

/** Whether an address, in hex digits, is in one of the blocks. */
function leaving(blocks: readonly Block[]): (address: string) => boolean {
  const start = (hex: string, digits: number): string => `${hex.length} ${hex.slice(0, digits)}`
  const lengths = [...new Set(blocks.map(({ prefixLength }) => prefixLength / 4))]
  const starts = new Set(
    blocks.map(({ address, prefixLength }) =>
      start(Buffer.from(address).toString('hex'), prefixLength / 4),
    ),
  )
  return (address) => lengths.some((digits) => starts.has(start(address, digits)))
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
  const zone = found.get(CTA.ZONE)
  return order(
    DELETE,
    'delete a tracked flow',
    header(entry[0] ?? 0),
    attribute(CTA.ORIGINAL | nested, found.get(CTA.ORIGINAL) ?? Buffer.of()),
    attribute(CTA.ID, found.get(CTA.ID) ?? Buffer.of()),
    // A flow that goes by an appliance is in a zone (routing.ts), and not to be found without it.
    ...(zone === undefined ? [] : [attribute(CTA.ZONE, zone)]),
  )
}

const header = (family: number): Buffer => Buffer.of(family, 0, 0, 0)
