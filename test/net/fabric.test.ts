// Goal: the fabric passes what security groups say and nothing else, on real packets. Method:
// guests in namespaces, sockets born in them, both directions of every claim: what must pass
// does, and what must not is sent and does not arrive. The ways past the filter that emulators
// have shipped are each a test, here or in fabric-frames.test.ts.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Group } from '../../lab/fabric/fabric.ts'
import { everything, type Guest, oracle, Rig, rule } from './fabric-rig.ts'
import {
  acceptTcp,
  close,
  connectTcp,
  listenTcp,
  ping,
  receive,
  send,
  tcp,
  udp,
  udpSocket,
} from './fabric-sockets.ts'

const CLIENT: Group = { groupId: 'sg-client', rules: everything('egress') }
const WEB: Group = {
  groupId: 'sg-web',
  rules: [
    rule('ingress', 6, 'sg-client', 80, 81),
    rule('ingress', 1, 'sg-client', 8, -1),
    rule('ingress', 17, '10.0.0.10/32', 53),
    rule('ingress', 6, 'sg-web', 22),
    rule('egress', 6, 'sg-web', 22),
  ],
}
const OTHER: Group = { groupId: 'sg-other', rules: everything('egress') }
const OPEN: Group = { groupId: 'sg-open', rules: everything('ingress') }
const MUTE: Group = { groupId: 'sg-mute', rules: everything('ingress') }

let rig: Rig
let client: Guest
let web: Guest
let peer: Guest
let other: Guest
const listeners: number[] = []

beforeAll(async () => {
  rig = await Rig.open('gates')
  for (const group of [CLIENT, WEB, OTHER, OPEN, MUTE]) await rig.fabric.putGroup(group)
  client = await rig.guest(10, ['sg-client'])
  web = await rig.guest(20, ['sg-web'])
  peer = await rig.guest(21, ['sg-web'])
  other = await rig.guest(30, ['sg-other', 'sg-open'])
  for (const guest of [client, web, peer, other]) {
    for (const port of [22, 80, 81, 82]) {
      listeners.push(listenTcp(guest.netns, '0.0.0.0', port))
      listeners.push(listenTcp(guest.netns, guest.ipv6, port))
    }
  }
})

afterAll(async () => {
  listeners.forEach(close)
  await rig.close()
})

describe('security groups', () => {
  test('a member of the group a rule refers to gets through, on its ports and no other', () => {
    for (const address of [web.ipv4, web.ipv6]) {
      expect(tcp(client.netns, address, 80), address).toBe('open')
      expect(tcp(client.netns, address, 81), address).toBe('open')
      expect(tcp(client.netns, address, 82), address).toBe('silent')
    }
  })

  test('who is no member does not, however wide open it is itself', () => {
    expect(tcp(other.netns, web.ipv4, 80)).toBe('silent')
    expect(tcp(other.netns, web.ipv6, 80)).toBe('silent')
  })

  // P210
  test("the sender's accept never answers for the receiver, nor the other way round", () => {
    expect(tcp(other.netns, client.ipv4, 80)).toBe('silent') // Egress all; ingress nothing.
    expect(tcp(web.netns, other.ipv4, 80)).toBe('silent') // Ingress all; egress nothing.
    expect(tcp(web.netns, other.ipv6, 80)).toBe('silent')
    expect(tcp(client.netns, other.ipv4, 80)).toBe('open') // Both.
    expect(tcp(client.netns, other.ipv6, 80)).toBe('open')
  })

  test('members reach each other only where a rule names their own group', () => {
    expect(tcp(peer.netns, web.ipv4, 22)).toBe('open')
    expect(tcp(peer.netns, web.ipv6, 22)).toBe('open')
    expect(tcp(peer.netns, web.ipv4, 80)).toBe('silent')
  })

  test('an ICMP rule allows its type, in its version', () => {
    expect(ping(client.netns, web.ipv4)).toBe(true)
    expect(ping(client.netns, web.ipv4, 13)).toBe(false) // Timestamp; Linux answers it.
    expect(ping(client.netns, other.ipv4, 13)).toBe(true)
    expect(ping(client.netns, web.ipv6)).toBe(false)
    expect(ping(client.netns, other.ipv6)).toBe(true)
  })

  test('a UDP rule allows its CIDR and its port', () => {
    const to = { netns: web.netns, address: web.ipv4 }
    expect(udp(client.netns, to, 53)).toBe(true)
    expect(udp(client.netns, to, 54)).toBe(false)
    expect(udp(other.netns, to, 53)).toBe(false)
    expect(udp(client.netns, { netns: web.netns, address: web.ipv6 }, 53)).toBe(false)
  })

  test('a rule from anywhere in one IP version says nothing of the other', async () => {
    const any = (cidr: string) => ({ ...OPEN, rules: [rule('ingress', 'all', cidr)] })
    for (const [cidr, open, closed] of [
      ['0.0.0.0/0', other.ipv4, other.ipv6],
      ['::/0', other.ipv6, other.ipv4],
    ] as const) {
      await rig.fabric.putGroup(any(cidr))
      expect(tcp(client.netns, open, 80), cidr).toBe('open')
      expect(tcp(client.netns, closed, 80), cidr).toBe('silent')
      expect(ping(client.netns, closed), cidr).toBe(false)
    }
    await rig.fabric.putGroup(OPEN)
  })

  test('a datagram of the full MTU passes whole', () => {
    const receiver = udpSocket(web.netns, web.ipv4, 53)
    const sender = udpSocket(client.netns, client.ipv4, 0)
    expect(send(sender, Buffer.alloc(9001 - 28, 'x'), web.ipv4, 53)).toBe(9001 - 28)
    expect(receive(receiver)?.length).toBe(9001 - 28)
    send(sender, Buffer.alloc(20000, 'y'), web.ipv4, 53) // Fragments.
    expect(receive(receiver)?.length).toBe(20000)
    send(sender, Buffer.alloc(20000, 'z'), web.ipv4, 54)
    expect(receive(receiver)).toBe(undefined)
    close(sender)
    close(receiver)
  })
})

