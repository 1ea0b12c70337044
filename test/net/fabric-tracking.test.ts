// Goal: each ENI remembers a flow, or does not, as EC2 documents it ("Security group connection
// tracking"): what a tracked flow agreed goes on when a rule goes, an untracked one ends there and
// then, and one end of a flow never answers for the other. Method: flows between two guests over
// TCP and UDP in both IP versions; rules are changed, and words are sent both ways.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Rule } from '../../lab/fabric/fabric.ts'
import { everything, type Guest, Rig, rule } from './fabric-rig.ts'
import {
  acceptTcp,
  close,
  connectTcp,
  listenTcp,
  packetSocket,
  ping,
  receive,
  send,
  tcp,
  udpSocket,
} from './fabric-sockets.ts'

const PORT = 80
const OUT = everything('egress')
const IN = everything('ingress')
let rig: Rig
let client: Guest
let server: Guest
const listeners: number[] = []

const clientHas = (...rules: Rule[]) => rig.fabric.putGroup({ groupId: 'sg-client', rules })
const serverHas = (...rules: Rule[]) => rig.fabric.putGroup({ groupId: 'sg-server', rules })

beforeAll(async () => {
  rig = await Rig.open('tracking')
  for (const groupId of ['sg-client', 'sg-server', 'sg-more']) {
    await rig.fabric.putGroup({ groupId, rules: [] })
  }
  client = await rig.guest(10, ['sg-client'])
  server = await rig.guest(20, ['sg-server'])
  for (const address of [server.ipv4, server.ipv6]) {
    listeners.push(listenTcp(server.netns, address, PORT))
  }
})
beforeEach(async () => {
  await rig.fabric.update(server.port)
  await rig.fabric.putGroup({ groupId: 'sg-more', rules: [] })
})
afterAll(async () => {
  listeners.forEach(close)
  await rig.close()
})

/** A flow that the client began and both ends have spoken on. */
type Flow = { there(): boolean; back(): boolean; end(): void }
let words = 0

function says(from: number, to: number, address?: string, port?: number): boolean {
  const word = `word ${++words};`
  send(from, Buffer.from(word), address, port)
  for (let got = receive(to); got !== undefined; got = receive(to)) {
    if (got.includes(word)) return true
  }
  return false
}

function overTcp(to: string): Flow {
  const listener = listeners[to === server.ipv4 ? 0 : 1] ?? -1
  const { fd, answer } = connectTcp(client.netns, to, PORT)
  expect(answer).toBe('open')
  const accepted = acceptTcp(listener)
  return {
    there: () => says(fd, accepted),
    back: () => says(accepted, fd),
    end: () => [fd, accepted].forEach(close),
  }
}

let source = 20000

function overUdp(to: string): Flow {
  const mine = to === server.ipv4 ? client.ipv4 : client.ipv6
  const port = ++source
  const [near, far] = [udpSocket(client.netns, mine, port), udpSocket(server.netns, to, PORT)]
  return {
    there: () => says(near, far, to, PORT),
    back: () => says(far, near, mine, port),
    end: () => [near, far].forEach(close),
  }
}

/** Begins a flow while the ends have those rules; it works. */
async function flow(open: () => Flow, clientRules: Rule[], serverRules: Rule[]): Promise<Flow> {
  await clientHas(...clientRules)
  await serverHas(...serverRules)
  const begun = open()
  expect([begun.there(), begun.back()], 'at first').toEqual([true, true])
  return begun
}

