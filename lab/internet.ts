// The host on the lab's Internet: it tells over HTTP who asks, as seen from outside, sends back each
// datagram to port 7 (RFC 862), and is the name server there. Its sockets are born in its namespace.

import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:http'
import { openResolver } from './dns/listeners.ts'
import type { Resolver } from './dns/resolver.ts'
import type { LabFabric } from './fabric/open.ts'

const HTTP_PORT = 80
const ECHO_PORT = 7
const LIMITS = { requestTimeout: 5000, headersTimeout: 5000, maxHeaderSize: 8192 }

/** What of the fabric it stands on. */
export type InternetGround = Pick<LabFabric, 'ways' | 'listenIn'>

/** Opens it; what it gives closes it, and must be called before the fabric closes. */
export async function openInternet(
  fabric: InternetGround,
  names: Resolver,
): Promise<() => Promise<void>> {
  const { netnsPath, ipv4, ipv6 } = fabric.ways.internet
  await using opened = new AsyncDisposableStack()
  for (const address of [ipv4, ipv6]) {
    const server = await listen(await fabric.listenIn(netnsPath, address, HTTP_PORT))
    opened.defer(() => end(server))
    const echo = await bind(await fabric.listenIn(netnsPath, address, ECHO_PORT, 'udp'), address)
    opened.defer(() => void echo.close())
  }
  const serve = (address: string, port: number, protocol: 'tcp' | 'udp') =>
    fabric.listenIn(netnsPath, address, port, protocol)
  const server = await openResolver(serve, names, [ipv4, ipv6])
  opened.defer(() => server.close())
  const stack = opened.move()
  return () => stack.disposeAsync()
}

async function listen(fd: number): Promise<Server> {
  const server = createServer(LIMITS, (request, response) => {
    request.resume()
    response.setHeader('content-type', 'text/plain')
    response.end(`${request.socket.remoteAddress ?? ''}\n`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
  return server
}

async function bind(fd: number, address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address))
  // An answer that cannot be sent is a datagram lost: nobody waits for it here.
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.bind({ fd }, resolve))
  return socket
}

function end(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  return closed
}