describe('live changes', () => {
  // P211
  test('a rule is in force when the call returns, and gone when the call returns', async () => {
    const ssh = rule('ingress', 6, 'sg-client', 82)
    expect(tcp(client.netns, web.ipv4, 82)).toBe('silent')
    await rig.fabric.putGroup({ ...WEB, rules: [...WEB.rules, ssh] })
    expect(tcp(client.netns, web.ipv4, 82)).toBe('open')
    expect(tcp(client.netns, web.ipv6, 82)).toBe('open')
    await rig.fabric.putGroup(WEB)
    expect(tcp(client.netns, web.ipv4, 82)).toBe('silent')
    expect(tcp(client.netns, web.ipv4, 80)).toBe('open')
  })

  // P211
  test('a group that cannot be enforced is refused by its rule and changes nothing', async () => {
    const before = oracle('ip', 'netns', 'exec', netnsName(), 'nft', '-j', 'list', 'ruleset')
    const bad = rule('ingress', 6, '10.0.0.0/99', 80)
    await expect(rig.fabric.putGroup({ ...WEB, rules: [bad] })).rejects.toThrow(
      /rule sgr-ingress-6-80 of sg-web: '10.0.0.0\/99'/,
    )
    await expect(
      rig.fabric.putGroup({ ...WEB, rules: [rule('ingress', 'all', 'sg-nobody')] }),
    ).rejects.toThrow(/sg-nobody is not known/)
    await expect(rig.fabric.dropGroup('sg-client')).rejects.toThrow(/worn by eni-10/)
    const after = oracle('ip', 'netns', 'exec', netnsName(), 'nft', '-j', 'list', 'ruleset')
    expect(after).toEqual(before)
  })

  test('a flow that was agreed goes on when its rule goes; a new one does not start', async () => {
    const listener = listenTcp(web.netns, web.ipv4, 8080)
    const extra = rule('ingress', 6, 'sg-client', 8080)
    await rig.fabric.putGroup({ ...WEB, rules: [...WEB.rules, extra] })
    const { fd, answer } = connectTcp(client.netns, web.ipv4, 8080)
    expect(answer).toBe('open')
    const server = acceptTcp(listener)
    await rig.fabric.putGroup(WEB)
    send(fd, Buffer.from('still here'))
    expect(receive(server)?.toString()).toBe('still here')
    expect(tcp(client.netns, web.ipv4, 8080)).toBe('silent')
    for (const each of [fd, server, listener]) close(each)
  })

  test("an ENI's groups change live, and so does its membership", async () => {
    await rig.fabric.update({ ...other.port, groupIds: ['sg-client'] })
    expect(tcp(other.netns, web.ipv4, 80)).toBe('open')
    expect(tcp(client.netns, other.ipv4, 80)).toBe('silent')
    await rig.fabric.update(other.port)
    expect(tcp(other.netns, web.ipv4, 80)).toBe('silent')
    expect(tcp(client.netns, other.ipv4, 80)).toBe('open')
  })
})

const netnsName = (): string => rig.fabric.netnsPath.replace('/run/netns/', '')
