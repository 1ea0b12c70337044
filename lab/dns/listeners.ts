// The resolver inside the VPC: UDP and TCP sockets born in the fabric's namespace, at VPC+2 and at the
// two addresses that are the resolver's in every VPC. Whether packets get as far is the fabric's
// affair (openResolver): where DNS support is off, the port is closed.

import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server, type Socket as Stream } from 'node:net'
import { RESOLVER_IPV6, resolverAddress } from '../model/dns-name.ts'
import type { World } from '../model/world.ts'
import type { Resolver } from './resolver.ts'
import { Frames, frame } from './tcp-frames.ts'

/** Where the resolver is: at VPC+2 of the fabric's VPC, and where it is in every VPC. */
export function resolverAddresses({ vpcs, homeVpcId }: World): string[] {
  const vpc = vpcs.get(homeVpcId)
  const own = vpc === undefined ? [] : [resolverAddress(vpc)]
  return [...own, '169.254.169.253', RESOLVER_IPV6]
}

const PORT = 53
const CONNECTIONS_MAX = 256
/** A client that says nothing for so long has gone. */
const IDLE_MS = 10_000

/** Makes a serving socket in the fabric's namespace and gives its file descriptor. */
export type ServeInFabric = (
  address: string,
  port: number,
  protocol: 'tcp' | 'udp',
) => Promise<number>

/** What the resolver listens on. */
export type ResolverSockets = { close(): Promise<void> }

/** Opens the sockets at those addresses. The caller closes them before the fabric. */
export async function openResolver(
  serve: ServeInFabric,
  resolver: Resolver,
  addresses: readonly string[],
): Promise<ResolverSockets> {
  await using opened = new AsyncDisposableStack()
  for (const address of addresses) {
    const socket = await openUdp(await serve(address, PORT, 'udp'), address, resolver)
    opened.defer(() => new Promise<void>((resolve) => socket.close(() => resolve())))
    const { server, streams } = await openTcp(await serve(address, PORT, 'tcp'), resolver)
    opened.defer(
      () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          for (const stream of streams) stream.destroy()
        }),
    )
  }
  const kept = opened.move()
  return { close: () => kept.disposeAsync() }
}

async function openUdp(fd: number, address: string, resolver: Resolver): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  let isOpen = true
  socket.once('close', () => {
    isOpen = false
  })
  socket.on('message', (bytes, { address: from, port }) => {
    void resolver.answer(bytes, 'udp').then((answer) => {
      // The gate may drop it, or the guest be gone: its datagram is lost, as on any network.
      if (answer !== undefined && isOpen) socket.send(answer, port, from, () => {})
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ fd }, resolve)
  })
  socket.on('error', () => {}) // An ICMP error about some guest.
  return socket
}

async function openTcp(
  fd: number,
  resolver: Resolver,
): Promise<{ server: Server; streams: Set<Stream> }> {
  const streams = new Set<Stream>()
  const server = createServer((stream) => {
    streams.add(stream)
    stream.once('close', () => streams.delete(stream))
    converse(stream, resolver)
  })
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
  return { server, streams }
}

/** Answers what comes by one connection, one after the other. */
function converse(stream: Stream, resolver: Resolver): void {
  const frames = new Frames()
  let turn: Promise<void> = Promise.resolve()
  stream.setTimeout(IDLE_MS, () => stream.destroy())
  stream.on('error', () => stream.destroy())
  stream.on('data', (piece) => {
    const messages = frames.add(piece)
    if (messages.length === 0) return
    stream.pause() // No more is read than is answered.
    turn = turn.then(async () => {
      for (const message of messages) {
        const answer = await resolver.answer(message, 'tcp')
        if (stream.destroyed) return
        if (answer === undefined) return void stream.destroy()
        stream.write(frame(answer))
      }
      stream.resume()
    })
  })
}
