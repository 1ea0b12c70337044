// Goal: a delegated prefix is its port's, whole and alone: every address of it leads there, may be
// sent from there and from nowhere else, and counts as a private address of its groups. Method:
// guests whose namespaces take all of a prefix as their own, datagrams both ways, whole frames for
// what a guest may not send.

import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Port, PortEvent } from '../../lab/fabric/fabric.ts'
import { withinPath } from '../../lab/fabric/namespace.ts'
import { datagram, everything, frame, type Guest, ip, oracle, Rig, rule } from './fabric-rig.ts'
import {
  acceptTcp,
  bytesOf,
  close,
  connectTcp,
  hears,
  listenTcp,
  packetSocket,
  receive,
  send,
  tcp,
  udpSocket,
} from './fabric-sockets.ts'

const PREFIXES = ['10.0.0.32/28', 'fd00:1:0:0:7::/80']
/** First, middle, last of each, and the nearest that are not of it. */
const INSIDE = ['10.0.0.32', '10.0.0.40', '10.0.0.47', 'fd00:1:0:0:7::', 'fd00:1::7:ffff:ffff:ffff']
const OUTSIDE = ['10.0.0.31', '10.0.0.48', 'fd00:1::6:ffff:ffff:ffff', 'fd00:1:0:0:8::']

const REACHED = { groupId: 'sg-reached', rules: [rule('ingress', 6, 'sg-server', 80, 81)] }

let rig: Rig
let holder: Guest
let server: Guest
let other: Guest
let router: string
let listeners: number[]

