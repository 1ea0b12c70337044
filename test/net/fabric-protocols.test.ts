// Goal: a rule lets in the protocol, the type and code, the ports that it names, and of packets that
// belong to no flow just the same; nothing beside. Method: packets of every kind made by hand, in
// both IP versions, heard or not by a packet socket of the receiver.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Rule } from '../../lab/fabric/fabric.ts'
import { everything, frame, type Guest, oracle, Rig, rule } from './fabric-rig.ts'
import { bytesOf, checksum, close, packetSocket, receive, send } from './fabric-sockets.ts'

let rig: Rig
let client: Guest
let web: Guest
let router: string

beforeAll(async () => {
  rig = await Rig.open('protocols')
  await rig.fabric.putGroup({ groupId: 'sg-client', rules: everything('egress') })
  await rig.fabric.putGroup({ groupId: 'sg-web', rules: [] })
  client = await rig.guest(10, ['sg-client'])
  web = await rig.guest(20, ['sg-web'])
  const netns = rig.fabric.netnsPath.replace('/run/netns/', '')
  const links = oracle('ip', '-n', netns, '-j', 'link')
  router = String(links.find(({ link_type }) => link_type === 'ether')?.address)
})
afterAll(() => rig.close())

let source = 30000
const SYN = 0x02

/** What an IP packet carries: its protocol number, and bytes whose checksum stands at `sum`. */
type Load = { readonly protocol: number; readonly bytes: Buffer; readonly sum?: number }

const raw = (protocol: number): Load => ({ protocol, bytes: Buffer.alloc(8) })
const tcpTo = (port: number, flags = SYN): Load => {
  const bytes = Buffer.alloc(20)
  bytes.writeUInt16BE(++source, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set([0x50, flags, 0x20, 0], 12)
  return { protocol: 6, bytes, sum: 16 }
}
const udpTo = (port: number): Load => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16BE(++source, 0)
  bytes.writeUInt16BE(port, 2)
  return { protocol: 17, bytes, sum: 6 }
}
const icmp = (protocol: 1 | 58, type: number, code: number): Load => {
  const bytes = Buffer.alloc(8)
  bytes.set([type, code, 0, 0, ...Buffer.of(++source >> 8, source & 255)])
  return { protocol, bytes, sum: 2 }
}
/** The same behind an IPv6 destination options header. */
const behindOptions = (load: Load): Load & { options: true } => ({ ...load, options: true })

function packet(from: string, to: string, load: Load, marker: string): Buffer {
  const [a, b] = [bytesOf(from), bytesOf(to)]
  const carried = Buffer.concat([load.bytes, Buffer.from(marker)])
  if (load.protocol === 17) carried.writeUInt16BE(carried.length, 4)
  if (load.sum !== undefined) {
    const pseudo = Buffer.concat([a, b, Buffer.of(0, load.protocol, 0, carried.length)])
    const covered = load.protocol === 1 ? carried : Buffer.concat([pseudo, carried])
    carried.writeUInt16BE(checksum(covered) || 0xffff, load.sum)
  }
  const options = 'options' in load
  const extension = options ? Buffer.of(load.protocol, 0, 1, 4, 0, 0, 0, 0) : Buffer.of()
  const [v4, length] = [a.length === 4, extension.length + carried.length]
  const head = v4
    ? Buffer.of(0x45, 0, 0, 20 + length, 0, 1, 0, 0, 64, load.protocol, 0, 0, ...a, ...b)
    : Buffer.of(0x60, 0, 0, 0, 0, length, options ? 60 : load.protocol, 64, ...a, ...b)
  if (v4) head.writeUInt16BE(checksum(head), 10)
  return Buffer.concat([head, extension, carried])
}

/** The names of those packets that reach the server while it has those rules. */
async function pass(version: 4 | 6, rules: Rule[], loads: Record<string, Load>): Promise<string[]> {
  await rig.fabric.putGroup({ groupId: 'sg-web', rules })
  const [from, to] = version === 4 ? [client.ipv4, web.ipv4] : [client.ipv6, web.ipv6]
  const ear = packetSocket(web.netns, web.ifindex)
  const mouth = packetSocket(client.netns, client.ifindex)
  const ethertype = version === 4 ? 0x800 : 0x86dd
  for (const [name, load] of Object.entries(loads)) {
    // An even number of bytes, as the checksum wants it.
    const marker = `<${name}>`.padEnd(40)
    send(mouth, frame(router, client.mac, ethertype, packet(from, to, load, marker)))
  }
  const heard = new Set<string>()
  for (let got = receive(ear); got !== undefined; got = receive(ear)) {
    for (const name of Object.keys(loads)) if (got.includes(`<${name}>`)) heard.add(name)
  }
  for (const each of [ear, mouth]) close(each)
  return Object.keys(loads).filter((name) => heard.has(name))
}

