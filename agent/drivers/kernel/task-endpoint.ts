// The way from a task to its agent: a listener born in the task's own namespace, so that the socket a
// request arrives on says whose it is. No link, bridge or rule of the host is part of it.
//
//   asked at 169.254.170.2:80 ──to port 51679──▶ our socket ──from port 80──▶ who asked     (lo)
//
// On port 80 itself our socket would keep the task's own server from binding 0.0.0.0:80. The port is
// written over as the question leaves and as the answer does, which takes no conntrack: that would cost
// every packet of the task (bench/README.md), and would be the task's own to do without. So our port itself
// answers nobody. Nor does our socket hear what comes for the address by a card, which Linux takes
// whichever interface has the address: it is bound to `lo`.

import { ENDPOINT } from '../../../state/task-endpoint.ts'
import { type World, workInside } from './inside.ts'
import { KernelError } from './kernel-error.ts'
import {
  AF_INET,
  bind,
  close,
  listen,
  SO_ACCEPTCONN,
  SO_BINDTODEVICE,
  SO_REUSEADDR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  setSocketOption,
  socket,
  socketAddress,
  socketOption,
} from './libc.ts'
import type {
  Nftables,
  NftCommand,
  NftExpression,
  NftMatch,
  NftObject,
  NftTable,
} from './libnftables.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { addAddress, addressBytes, dumpAddresses, setLink } from './rtnetlink.ts'
import { decodeAddress } from './rtnetlink-record.ts'

const LOOPBACK_IFINDEX = 1
const BACKLOG = 128
const ON = Buffer.of(1, 0, 0, 0)
const LOOPBACK = Buffer.from('lo\0')
const TABLE: NftTable = { family: 'ip', name: 'enid-endpoint' }
const CHAIN = 'out'
/** Before conntrack (-200), where the task has one for itself: it is to leave these packets alone. */
const PRIO_RAW = -300

/**
 * Opens the listener in the namespace (or takes the one that is `there`), with its address on `lo`
 * and the rule for port 80; what is there already is left. Answers the fd, non-blocking, which the
 * caller owns: while it is open it keeps the namespace alive. EADDRINUSE: it is open already.
 */
export function openEndpoint(world: World, netns: string, there?: number): number {
  return workInside(world, netns, (inside) => {
    ensureEndpoint(inside)
    return there ?? world.namespaces.enter(inside.fd, listener)
  })
}

/**
 * Holds the namespace of a listener that an earlier agent opened there, also when nothing else of it
 * is left. Throws EINVAL when it is none of ours, or was born elsewhere; ENOTSOCK.
 */
export function takeUpEndpoint({ namespaces }: World, netns: string, fd: number): void {
  const isListening = socketOption(fd, SOL_SOCKET, SO_ACCEPTCONN) !== 0
  if (!isListening || !socketAddress(fd).equals(ownAddress())) {
    const what = `not a listener on ${ENDPOINT.address}:${ENDPOINT.ownPort}`
    throw new KernelError({ errno: 'EINVAL', what, netns })
  }
  namespaces.holdOf(netns, fd)
}

type Inside = { readonly netlink: NetlinkSocket; readonly nft: Nftables }

/** The address and the rule, where they are not as they should be; the rule in one transaction. */
export function ensureEndpoint({ netlink, nft }: Inside): void {
  const { address } = ENDPOINT
  const up = setLink(LOOPBACK_IFINDEX, { up: true })
  netlink.transact([up, addAddress(LOOPBACK_IFINDEX, address, 32)], ['EEXIST'])
  const listing = nft.list(TABLE)
  if (gist(listing) === gist(objects())) return
  const removal: NftCommand[] = listing === undefined ? [] : [{ delete: { table: TABLE } }]
  nft.run('open the task endpoint', [...removal, ...objects().map((object) => ({ add: object }))])
}

/** What it should be, in the words in which endpointSeen says what it is. */
export const endpointExpected = (): string => `${ENDPOINT.address} ${gist(objects())}`

/** What stands of it in the namespace. */
export function endpointSeen({ netlink, nft }: Inside): string {
  const isThere = netlink
    .dump(dumpAddresses(), decodeAddress)
    .some(({ ifindex, address }) => ifindex === LOOPBACK_IFINDEX && address === ENDPOINT.address)
  return `${isThere ? ENDPOINT.address : 'no address'} ${gist(nft.list(TABLE))}`
}

/** A table in what every version of libnftables lists alike, in no order. */
function gist(listing: readonly NftObject[] | undefined): string {
  if (listing === undefined) return 'absent'
  const words = listing.flatMap((object) => {
    if ('chain' in object) return [`${object.chain.name} at ${object.chain.hook}`]
    if (!('rule' in object)) return []
    const { expr } = object.rule
    return [`${expr.length} ${JSON.stringify(expr.filter((each) => !('match' in each)))}`]
  })
  return words.sort().join('; ')
}

function listener(): number {
  const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)
  try {
    // Without it an agent that was killed could not bind again for a minute.
    setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, ON)
    setSocketOption(fd, SOL_SOCKET, SO_BINDTODEVICE, LOOPBACK)
    bind(fd, ownAddress())
    listen(fd, BACKLOG)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** The listener's sockaddr_in. */
function ownAddress(): Buffer {
  const address = Buffer.alloc(16)
  address.writeUInt16LE(AF_INET)
  address.writeUInt16BE(ENDPOINT.ownPort, 2)
  address.set(addressBytes(ENDPOINT.address), 4)
  return address
}

function objects(): NftObject[] {
  const at = { family: TABLE.family, table: TABLE.name } as const
  const { address, port, ownPort } = ENDPOINT
  const is = (left: NftMatch['left'], op: '==' | '!=', right: string | number): NftExpression => ({
    match: { op, left, right },
  })
  const ip = (field: 'saddr' | 'daddr') => ({ payload: { protocol: 'ip', field } }) as const
  const tcp = (field: 'sport' | 'dport') => ({ payload: { protocol: 'tcp', field } }) as const
  const over = (key: ReturnType<typeof tcp>, value: number) => ({ mangle: { key, value } })
  const rule = (...expr: NftExpression[]): NftObject => ({ rule: { ...at, chain: CHAIN, expr } })
  const toUs = is(ip('daddr'), '==', address)
  return [
    { table: TABLE },
    {
      chain: {
        ...{ ...at, name: CHAIN, type: 'filter', hook: 'output' },
        ...{ prio: PRIO_RAW, policy: 'accept' },
      },
    },
    // What tells nearly every packet from ours: that is all such a packet costs, beside the hook.
    rule(is(ip('daddr'), '!=', address), is(ip('saddr'), '!=', address), { accept: null }),
    rule(toUs, is(tcp('dport'), '==', ownPort), { drop: null }),
    rule(toUs, is(tcp('dport'), '==', port), { notrack: null }, over(tcp('dport'), ownPort)),
    rule(
      is(ip('saddr'), '==', address),
      is(tcp('sport'), '==', ownPort),
      ...[{ notrack: null } as const, over(tcp('sport'), port)],
    ),
  ]
}
