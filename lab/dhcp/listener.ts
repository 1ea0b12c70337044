// DHCP inside the VPC: one UDP socket in the fabric's namespace for everybody. The fabric gives a
// question the address of the ENI it came from (lab/fabric/services.ts), so the answer goes to that
// ENI alone, by its own route; there is no broadcast, as there is none in a VPC.

import { createSocket } from 'node:dgram'
import type { World } from '../model/world.ts'
import { answerDhcp } from './lease.ts'
import { readRequest, writeReply } from './message.ts'

const [SERVER_PORT, CLIENT_PORT] = [67, 68]

/** Makes a serving UDP socket in the fabric's namespace and gives its file descriptor. */
export type DatagramsInFabric = (address: string, port: number) => Promise<number>

/** Opens the socket; the caller closes it before the fabric. */
export async function openDhcp(
  serve: DatagramsInFabric,
  world: () => World,
  log: { error(fields: object, words: string): void },
): Promise<{ close(): Promise<void> }> {
  const socket = createSocket('udp4')
  const fd = await serve('0.0.0.0', SERVER_PORT)
  socket.on('message', (bytes, { address }) => {
    try {
      const request = readRequest(bytes)
      const reply = request === undefined ? undefined : answerDhcp(world(), request, address)
      // Whom it does not reach asks again.
      if (reply !== undefined) socket.send(writeReply(reply), CLIENT_PORT, address, () => {})
    } catch (error) {
      log.error({ err: error, address }, 'a defect of DHCP')
    }
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ fd }, resolve)
  })
  socket.on('error', () => {}) // An ICMP error about some guest.
  return { close: () => new Promise<void>((resolve) => socket.close(() => resolve())) }
}