describe.each([
  ['TCP', 'IPv4', 6, () => overTcp(server.ipv4), '0.0.0.0/0', () => `${client.ipv4}/32`],
  ['UDP', 'IPv4', 17, () => overUdp(server.ipv4), '0.0.0.0/0', () => `${client.ipv4}/32`],
  ['TCP', 'IPv6', 6, () => overTcp(server.ipv6), '::/0', () => `${client.ipv6}/128`],
  ['UDP', 'IPv6', 17, () => overUdp(server.ipv6), '::/0', () => `${client.ipv6}/128`],
] as const)('a %s flow over %s', (...[, , protocol, open, anywhere, narrow]) => {
  const fromAnywhere = rule('ingress', protocol, anywhere, PORT)
  const fromClient = (): Rule => rule('ingress', protocol, narrow(), PORT)

  // P224
  test('let in from one address goes on when its rule goes, and when all rules go', async () => {
    const it = await flow(open, OUT, [fromClient(), ...OUT])
    await serverHas(...OUT)
    expect([it.there(), it.back()]).toEqual([true, true])
    await serverHas()
    await clientHas()
    expect([it.there(), it.back()]).toEqual([true, true])
    it.end()
  })

  // P224
  test('let in from anywhere, all answers let out, ends with its rule and comes back', async () => {
    const it = await flow(open, OUT, [fromAnywhere, ...OUT])
    await serverHas(...OUT)
    expect([it.there(), it.back()], 'the answers are let out as ever').toEqual([false, true])
    await serverHas(fromClient(), ...OUT)
    expect(it.back()).toBe(true)
    if (protocol === 17) expect(it.there(), 'a narrower rule lets it in').toBe(true)
    await serverHas(fromAnywhere)
    expect(it.back(), 'no rule lets answers out').toBe(false)
    it.end()
  })

  test('let in from anywhere is tracked where not all answers are let out', async () => {
    for (const answers of [
      [],
      [rule('egress', protocol, anywhere, 1, 65535)],
      [rule('egress', protocol === 6 ? 17 : 6, anywhere, 0, 65535)],
      [rule('egress', 'all', anywhere === '::/0' ? '0.0.0.0/0' : '::/0')],
      [rule('egress', 'all', narrow())],
    ]) {
      const it = await flow(open, OUT, [fromAnywhere, ...answers])
      await serverHas()
      expect([it.there(), it.back()], JSON.stringify(answers)).toEqual([true, true])
      it.end()
    }
  })

  test('is untracked by a rule for every port of its protocol as by one for all', async () => {
    const it = await flow(open, OUT, [fromAnywhere, rule('egress', protocol, anywhere, 0, 65535)])
    await serverHas(fromAnywhere)
    expect([it.there(), it.back()]).toEqual([true, false])
    it.end()
  })

  // P224
  test('is untracked by who began it alone: the other end remembers, and the other way', async () => {
    const it = await flow(open, [...OUT, ...IN], [fromClient()])
    await serverHas()
    expect([it.there(), it.back()]).toEqual([true, true])
    await clientHas(...OUT)
    expect([it.there(), it.back()], 'no rule lets answers in').toEqual([true, false])
    await clientHas(...IN)
    expect(it.there(), 'no rule lets it out').toBe(false)
    it.end()
    const remembered = await flow(open, [...OUT, ...IN], [fromAnywhere])
    await serverHas()
    expect([remembered.there(), remembered.back()]).toEqual([true, true])
    remembered.end()
    const other = await flow(open, OUT, [fromAnywhere, ...OUT])
    await clientHas()
    expect([other.there(), other.back()]).toEqual([true, true])
    await serverHas(fromAnywhere)
    expect([other.there(), other.back()]).toEqual([true, false])
    other.end()
  })

  test('is untracked where one of several groups makes it so, wherever the others are', async () => {
    const more = (...rules: Rule[]) => rig.fabric.putGroup({ groupId: 'sg-more', rules })
    await rig.fabric.update({ ...server.port, groupIds: ['sg-server', 'sg-more'] })
    await more(fromAnywhere)
    const it = await flow(open, OUT, [fromClient(), ...OUT])
    await more()
    expect(it.there(), 'the narrower rule lets it in').toBe(true)
    await serverHas(...OUT)
    expect(it.there()).toBe(false)
    it.end()
  })

  test('goes on or ends in the same way when the groups of an ENI are changed', async () => {
    for (const [rules, goesOn] of [
      [[fromClient(), ...OUT], true],
      [[fromAnywhere, ...OUT], false],
    ] as const) {
      const it = await flow(open, OUT, [...rules])
      await rig.fabric.update({ ...server.port, groupIds: ['sg-more'] })
      expect([it.there(), it.back()]).toEqual([goesOn, goesOn])
      it.end()
      await rig.fabric.update(server.port)
    }
  })

  test('that was tracked stays so when the rules become wide, and the other way round', async () => {
    const tracked = await flow(open, OUT, [fromClient(), ...OUT])
    await serverHas(fromAnywhere, ...OUT)
    expect(tracked.there()).toBe(true)
    await serverHas()
    expect([tracked.there(), tracked.back()]).toEqual([true, true])
    tracked.end()
    const not = await flow(open, OUT, [fromAnywhere, ...OUT])
    await serverHas(fromClient())
    expect([not.there(), not.back()]).toEqual([true, false])
    not.end()
  })
})

