// IMDS inside the VPC: two listeners born in the fabric's namespace, at the addresses every instance
// knows. Who asks is told by the source address alone: it belongs to one ENI (the fabric lets no
// other pass), the ENI to one instance. An address of no instance, such as a probe's, gets 404.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setHopLimit } from '../fabric/hop-limit.ts'
import { holdings, prefixAround } from '../model/addresses.ts'
import { formatAddress, parseAddress } from '../model/cidr.ts'
import { metadataOptionsOf } from '../model/metadata-options.ts'
import { instanceOf } from '../model/network-interface.ts'
import type { Instance, World } from '../model/world.ts'
import { type ImdsAnswer, refuse } from './answer.ts'
import type { Imds } from './imds.ts'

/** Where IMDS is, in every VPC. */
export const IMDS_ADDRESSES = ['169.254.169.254', 'fd00:ec2::254'] as const

/** Makes a listening socket in the fabric's namespace and gives its file descriptor. */
export type ListenInFabric = (address: string, port: number) => Promise<number>

/** Opens the listeners. The caller closes them before the fabric. */
export async function openImds(
  listen: ListenInFabric,
  world: () => World,
  imds: Imds,
): Promise<Server[]> {
  const servers: Server[] = []
  for (const address of IMDS_ADDRESSES) {
    const fd = await listen(address, 80)
    const server = createServer(ANSWER_LIMITS, (request, response) => {
      respond(request, response, answer(world(), imds, request))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, resolve)
    })
    servers.push(server)
  }
  return servers
}

/** Closes the listeners and every connection on them. */
export async function closeImds(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map((server) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    }),
  )
}

/** The instance that has the ENI with that address, alone or in a prefix, if any. */
export function instanceAt(world: World, remote: string): Instance | undefined {
  const plain = remote.replace(/^::ffff:(?=\d+\.)/, '')
  const family = plain.includes(':') ? 6 : 4
  const address = parseAddress(family, plain)
  if (address === undefined) return undefined
  const text = formatAddress(family, address)
  const around = prefixAround(family, address)
  for (const eni of world.enis.values()) {
    if (eni.vpcId !== world.homeVpcId) continue
    const { addresses, prefixes } = holdings(eni, family)
    if (addresses.includes(text) || prefixes.includes(around)) return instanceOf(world, eni)
  }
  return undefined
}

const ANSWER_LIMITS = { requestTimeout: 5000, headersTimeout: 5000, maxHeaderSize: 8192 }

function answer(world: World, imds: Imds, request: IncomingMessage): ImdsAnswer | undefined {
  const host = (request.headers.host ?? '').replace(/:80$/, '')
  if (!IMDS_ADDRESSES.some((address) => host === address || host === `[${address}]`)) {
    return refuse(403, `Forbidden: the Host header must be ${IMDS_ADDRESSES[0]}`)
  }
  const instance = instanceAt(world, request.socket.remoteAddress ?? '')
  if (instance === undefined)
    return refuse(404, 'Not Found: this address is no instance of the lab')
  if (isIpv6(request) && metadataOptionsOf(instance).httpProtocolIpv6 === 'disabled')
    return undefined
  const { method = '', url: path = '', headers } = request
  return imds.answer(instance, { method, path, headers })
}

function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: ImdsAnswer | undefined,
): void {
  if (answer === undefined) request.socket.destroy()
  if (answer === undefined || request.socket.destroyed) return
  request.resume()
  const { hopLimit } = answer
  if (hopLimit !== undefined) {
    setHopLimit(fdOf(request), isIpv6(request) ? 'ipv6' : 'ipv4', hopLimit)
    response.setHeader('connection', 'close') // The socket keeps the limit: it serves no other request.
  }
  const length = String(Buffer.byteLength(answer.body))
  response.writeHead(answer.status, { ...answer.headers, 'content-length': length })
  response.end(request.method === 'HEAD' ? '' : answer.body)
}

const isIpv6 = ({ socket }: IncomingMessage): boolean => socket.remoteFamily === 'IPv6'

/**
 * The file descriptor of a request's connection. Node has no word for it nor for IP_TTL; its handle
 * has had this field since Node 0.x, on every system but Windows.
 */
function fdOf({ socket }: IncomingMessage): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null }
  if (handle?.fd === undefined || handle.fd < 0) throw new Error('the connection has no handle')
  return handle.fd
}