const nameOf = (netns: string): string => netns.replace('/run/netns/', '')
const ofOne = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`
/** Makes a guest answer for all of a block, or no longer. */
const own = (verb: 'add' | 'del', guest: Guest, ...blocks: string[]): void => {
  for (const block of blocks) {
    ip('-n', nameOf(guest.netns), 'route', verb, 'local', block, 'dev', 'lo')
  }
}
/** Lets a namespace bind what a route alone makes its own: IPv6 asks for an address else. */
function mayBindAny(netns: string): void {
  const path = '/proc/sys/net/ipv6/ip_nonlocal_bind'
  withinPath(netns, () => writeFileSync(path, '1'))
}
const prefixed = (prefixes: readonly string[], change: Partial<Port> = {}): Port => ({
  ...holder.port,
  prefixes,
  ...change,
})

beforeAll(async () => {
  rig = await Rig.open('prefix')
  await rig.fabric.putGroup({ groupId: 'sg-holder', rules: everything('egress') })
  await rig.fabric.putGroup({ groupId: 'sg-other', rules: everything('egress') })
  await rig.fabric.putGroup({
    groupId: 'sg-server',
    rules: [rule('ingress', 'all', 'sg-holder'), ...everything('egress')],
  })
  await rig.fabric.putGroup(REACHED)
  holder = await rig.guest(10, ['sg-holder', 'sg-reached'], { prefixes: PREFIXES })
  server = await rig.guest(20, ['sg-server'])
  other = await rig.guest(30, ['sg-other'])
  own('add', holder, ...PREFIXES, ...OUTSIDE.map(ofOne))
  for (const { netns } of [holder, other]) mayBindAny(netns)
  listeners = [80, 81].map((port) => listenTcp(holder.netns, '::', port)) // Both versions.
  const netns = nameOf(rig.fabric.netnsPath)
  const links = oracle('ip', '-n', netns, '-j', 'link')
  router = String(links.find(({ link_type }) => link_type === 'ether')?.address)
  // The holder's link-local address, from which it asks for its router, is tentative for a second.
  const { fd, answer } = connectTcp(server.netns, 'fd00:1::7:0:0:1', 80, 4000)
  expect(answer, 'the first packets').toBe('open')
  close(fd)
})
afterAll(async () => {
  listeners.forEach(close)
  await rig.close()
})

/** Which of the addresses answer the server on TCP 80. */
const answering = (addresses: readonly string[], from = server): string[] =>
  addresses.filter((address) => tcp(from.netns, address, 80) === 'open')

/** Which of the addresses a guest sends from, by a socket, so that the server hears it. */
function heardFrom(addresses: readonly string[], guest: Guest): string[] {
  return addresses.filter((from) => {
    const to = from.includes(':') ? server.ipv6 : server.ipv4
    const ear = udpSocket(server.netns, to, 54)
    const mouth = udpSocket(guest.netns, from, 0)
    send(mouth, Buffer.from(`<${from}>`), to, 54)
    const heard = receive(ear)?.toString() === `<${from}>`
    close(ear)
    close(mouth)
    return heard
  })
}

// P260
test('leads every address of it to its port, first and last, and none beside it', () => {
  expect(answering([...INSIDE, ...OUTSIDE])).toEqual(INSIDE)
})

// P261
test('counts as private addresses of the groups its port wears: rules that name them let it in', () => {
  expect(heardFrom([...INSIDE, ...OUTSIDE], holder)).toEqual(INSIDE)
  own('add', other, ...INSIDE.map(ofOne))
  try {
    expect(answering(INSIDE, other), 'who is of no group that a rule names').toEqual([])
    expect(heardFrom(INSIDE, other), 'who takes the addresses for its own').toEqual([])
  } finally {
    own('del', other, ...INSIDE.map(ofOne))
  }
})

// P261
test('is nobody else’s to send from: neither packets nor ARP under its addresses pass', () => {
  const ear = packetSocket(server.netns, server.ifindex)
  const mouths = [holder, other].map((guest) => packetSocket(guest.netns, guest.ifindex))
  for (const from of INSIDE) {
    const [to, type] = from.includes(':') ? [server.ipv6, 0x86dd] : [server.ipv4, 0x800]
    for (const [at, guest] of [holder, other].entries()) {
      const words = `<${from} of ${guest.port.eniId}>`
      send(mouths[at] ?? -1, frame(router, guest.mac, type, datagram(from, to, 54, words)))
    }
  }
  const heard = new Set<string>()
  for (let got = receive(ear); got !== undefined; got = receive(ear)) {
    for (const [words] of got.toString('latin1').matchAll(/<\S+ of eni-\d+>/g)) heard.add(words)
  }
  expect([...heard]).toEqual(INSIDE.map((from) => `<${from} of eni-10>`))
  const asks = ({ mac }: Guest, from: string): Buffer =>
    frame('ff:ff:ff:ff:ff:ff', mac, 0x806, arp(mac, from, '10.0.0.1'))
  for (const [at, guest] of [holder, other].entries()) {
    const answers = INSIDE.filter((each) => !each.includes(':')).map((from) => {
      send(mouths[at] ?? -1, asks(guest, from))
      return hears(mouths[at] ?? -1, arpAnswer(guest.mac, from))
    })
    expect(answers, guest.port.eniId).toEqual(answers.map(() => guest === holder))
  }
  for (const fd of [ear, ...mouths]) close(fd)
})

// P262
test('passes nothing once it is taken away, a flow that ran neither, not even when it comes back', async () => {
  const flows = ['10.0.0.40', 'fd00:1::7:0:0:1'].map((to) => {
    const { fd, answer } = connectTcp(server.netns, to, 81)
    expect(answer, to).toBe('open')
    return { fd, end: acceptTcp(listeners[1] ?? -1) }
  })
  const arrives = (): boolean[] =>
    flows.map(({ fd, end }) => {
      send(fd, Buffer.from('more'))
      return receive(end)?.toString() === 'more'
    })
  await rig.fabric.putGroup({ ...REACHED, rules: [] })
  expect(arrives(), 'what was agreed goes on without its rule').toEqual([true, true])
  await rig.fabric.update(prefixed([]))
  expect(arrives()).toEqual([false, false])
  await rig.fabric.update(prefixed(PREFIXES))
  expect(arrives(), 'and is forgotten with the prefix').toEqual([false, false])
  await rig.fabric.putGroup(REACHED)
  await rig.fabric.update(prefixed([]))
  expect(answering(INSIDE)).toEqual([])
  expect(heardFrom(INSIDE, holder)).toEqual([])
  const own = [holder.ipv4, holder.ipv6]
  expect(answering(own), 'its own addresses').toEqual(own)
  await rig.fabric.update(prefixed(PREFIXES))
  expect(answering(INSIDE)).toEqual(INSIDE)
  for (const { fd, end } of flows) for (const each of [fd, end]) close(each)
})

test('goes with its port, and may be another’s then', async () => {
  const port = rig.port(100, rig.netns('g100'), {
    groupIds: ['sg-reached'],
    prefixes: ['10.0.0.64/28'],
  })
  await rig.fabric.plug(port)
  await rig.fabric.unplug(port.eniId)
  await rig.fabric.update(prefixed([...PREFIXES, '10.0.0.64/28']))
  own('add', holder, '10.0.0.64/28')
  expect(answering(['10.0.0.70'])).toEqual(['10.0.0.70'])
  await rig.fabric.update(prefixed(PREFIXES))
})

test('is its port’s still when the link died with its namespace and was plugged again', async () => {
  const [home, task] = [rig.netns('home'), rig.netns('task')]
  const wish = { groupIds: ['sg-reached'], prefixes: ['10.0.0.80/28'] }
  const port = rig.port(101, home, wish)
  const { name } = await rig.fabric.plug(port)
  ip('-n', nameOf(home), 'link', 'set', name, 'netns', nameOf(task))
  const replugged = new Promise<PortEvent>((resolve) => rig.fabric.onEvent(resolve))
  ip('netns', 'del', nameOf(task))
  expect(await replugged).toMatchObject({ what: 'replugged' })
  const [link] = oracle('ip', '-n', nameOf(home), '-j', 'link').filter(
    ({ address }) => address === port.mac,
  )
  const guest = rig.configure(port, String(link?.ifname))
  own('add', guest, '10.0.0.80/28')
  listeners.push(listenTcp(guest.netns, '::', 80))
  expect(answering(['10.0.0.79', '10.0.0.80', '10.0.0.95', '10.0.0.96'])).toEqual([
    '10.0.0.80',
    '10.0.0.95',
  ])
})

test.each([
  [{ prefixes: ['10.0.0.16/28'] }, /prefix 10\.0\.0\.16\/28 shares an address with eni-20/],
  [{ prefixes: ['10.0.0.32/28'] }, /prefix 10\.0\.0\.32\/28 shares an address with eni-10/],
  [{ prefixes: [], ipv4: ['10.0.0.45'] }, /prefix 10\.0\.0\.32\/28 shares an address with eni-10/],
  [{ prefixes: [], ipv6: ['fd00:1::7:0:0:9'] }, /prefix fd00:1:0:0:7::\/80 shares an address/],
  [{ prefixes: ['10.0.0.64/27'] }, /prefix 10\.0\.0\.64\/27 must be a \/28/],
  [{ prefixes: ['fd00:1:0:0:9::/64'] }, /prefix fd00:1:0:0:9::\/64 must be a \/80/],
  [{ prefixes: ['10.0.0.65/28'] }, /prefix 10\.0\.0\.65\/28 must begin at 10\.0\.0\.64/],
] as const)('%j beside other ports is refused by name', async (change, message) => {
  await expect(rig.fabric.update({ ...other.port, ...change })).rejects.toThrow(message)
  await expect(rig.fabric.plug(rig.port(50, '/proc/self/ns/net', change))).rejects.toThrow(message)
  expect(answering(INSIDE)).toEqual(INSIDE)
})

/** An ARP request of that sender. */
function arp(mac: string, from: string, to: string): Buffer {
  const header = Buffer.of(0, 1, 8, 0, 6, 4, 0, 1)
  return Buffer.concat([header, macOf(mac), bytesOf(from), Buffer.alloc(6), bytesOf(to)])
}

/** How the router's answer to it ends. */
const arpAnswer = (mac: string, from: string): Buffer =>
  Buffer.concat([bytesOf('10.0.0.1'), macOf(mac), bytesOf(from)])

const macOf = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')
