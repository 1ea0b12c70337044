// Whether the gateway answers ARP or NDP, in the worker. A VPC's router answers no ping, so a
// datagram is sent to its discard port and the neighbour table tells who answered. Asking again
// only reads; the waiting is the main thread's, so that no link waits for another's gateway.

import { type World, withNetlink } from './inside.ts'
import { located } from './kernel-error.ts'
import {
  AF_INET,
  AF_INET6,
  close,
  SO_BINDTODEVICE,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  sendTo,
  setSocketOption,
  socket,
} from './libc.ts'
import { addressBytes, dumpNeighbours, removeNeighbour } from './rtnetlink.ts'
import { addressText, decodeNeighbour } from './rtnetlink-record.ts'

/** One question about one gateway. */
export type GatewayQuestion = {
  readonly mac: string
  readonly netns: string
  readonly name: string
  readonly ifindex: number
  readonly gateway: string
  /** Forget what is known and send; else only look. */
  readonly ask: boolean
}

const DISCARD_PORT = 9
const NUD_INCOMPLETE = 0x01
const NUD_FAILED = 0x20

/** The MAC that answers for the gateway, undefined while none does. */
export function askGateway(world: World, question: GatewayQuestion): string | undefined {
  const { mac, netns, ifindex, ask } = question
  return located({ mac, netns }, () =>
    withNetlink(world, netns, (netlink) => {
      if (ask) {
        // An old answer proves nothing about now.
        netlink.transact([removeNeighbour(ifindex, question.gateway)], ['ENOENT'])
        sendDatagram(world, question)
      }
      const gateway = addressText(addressBytes(question.gateway))
      const known = netlink
        .dump(dumpNeighbours(), decodeNeighbour)
        .find((neighbour) => neighbour.ifindex === ifindex && neighbour.address === gateway)
      if (known === undefined || (known.state & (NUD_INCOMPLETE | NUD_FAILED)) !== 0) return
      return known.mac === '' ? undefined : known.mac
    }),
  )
}

function sendDatagram(world: World, { netns, name, ifindex, gateway }: GatewayQuestion): void {
  const to = socketAddress(gateway, ifindex)
  const family = to.length === 16 ? AF_INET : AF_INET6
  const fd = world.namespaces.use(netns, (netnsFd) =>
    world.namespaces.enter(netnsFd, () => socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0)),
  )
  try {
    setSocketOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${name}\0`))
    sendTo(fd, Buffer.alloc(1), to)
  } finally {
    close(fd)
  }
}

/** sockaddr_in, or sockaddr_in6 with the link as its scope. */
function socketAddress(address: string, ifindex: number): Buffer {
  const bytes = addressBytes(address)
  const sockaddr = Buffer.alloc(bytes.length === 4 ? 16 : 28)
  sockaddr.writeUInt16LE(bytes.length === 4 ? AF_INET : AF_INET6, 0)
  sockaddr.writeUInt16BE(DISCARD_PORT, 2)
  bytes.copy(sockaddr, bytes.length === 4 ? 4 : 8)
  if (bytes.length === 16) sockaddr.writeUInt32LE(ifindex, 24)
  return sockaddr
}
