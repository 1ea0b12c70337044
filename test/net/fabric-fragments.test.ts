// Goal: a packet in fragments is judged as the whole that it is, in both IP versions: no piece of it
// is a way past a gate, and no piece of somebody else's gets into it. Method: fragments made by hand
// from packet sockets, heard (or not) by a packet socket and a UDP socket of the receiver.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { datagram, everything, frame, type Guest, oracle, Rig, rule } from './fabric-rig.ts'
import {
  bytesOf,
  checksum,
  close,
  hears,
  listenTcp,
  packetSocket,
  receive,
  send,
  udpSocket,
} from './fabric-sockets.ts'

const [OPEN, CLOSED] = [53, 54]
let rig: Rig
let client: Guest
let web: Guest
let thief: Guest
let router: string

beforeAll(async () => {
  rig = await Rig.open('fragments')
  await rig.fabric.putGroup({ groupId: 'sg-client', rules: everything('egress') })
  const rules = [17, 6].map((protocol) => rule('ingress', protocol, 'sg-client', OPEN))
  await rig.fabric.putGroup({ groupId: 'sg-web', rules })
  client = await rig.guest(10, ['sg-client'])
  web = await rig.guest(20, ['sg-web'])
  thief = await rig.guest(30, ['sg-client'])
  const netns = rig.fabric.netnsPath.replace('/run/netns/', '')
  const links = oracle('ip', '-n', netns, '-j', 'link')
  router = String(links.find(({ link_type }) => link_type === 'ether')?.address)
})
afterAll(() => rig.close())

type Piece = { readonly at: number; readonly bytes: Buffer; readonly more: boolean }
let lastId = 4000

/** An IP packet as fragments: the pieces of what it carries, each with a header of its own. */
function fragments(packet: Buffer, pieces: readonly Piece[], id: number): Buffer[] {
  return pieces.map(({ at, bytes, more }) => {
    if (packet.readUInt8(0) >> 4 === 4) {
      const head = Buffer.from(packet.subarray(0, 20))
      head.writeUInt16BE(20 + bytes.length, 2)
      head.writeUInt16BE(id, 4)
      head.writeUInt16BE((more ? 0x2000 : 0) | (at >> 3), 6)
      head.writeUInt16BE(0, 10)
      head.writeUInt16BE(checksum(head), 10)
      return Buffer.concat([head, bytes])
    }
    const head = Buffer.from(packet.subarray(0, 40))
    const extension = Buffer.of(head.readUInt8(6), 0, 0, 0, 0, 0, 0, 0)
    extension.writeUInt16BE(at | (more ? 1 : 0), 2)
    extension.writeUInt32BE(id, 4)
    head.writeUInt16BE(8 + bytes.length, 4)
    head[6] = 44
    return Buffer.concat([head, extension, bytes])
  })
}

/** What the packet carries, cut at those bytes. */
function cut(packet: Buffer, ...at: number[]): Piece[] {
  const carried = packet.subarray(packet.readUInt8(0) >> 4 === 4 ? 20 : 40)
  const edges = [0, ...at, carried.length]
  return edges.slice(0, -1).map((from, n) => ({
    at: from,
    bytes: carried.subarray(from, edges[n + 1]),
    more: n < edges.length - 2,
  }))
}

function put(from: Guest, packets: readonly Buffer[]): void {
  const mouth = packetSocket(from.netns, from.ifindex)
  for (const packet of packets) {
    const ethertype = packet.readUInt8(0) >> 4 === 4 ? 0x800 : 0x86dd
    send(mouth, frame(router, from.mac, ethertype, packet))
  }
  close(mouth)
}

/** Whether any part of what those packets hold is heard on the receiver's link. */
function leaks(marker: string, ...by: [from: Guest, packets: readonly Buffer[]][]): boolean {
  const ear = packetSocket(web.netns, web.ifindex)
  for (const [from, packets] of by) put(from, packets)
  const heard = hears(ear, marker)
  close(ear)
  return heard
}

