// Questions that are not the VPC's, passed on to the host's own name servers as they were asked: by
// the transport they came by, under an id and from a port of our own, so that nobody can guess an
// answer into one. The sockets are born in the host's namespace, from where no way leads into the
// fabric: what leaves here cannot come back as a question.

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect, isIP } from 'node:net'
import { answersTo, type Query } from './message.ts'
import { Frames, frame } from './tcp-frames.ts'

export type Transport = 'udp' | 'tcp'
export type NameServer = { readonly address: string; readonly port: number }

/** No name server has answered: why, in words for the log. */
export class Unresolved extends Error {}

/** As libc does it: the first three servers of resolv.conf, each asked once. */
const SERVERS_MAX = 3
const TIMEOUT_MS = 2000
/** More questions than this under way at once are not begun: each holds a socket. */
const IN_FLIGHT_MAX = 256

export class Upstream {
  readonly #servers: () => readonly NameServer[]
  #inFlight = 0

  /** Tests bring their own servers. */
  constructor(servers: () => readonly NameServer[] = hostsServers) {
    this.#servers = servers
  }

  /** The answer under the query's own id. Rejects with Unresolved when nobody gives one. */
  async ask(query: Query, transport: Transport): Promise<Buffer> {
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      throw new Unresolved(`${IN_FLIGHT_MAX} questions are under way to the host's name servers`)
    }
    this.#inFlight++
    try {
      return await this.#askEach(query, transport)
    } finally {
      this.#inFlight--
    }
  }

  async #askEach(query: Query, transport: Transport): Promise<Buffer> {
    const servers = this.#servers()
    if (servers.length === 0) throw new Unresolved('the host has no name server')
    const reasons: string[] = []
    for (const server of servers) {
      const id = randomInt(0x10000)
      const asked = Buffer.from(query.bytes)
      asked.writeUInt16BE(id, 0)
      const by = transport === 'udp' ? byUdp : byTcp
      try {
        const answer = await by(server, asked, (bytes) => answersTo(bytes, id, query))
        query.bytes.copy(answer, 0, 0, 2)
        return answer
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        reasons.push(`${server.address} port ${server.port}: ${reason}`)
      }
    }
    throw new Unresolved(reasons.join('; '))
  }
}

/** The name servers of the host's resolv.conf, as it is now: hosts change it. */
function hostsServers(): NameServer[] {
  let text: string
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8')
  } catch (error) {
    throw new Unresolved(error instanceof Error ? error.message : String(error))
  }
  return nameServersOf(text)
}

/** The name servers that a resolv.conf names, on port 53. */
export function nameServersOf(text: string): NameServer[] {
  const found = [...text.matchAll(/^nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address)
  return found
    .filter((address) => isIP(address.split('%', 1)[0] ?? '') !== 0)
    .slice(0, SERVERS_MAX)
    .map((address) => ({ address, port: 53 }))
}

type IsAnswer = (bytes: Buffer) => boolean

/** One datagram, and the first that answers it: a connected socket hears its server alone. */
function byUdp({ address, port }: NameServer, asked: Buffer, isAnswer: IsAnswer): Promise<Buffer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  return inTime(
    (resolve, reject) => {
      socket.on('error', reject)
      socket.on('message', (bytes) => {
        if (isAnswer(bytes)) resolve(bytes)
      })
      socket.once('connect', () => socket.send(asked))
      socket.connect(port, address)
    },
    () => socket.close(),
  )
}

function byTcp({ address, port }: NameServer, asked: Buffer, isAnswer: IsAnswer): Promise<Buffer> {
  const socket = connect(port, address)
  const frames = new Frames()
  return inTime(
    (resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('it closed the connection')))
      socket.on('data', (bytes) => {
        const answer = frames.add(bytes).find(isAnswer)
        if (answer !== undefined) resolve(answer)
      })
      socket.write(frame(asked))
    },
    () => socket.destroy(),
  )
}

async function inTime<T>(
  work: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  end: () => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => reject(new Error(`no answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  try {
    work(resolve, reject)
    return await promise
  } finally {
    clearTimeout(timer)
    end()
  }
}