test('a flow that goes one way only is tracked, or not, from its first packet on', async () => {
  for (const [peer, goesOn] of [
    [`${client.ipv4}/32`, true],
    ['0.0.0.0/0', false],
  ] as const) {
    await clientHas(...OUT)
    await serverHas(rule('ingress', 17, peer, PORT), ...OUT)
    const it = overUdp(server.ipv4)
    expect(it.there()).toBe(true)
    await serverHas(...OUT)
    expect(it.there(), peer).toBe(goesOn)
    await serverHas(rule('ingress', 17, `${client.ipv4}/32`, PORT), ...OUT)
    expect(it.there(), 'a narrower rule lets it in').toBe(true)
    await serverHas(...OUT)
    expect(it.there(), 'and it is not tracked for that').toBe(goesOn)
    it.end()
    const fresh = overUdp(server.ipv4)
    expect(fresh.there(), 'another flow').toBe(false)
    fresh.end()
  }
})

test('what one gate alone agreed to is remembered by neither', async () => {
  await clientHas(...OUT)
  await serverHas()
  const it = overUdp(server.ipv4)
  expect(it.there()).toBe(false)
  await clientHas()
  await serverHas(rule('ingress', 17, `${client.ipv4}/32`, PORT))
  expect(it.there()).toBe(false)
  it.end()
})

test('the same ports again are another flow once the first one is over', async () => {
  const it = await flow(() => overTcp(server.ipv4), OUT, [
    rule('ingress', 6, `${client.ipv4}/32`, PORT),
    ...OUT,
  ])
  it.end()
  await serverHas(...OUT)
  expect(tcp(client.netns, server.ipv4, PORT)).toBe('silent')
})

test('ICMP is tracked, however wide its rule', async () => {
  await clientHas(...OUT)
  for (const [address, protocol, anywhere] of [
    [server.ipv4, 1, '0.0.0.0/0'],
    [server.ipv6, 58, '::/0'],
  ] as const) {
    await serverHas(rule('ingress', protocol, anywhere, -1), ...OUT)
    const id = ++source
    expect(ping(client.netns, address, undefined, id)).toBe(true)
    await serverHas()
    expect(ping(client.netns, address, undefined, id), 'the same flow').toBe(true)
    expect(ping(client.netns, address), 'another flow').toBe(false)
  }
})

test('an ICMP error about a tracked flow needs a rule of its own', async () => {
  const toClosedPort = (): boolean => {
    const ear = packetSocket(client.netns, client.ifindex)
    const mouth = udpSocket(client.netns, client.ipv4, ++source)
    const word = `closed ${source};`
    send(mouth, Buffer.from(word), server.ipv4, 9)
    // Type 3 code 3 quotes the datagram; what the client itself sends is heard too, so look for both.
    let heard = false
    for (let got = receive(ear); got !== undefined; got = receive(ear)) {
      heard ||= got.readUInt8(23) === 1 && got.readUInt8(34) === 3 && got.includes(word)
    }
    for (const each of [ear, mouth]) close(each)
    return heard
  }
  const inward = rule('ingress', 17, `${client.ipv4}/32`, 9)
  await clientHas(...OUT)
  await serverHas(inward, ...OUT)
  expect(toClosedPort(), 'no rule lets it in').toBe(false)
  await clientHas(...OUT, rule('ingress', 1, `${server.ipv4}/32`, 3, -1))
  expect(toClosedPort()).toBe(true)
  await serverHas(inward)
  expect(toClosedPort(), 'no rule lets it out').toBe(false)
})