describe.each([
  [4, 1, '10.0.0.10/32', '0.0.0.0/0', { unreachable: 3, advert: 9, echo: 8 }],
  [6, 58, 'fd00:1::10/128', '::/0', { unreachable: 1, advert: 141, echo: 128 }],
] as const)('in IPv%s', (...[version, icmpNumber, peer, anywhere, types]) => {
  const all = (): Record<string, Load> => ({
    other: raw(252),
    tcp: tcpTo(80),
    udp: udpTo(80),
    echo: icmp(icmpNumber, types.echo, 0),
  })

  test('a rule by number lets in its protocol alone, and one for all of them lets in all', async () => {
    expect(await pass(version, [], all())).toEqual([])
    for (const number of [47, 89, 253]) {
      const loads = { ...all(), named: raw(number), next: raw(number + 1) }
      expect(await pass(version, [rule('ingress', number, peer)], loads)).toEqual(['named'])
    }
    const otherVersion = version === 4 ? '::/0' : '0.0.0.0/0'
    expect(await pass(version, [rule('ingress', 'all', otherVersion)], all())).toEqual([])
    expect(await pass(version, [rule('ingress', 'all', peer)], all())).toEqual(Object.keys(all()))
    // Of other protocols EC2 tracks the addresses and the number: this flow is the one from before.
    expect(await pass(version, [], all())).toEqual(['other'])
  })

  test('a port range has two ends, for its protocol', async () => {
    const ports = () => ({
      'tcp 79': tcpTo(79),
      'tcp 80': tcpTo(80),
      'tcp 90': tcpTo(90),
      'tcp 91': tcpTo(91),
      'udp 80': udpTo(80),
      'udp 90': udpTo(90),
    })
    const range = (protocol: 6 | 17) => [rule('ingress', protocol, anywhere, 80, 90)]
    expect(await pass(version, range(6), ports())).toEqual(['tcp 80', 'tcp 90'])
    expect(await pass(version, range(17), ports())).toEqual(['udp 80', 'udp 90'])
  })

  test('an ICMP rule means its type and code, of errors and adverts that nobody asked for too', async () => {
    const kinds = () => ({
      'unreachable 3': icmp(icmpNumber, types.unreachable, 3),
      'unreachable 4': icmp(icmpNumber, types.unreachable, 4),
      advert: icmp(icmpNumber, types.advert, 0),
      echo: icmp(icmpNumber, types.echo, 0),
      tcp: tcpTo(80),
    })
    const only = (type: number, code: number) =>
      pass(version, [rule('ingress', icmpNumber, peer, type, code)], kinds())
    expect(await only(types.unreachable, 4)).toEqual(['unreachable 4'])
    expect(await only(types.unreachable, -1)).toEqual(['unreachable 3', 'unreachable 4'])
    expect(await only(types.echo, 0)).toEqual(['echo'])
    expect(await only(-1, -1)).toEqual(['unreachable 3', 'unreachable 4', 'advert', 'echo'])
  })

  test('a TCP segment of no flow is judged by its port, whatever its flags', async () => {
    const segments = (port: number) =>
      Object.fromEntries(
        [0x12, 0x10, 0x11, 0x04, 0x00, 0x3f].map((flags) => [
          `${flags} to ${port}`,
          tcpTo(port, flags),
        ]),
      )
    const rules = [rule('ingress', 6, anywhere, 80)]
    const [open, closed] = [segments(80), segments(81)]
    expect(await pass(version, rules, { ...open, ...closed })).toEqual(Object.keys(open))
  })
})

test('an ENI of several groups lets in what any of them does, and no more when one goes', async () => {
  await rig.fabric.putGroup({ groupId: 'sg-more', rules: [rule('ingress', 6, 'sg-client', 81)] })
  const passes = () =>
    pass(4, [rule('ingress', 6, 'sg-client', 80)], {
      '80': tcpTo(80),
      '81': tcpTo(81),
      '82': tcpTo(82),
    })
  expect(await passes()).toEqual(['80'])
  for (const groupIds of [
    ['sg-web', 'sg-more'],
    ['sg-more', 'sg-web'],
  ]) {
    await rig.fabric.update({ ...web.port, groupIds })
    expect(await passes()).toEqual(['80', '81'])
  }
  await rig.fabric.update({ ...web.port, groupIds: ['sg-more'] })
  expect(await passes()).toEqual(['81'])
  await rig.fabric.update(web.port)
})

test('an extension header hides no port', async () => {
  const loads = () => ({
    open: behindOptions(udpTo(80)),
    closed: behindOptions(udpTo(81)),
    tcp: behindOptions(tcpTo(80)),
  })
  expect(await pass(6, [rule('ingress', 17, '::/0', 80)], loads())).toEqual(['open'])
})