describe.each([
  ['IPv4', (guest: Guest) => guest.ipv4, true],
  ['IPv6', (guest: Guest) => guest.ipv6, false],
] as const)('over %s', (...[, address, splitsHeaders]) => {
  const words = (marker: string): string => marker.repeat(200)
  const packet = (port: number, marker: string): Buffer =>
    datagram(address(client), address(web), port, words(marker))

  test('a datagram to an open port arrives whole, in whatever order its fragments come', () => {
    const receiver = udpSocket(web.netns, address(web), OPEN)
    const whole = packet(OPEN, 'in order')
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const parts = fragments(whole, cut(whole, 8, 800), ++lastId)
      put(
        client,
        order.map((n) => parts[n] ?? Buffer.of()),
      )
      expect(receive(receiver)?.toString(), String(order)).toBe(words('in order'))
    }
    close(receiver)
  })

  test('it goes on in fragments no larger than those that came', () => {
    const whole = packet(OPEN, 'pieces of 30 bytes, 200 times;')
    const parts = fragments(whole, cut(whole, 2000, 4000), ++lastId)
    const ear = packetSocket(web.netns, web.ifindex)
    put(client, parts)
    const heard: number[] = []
    for (let got = receive(ear); got !== undefined; got = receive(ear)) {
      if (got.includes('pieces')) heard.push(got.length - 14)
    }
    close(ear)
    expect(heard.length).toBeGreaterThan(1)
    expect(Math.max(...heard)).toBeLessThanOrEqual(Math.max(...parts.map((each) => each.length)))
  })

  // P225
  test('of one to a closed port nothing arrives, not its later fragments either', () => {
    const whole = packet(CLOSED, 'closed')
    for (const at of [8, 400]) {
      const parts = fragments(whole, cut(whole, at), ++lastId)
      expect(leaks('closed', [client, parts])).toBe(false)
      expect(leaks('closed', [client, parts.toReversed()])).toBe(false)
    }
  })

  test('fragments that make no whole never arrive, wherever the first one points', () => {
    const whole = packet(OPEN, 'torn')
    const [first, middle, last] = fragments(whole, cut(whole, 400, 800), ++lastId)
    const [a, b, c] = [first, middle, last].map((each) => each ?? Buffer.of())
    expect(leaks('torn', [client, [b ?? Buffer.of()]])).toBe(false)
    expect(leaks('torn', [client, [c ?? Buffer.of()]])).toBe(false)
    const other = fragments(whole, cut(whole, 400, 800), ++lastId)
    expect(leaks('torn', [client, other.slice(0, 2)])).toBe(false)
    expect(leaks('torn', [client, [a ?? Buffer.of()]]), 'now the first one is whole').toBe(true)
  })

  test('fragments that overlap are dropped; a copy inside another changes nothing', () => {
    const [open, closed] = [packet(OPEN, 'lap'), packet(CLOSED, 'lap')]
    for (const [one, two] of [
      [open, closed],
      [closed, open],
    ] as const) {
      const [first, last] = cut(one, 400)
      for (const [length, passes] of [
        [600, false],
        [200, one === open],
      ] as const) {
        const [again] = cut(two, length)
        const pieces = [first, again, last].flatMap((each) => (each ? [each] : []))
        const parts = fragments(one, pieces, ++lastId)
        expect(leaks('lap', [client, parts]), `${length}`).toBe(passes)
      }
    }
  })

  test('a TCP header in two fragments is judged by its port, or dropped as RFC 8200 wants it', () => {
    const listener = [OPEN, CLOSED].map((port) => listenTcp(web.netns, address(web), port))
    const answered = [OPEN, CLOSED].map((port) => {
      const ear = packetSocket(client.netns, client.ifindex)
      const syn = synTo(address(client), address(web), port)
      put(client, fragments(syn, cut(syn, 8), ++lastId))
      // The answer comes from that port to ours, with SYN and ACK.
      const ports = Buffer.of(0, port, 0x9c, 0x40)
      const heard = hears(ear, ports)
      close(ear)
      return heard
    })
    listener.forEach(close)
    expect(answered).toEqual([splitsHeaders, false])
  })

  // P225
  test("somebody else's fragment gets into no packet, under whoever's address it is sent", () => {
    const whole = packet(OPEN, 'a')
    const pieces = cut(whole, 40, 80)
    for (const foreign of [0, 1, 2]) {
      const parts = fragments(whole, pieces, ++lastId)
      const sent = parts.map((part, n): [Guest, Buffer[]] => [
        n === foreign ? thief : client,
        [part],
      ])
      expect(leaks('aaaa', ...sent), `piece ${foreign}`).toBe(false)
    }
    expect(leaks('aaaa', [client, fragments(whole, pieces, ++lastId)]), 'all its own').toBe(true)
  })
})

/** A TCP SYN from port 40000. */
function synTo(from: string, to: string, port: number): Buffer {
  const tcp = Buffer.alloc(20)
  tcp.writeUInt16BE(40000, 0)
  tcp.writeUInt16BE(port, 2)
  tcp.writeUInt32BE(++lastId, 4)
  tcp.set([0x50, 0x02, 0x20, 0], 12)
  const [source, destination] = [bytesOf(from), bytesOf(to)]
  tcp.writeUInt16BE(
    checksum(Buffer.concat([source, destination, Buffer.of(0, 6, 0, 20), tcp])) || 0xffff,
    16,
  )
  const v4 = source.length === 4
  const head = Buffer.alloc(v4 ? 20 : 40)
  head.set(v4 ? [0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6] : [0x60, 0, 0, 0, 0, 20, 6, 64])
  head.set(source, v4 ? 12 : 8)
  head.set(destination, v4 ? 16 : 24)
  if (v4) head.writeUInt16BE(checksum(head), 10)
  return Buffer.concat([head, tcp])
}
