// Goal: network ACLs judge each packet that crosses a subnet's border, in the order of their
// numbers, without a memory of flows, and no packet that crosses none. Method: two subnets, guests
// whose groups let everything through, so that whatever is dropped an ACL dropped; sockets and
// hand-made frames in both directions.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { AclEntry } from '../../lab/fabric/fabric.ts'
import { numberOf } from '../../lab/fabric/reason.ts'
import {
  datagram,
  entry,
  everything,
  frame,
  type Guest,
  OPEN_ENTRIES,
  oracle,
  Rig,
} from './fabric-rig.ts'
import {
  acceptTcp,
  bytesOf,
  checksum,
  close,
  connectTcp,
  hears,
  listenTcp,
  packetSocket,
  ping,
  receive,
  send,
  tcp,
  udp,
  udpSocket,
} from './fabric-sockets.ts'

const ANY4 = '0.0.0.0/0'
const ANY6 = '::/0'
const NEAR = { subnetId: 'subnet-1', ipv4Cidr: '10.0.0.0/20', ipv4Gateway: '10.0.0.1' }
const FAR = { subnetId: 'subnet-2', ipv4Cidr: '10.0.16.0/20', ipv4Gateway: '10.0.16.1' }

let rig: Rig
let client: Guest
let neighbour: Guest
let server: Guest
const listeners: number[] = []

/** What the server's subnet says from now on. */
const far = (...entries: AclEntry[]) => rig.fabric.putAcl({ aclId: 'acl-far', entries })
/** What the clients' subnet says from now on. */
const near = (...entries: AclEntry[]) => rig.fabric.putAcl({ aclId: 'acl-near', entries })
const open = async (): Promise<void> => {
  await near(...OPEN_ENTRIES)
  await far(...OPEN_ENTRIES)
}
const only = (direction: AclEntry['direction']) =>
  OPEN_ENTRIES.filter((each) => each.direction === direction)

beforeAll(async () => {
  rig = await Rig.open('acl')
  await open()
  await rig.fabric.putSubnet({ ...NEAR, aclId: 'acl-near' })
  await rig.fabric.putSubnet({ ...FAR, aclId: 'acl-far' })
  const rules = [...everything('ingress'), ...everything('egress')]
  await rig.fabric.putGroup({ groupId: 'sg-open', rules })
  client = await rig.guest(10, ['sg-open'])
  neighbour = await rig.guest(11, ['sg-open'])
  server = await rig.guest(20, ['sg-open'], { subnetId: 'subnet-2', ipv4: ['10.0.16.20'] })
  for (const guest of [client, neighbour, server]) {
    for (const port of [80, 81]) {
      listeners.push(listenTcp(guest.netns, '0.0.0.0', port))
      listeners.push(listenTcp(guest.netns, guest.ipv6, port))
    }
  }
})
afterEach(open)
afterAll(async () => {
  listeners.forEach(close)
  await rig.close()
})

const udpTo = (guest: Guest, port: number, version: 'ipv4' | 'ipv6' = 'ipv4'): boolean =>
  udp(client.netns, { netns: guest.netns, address: guest[version] }, port)

describe('an ACL', () => {
  test('that allows all, as the default one does, drops nothing in either version', () => {
    for (const address of [server.ipv4, server.ipv6]) {
      expect(tcp(client.netns, address, 80), address).toBe('open')
      expect(ping(client.netns, address), address).toBe(true)
    }
    expect(tcp(server.netns, client.ipv4, 80)).toBe('open')
    expect(udpTo(server, 53)).toBe(true)
    expect(udpTo(server, 53, 'ipv6')).toBe(true)
  })

  // P220
  test('without entries, as a new one is, drops all that crosses the border', async () => {
    for (const [name, side] of Object.entries({ near, far })) {
      await open()
      await side()
      for (const address of [server.ipv4, server.ipv6]) {
        expect(tcp(client.netns, address, 80), `${name} ${address}`).toBe('silent')
        expect(ping(client.netns, address), `${name} ${address}`).toBe(false)
      }
      expect(tcp(server.netns, client.ipv4, 80), name).toBe('silent')
    }
  })

  // P315
  test('is asked whatever mark a guest puts on its packets, and not within a subnet', async () => {
    await near()
    await far()
    const nft = (text: string): void => {
      const where = [`--net=${client.netns}`, 'nft', '-f', '-']
      execFileSync('nsenter', where, { input: text })
    }
    // All marks that mean something in the fabric, the one of a packet that crosses no border first.
    for (const mark of ['0xffffffff', '1', '2', String(numberOf('subnet-1'))]) {
      const chain = `type filter hook output priority 0; meta mark set ${mark};`
      nft(`table inet marks {\n chain out { ${chain} }\n}\n`)
      try {
        expect(tcp(client.netns, server.ipv4, 80), mark).toBe('silent')
        expect(tcp(client.netns, server.ipv6, 80), mark).toBe('silent')
        expect(ping(client.netns, server.ipv4), mark).toBe(false)
        expect(tcp(client.netns, neighbour.ipv4, 80), mark).toBe('open')
        expect(tcp(client.netns, neighbour.ipv6, 80), mark).toBe('open')
        expect(ping(client.netns, neighbour.ipv6), mark).toBe(true)
      } finally {
        nft('delete table inet marks')
      }
    }
  })

  // P220
  test('decides by the lowest number that matches, whatever the order of the list', async () => {
    const deny = (ruleNumber: number) => entry('ingress', ruleNumber, 'deny', 6, ANY4, 80)
    const allow = (ruleNumber: number) =>
      entry('ingress', ruleNumber, 'allow', 6, `${client.ipv4}/32`, 80)
    for (const [entries, answer] of [
      [[...OPEN_ENTRIES, deny(102)], 'open'],
      [[...OPEN_ENTRIES, deny(99)], 'silent'],
      [[...OPEN_ENTRIES, deny(99), allow(98)], 'open'],
      [[allow(98), deny(97), ...OPEN_ENTRIES], 'silent'],
      [[deny(9), allow(10), ...OPEN_ENTRIES], 'silent'],
    ] as const) {
      await far(...entries)
      const told = entries.map(({ ruleNumber, action }) => `${ruleNumber} ${action}`).join()
      expect(tcp(client.netns, server.ipv4, 80), told).toBe(answer)
      expect(tcp(client.netns, server.ipv4, 81), told).toBe('open')
      expect(tcp(client.netns, server.ipv6, 80), told).toBe('open')
    }
  })

  test("of the sender's subnet judges what leaves, that of the receiver's what enters", async () => {
    const closed = (direction: AclEntry['direction']) => [
      entry(direction, 10, 'deny', 17, ANY4, 53),
      entry(direction, 11, 'deny', 17, ANY6, 53),
      ...OPEN_ENTRIES,
    ]
    for (const version of ['ipv4', 'ipv6'] as const) {
      await near(...closed('egress'))
      expect(udpTo(server, 53, version), 'leaves the near subnet').toBe(false)
      await near(...closed('ingress'))
      expect(udpTo(server, 53, version), 'does not enter the near subnet').toBe(true)
      await near(...OPEN_ENTRIES)
      await far(...closed('ingress'))
      expect(udpTo(server, 53, version), 'enters the far subnet').toBe(false)
      expect(udpTo(server, 54, version), 'another port').toBe(true)
      await far(...closed('egress'))
      expect(udpTo(server, 53, version), 'does not leave the far subnet').toBe(true)
      await far(...OPEN_ENTRIES)
    }
  })

  // P221
  test('has no memory: an answer needs an entry of its own, to the ephemeral ports', async () => {
    const ear = packetSocket(server.netns, server.ifindex)
    const request = entry('ingress', 100, 'allow', 6, '10.0.0.0/20', 80)
    await far(request)
    expect(tcp(client.netns, server.ipv4, 80)).toBe('silent')
    const addresses = Buffer.concat([bytesOf(client.ipv4), bytesOf(server.ipv4)])
    expect(hears(ear, addresses), 'the request itself came in').toBe(true)
    close(ear)
    await far(request, entry('egress', 100, 'allow', 6, '10.0.0.0/20', 1024, 65535))
    expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
    expect(tcp(client.netns, server.ipv4, 81)).toBe('silent')
    // The same at the other border: out to port 80, and back in to the ephemeral ports.
    await near(entry('egress', 100, 'allow', 6, ANY4, 80))
    expect(tcp(client.netns, server.ipv4, 80)).toBe('silent')
    await near(
      entry('egress', 100, 'allow', 6, ANY4, 80),
      entry('ingress', 100, 'allow', 6, ANY4, 1024, 65535),
    )
    expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
    await near(
      entry('egress', 100, 'allow', 6, ANY4, 80),
      entry('ingress', 90, 'deny', 6, ANY4, 1024, 65535),
      entry('ingress', 100, 'allow', 6, ANY4, 0, 65535),
    )
    expect(tcp(client.netns, server.ipv4, 80)).toBe('silent')
  })

  test('says nothing of the other IP version, and nothing of another protocol', async () => {
    await far(entry('ingress', 100, 'allow', 'all', ANY4), ...only('egress'))
    expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
    expect(tcp(client.netns, server.ipv6, 80)).toBe('silent')
    expect(ping(client.netns, server.ipv6)).toBe(false)
    await far(entry('ingress', 100, 'allow', 'all', ANY6), ...only('egress'))
    expect(tcp(client.netns, server.ipv4, 80)).toBe('silent')
    expect(tcp(client.netns, server.ipv6, 80)).toBe('open')
    await far(entry('ingress', 100, 'allow', 17, `${client.ipv6}/128`, 53), ...only('egress'))
    expect(udpTo(server, 53, 'ipv6')).toBe(true)
    expect(udpTo(server, 54, 'ipv6')).toBe(false)
    expect(udpTo(server, 53)).toBe(false)
    expect(tcp(client.netns, server.ipv6, 53)).toBe('silent')
    expect(
      udp(neighbour.netns, { netns: server.netns, address: server.ipv6 }, 53),
      'another source',
    ).toBe(false)
  })

  test('knows ICMP by type and code, ICMPv6 too, and protocols by number', async () => {
    const [echo, timestamp, unreachable] = [8, 13, 3]
    await far(entry('ingress', 100, 'allow', 1, ANY4, echo, -1), ...only('egress'))
    expect(ping(client.netns, server.ipv4)).toBe(true)
    expect(ping(client.netns, server.ipv4, timestamp)).toBe(false)
    expect(ping(client.netns, server.ipv6)).toBe(false)
    await far(entry('ingress', 100, 'allow', 1, ANY4, echo, 1), ...only('egress'))
    expect(ping(client.netns, server.ipv4), 'its code is 0').toBe(false)
    await far(entry('ingress', 100, 'allow', 1, ANY4, -1, -1), ...only('egress'))
    expect(ping(client.netns, server.ipv4, timestamp)).toBe(true)
    // The answer is a packet like any other: echo reply is type 0.
    await far(...only('ingress'), entry('egress', 100, 'allow', 1, ANY4, unreachable, -1))
    expect(ping(client.netns, server.ipv4)).toBe(false)
    await far(...only('ingress'), entry('egress', 100, 'allow', 1, ANY4, 0, 0))
    expect(ping(client.netns, server.ipv4)).toBe(true)
    await far(
      entry('ingress', 100, 'allow', 58, ANY6, 128, 0),
      entry('egress', 100, 'allow', 58, ANY6, 129, -1),
    )
    expect(ping(client.netns, server.ipv6)).toBe(true)
    expect(ping(client.netns, server.ipv4)).toBe(false)
    await far(
      entry('ingress', 100, 'allow', 58, ANY6, 128, 1),
      entry('egress', 100, 'allow', 58, ANY6, 129, -1),
    )
    expect(ping(client.netns, server.ipv6), 'its code is 0').toBe(false)
    // By number: 58 in IPv4 is what EC2 takes without type and code, and no ICMP of IPv4.
    await far(entry('ingress', 100, 'allow', 58, ANY4), ...only('egress'))
    expect(ping(client.netns, server.ipv4)).toBe(false)
    await far(entry('ingress', 100, 'allow', 47, ANY4), ...only('egress'))
    expect(reaches(47)).toBe(true)
    expect(reaches(50)).toBe(false)
  })

  // P222
  test('is not asked about packets between two ENIs of one subnet', async () => {
    await near()
    for (const address of [neighbour.ipv4, neighbour.ipv6]) {
      expect(tcp(client.netns, address, 80), address).toBe('open')
      expect(ping(client.netns, address), address).toBe(true)
    }
    expect(tcp(client.netns, server.ipv4, 80)).toBe('silent')
  })

  // P222
  test('is not asked about IMDS', async () => {
    await near()
    for (const address of ['169.254.169.254', 'fd00:ec2::254']) {
      const fd = await rig.fabric.listenIn(rig.fabric.netnsPath, address, 80)
      const imds = createServer().listen({ fd })
      await once(imds, 'listening')
      expect(tcp(client.netns, address, 80), address).toBe('open')
      imds.close()
    }
  })

  // P222
  test('judges a guest by where it is plugged in, not by the address it sends from', async () => {
    // The router's check is off: the client may send from any address, also one of the far subnet.
    await rig.fabric.update({ ...client.port, sourceDestCheck: false })
    await near(entry('egress', 10, 'deny', 17, ANY4, 0, 65535), ...OPEN_ENTRIES)
    const ear = packetSocket(server.netns, server.ifindex)
    const mouth = packetSocket(client.netns, client.ifindex)
    const spoofed = (name: string) =>
      frame(router(), client.mac, 0x800, datagram('10.0.16.99', server.ipv4, 9, name))
    send(mouth, spoofed('<closed>'))
    expect(hears(ear, '<closed>')).toBe(false)
    await near(...OPEN_ENTRIES)
    send(mouth, spoofed('<open>'))
    expect(hears(ear, '<open>')).toBe(true)
    close(ear)
    close(mouth)
    await rig.fabric.update(client.port)
  })
})

describe('fragments', () => {
  test.each(['ipv4', 'ipv6'] as const)(
    'are judged whole (%s), by the ports of the first',
    async (version) => {
      const [cidr, address] = [version === 'ipv4' ? ANY4 : ANY6, server[version]]
      const receiver = udpSocket(server.netns, address, 53)
      const sender = udpSocket(client.netns, client[version], 0)
      const ear = packetSocket(server.netns, server.ifindex)
      const words = (text: string) => Buffer.alloc(20000, text)
      await far(entry('ingress', 100, 'allow', 17, cidr, 53), ...only('egress'))
      send(sender, words('allowed '), address, 53)
      expect(receive(receiver)?.length).toBe(20000)
      expect(hears(ear, 'allowed'), 'in several frames').toBe(true)
      send(sender, words('denied '), address, 54)
      expect(hears(ear, 'denied'), 'no entry matches').toBe(false)
      await far(entry('ingress', 10, 'deny', 17, cidr, 54), ...OPEN_ENTRIES)
      send(sender, words('denied '), address, 54)
      expect(hears(ear, 'denied'), 'an entry denies').toBe(false)
      for (const each of [receiver, sender, ear]) close(each)
    },
  )

  test('without their first one never arrive, whatever the ACLs allow', () => {
    const ear = packetSocket(server.netns, server.ifindex)
    const mouth = packetSocket(client.netns, client.ifindex)
    send(mouth, frame(router(), client.mac, 0x800, laterFragment('<later>')))
    expect(hears(ear, '<later>')).toBe(false)
    send(mouth, frame(router(), client.mac, 0x86dd, laterFragment6('<later6>')))
    expect(hears(ear, '<later6>')).toBe(false)
    send(mouth, frame(router(), client.mac, 0x800, ipv4Packet(47, '<whole>')))
    expect(hears(ear, '<whole>')).toBe(true)
    send(mouth, frame(router(), client.mac, 0x86dd, ipv6Packet(47, Buffer.from('<whole6>'))))
    expect(hears(ear, '<whole6>')).toBe(true)
    close(ear)
    close(mouth)
  })
})

describe('live changes', () => {
  // P221
  test('are in force when the call returns, and cut a flow that runs', async () => {
    const listener = listenTcp(server.netns, server.ipv4, 8080)
    const { fd, answer } = connectTcp(client.netns, server.ipv4, 8080)
    expect(answer).toBe('open')
    const accepted = acceptTcp(listener)
    send(fd, Buffer.from('first'))
    expect(receive(accepted)?.toString()).toBe('first')
    await far(entry('ingress', 10, 'deny', 6, ANY4, 8080), ...OPEN_ENTRIES)
    send(fd, Buffer.from('second'))
    expect(receive(accepted), 'groups let a tracked flow go on; an ACL does not').toBe(undefined)
    expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
    await far(...OPEN_ENTRIES)
    expect(receive(accepted, 2000)?.toString(), 'sent again by TCP').toBe('second')
    for (const each of [fd, accepted, listener]) close(each)
  })

  test('of the association put a subnet under another ACL at once', async () => {
    await rig.fabric.putAcl({ aclId: 'acl-closed', entries: [] })
    expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
    await rig.fabric.putSubnet({ ...FAR, aclId: 'acl-closed' })
    expect(tcp(client.netns, server.ipv4, 80)).toBe('silent')
    await expect(rig.fabric.dropAcl('acl-closed')).rejects.toThrow(/is that of subnet-2/)
    await rig.fabric.putSubnet({ ...FAR, aclId: 'acl-far' })
    expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
    await rig.fabric.dropAcl('acl-closed')
    await rig.fabric.dropAcl('acl-closed')
    expect(ruleset()).not.toContain('acl-closed')
  })

  test('that cannot be enforced are refused by name and change nothing', async () => {
    const before = ruleset()
    await expect(far(entry('ingress', 7, 'allow', 6, '10.0.0.0/99', 80))).rejects.toThrow(
      /entry acl-far ingress 7: '10.0.0.0\/99'/,
    )
    const subnet = { ...FAR, subnetId: 'subnet-3', ipv4Gateway: '10.0.32.1' }
    await expect(rig.fabric.putSubnet({ ...subnet, aclId: 'acl-none' })).rejects.toThrow(
      /ACL acl-none is not known/,
    )
    const routers = oracle('ip', '-n', netnsName(), '-j', 'addr', 'show', 'lo')
    const misnamed = { ...subnet, subnetId: 'subnet 3', aclId: 'acl-far' }
    await expect(rig.fabric.putSubnet(misnamed)).rejects.toThrow(/subnetId is 'subnet 3'/)
    expect(oracle('ip', '-n', netnsName(), '-j', 'addr', 'show', 'lo')).toEqual(routers)
    await expect(rig.fabric.dropSubnet('subnet-2')).rejects.toThrow(/has port eni-20 in it/)
    const lost = rig.port(99, rig.netns('lost'), { subnetId: 'subnet-9' })
    await expect(rig.fabric.plug(lost)).rejects.toThrow(/subnet subnet-9 is not known/)
    await expect(rig.fabric.update({ ...client.port, subnetId: 'subnet-2' })).rejects.toThrow(
      /subnetId cannot change/,
    )
    expect(ruleset()).toBe(before)
  })

  test('add no rule and no chain for an ENI more', async () => {
    const count = (): number =>
      nft().filter((each) => {
        const { chain, rule } = each as { chain?: { family: string }; rule?: { family: string } }
        return (chain ?? rule)?.family === 'inet'
      }).length
    const before = count()
    await rig.fabric.plug(rig.port(60, rig.netns('one-more'), { groupIds: ['sg-open'] }))
    expect(count()).toBe(before)
    await rig.fabric.unplug('eni-60')
  })
})

const netnsName = (): string => rig.fabric.netnsPath.replace('/run/netns/', '')
const nft = (): unknown[] => {
  const [answer] = [oracle('ip', 'netns', 'exec', netnsName(), 'nft', '-j', 'list', 'ruleset')]
  return (answer as unknown as { nftables: unknown[] }).nftables
}
/** Without what rules have counted: the guests' own multicast comes at any time. */
const ruleset = (): string =>
  JSON.stringify(nft(), (key, value) => (key === 'counter' ? null : value))
const router = (): string => {
  const links = oracle('ip', '-n', netnsName(), '-j', 'link')
  return String(links.find(({ link_type }) => link_type === 'ether')?.address)
}

/** An IPv4 packet from the client to the server, of any protocol. */
function ipv4Packet(protocol: number, words: string, fragment = 0): Buffer {
  const body = Buffer.from(words)
  const head = Buffer.alloc(20)
  head.set([0x45, 0, 0, 20 + body.length, 0, 7, fragment >> 8, fragment & 255, 64, protocol])
  head.set(client.ipv4.split('.').map(Number), 12)
  head.set(server.ipv4.split('.').map(Number), 16)
  head.writeUInt16BE(checksum(head), 10)
  return Buffer.concat([head, body])
}

/** The last part of a UDP datagram, 800 bytes in. */
const laterFragment = (words: string): Buffer => ipv4Packet(17, words, 100)

/** An IPv6 packet from the client to the server. */
function ipv6Packet(next: number, body: Buffer): Buffer {
  const head = Buffer.alloc(40)
  head.set([0x60, 0, 0, 0, 0, body.length, next, 64])
  head.set(bytesOf(client.ipv6), 8)
  head.set(bytesOf(server.ipv6), 24)
  return Buffer.concat([head, body])
}

/** The same in IPv6: a fragment header (44) that says 800 bytes in, and no more to come. */
const laterFragment6 = (words: string): Buffer =>
  ipv6Packet(
    44,
    Buffer.concat([Buffer.from([17, 0, 800 >> 8, 800 & 0xf8, 0, 0, 0, 9]), Buffer.from(words)]),
  )

/** Whether a bare packet of that protocol gets from the client to the server. */
function reaches(protocol: number): boolean {
  const ear = packetSocket(server.netns, server.ifindex)
  const mouth = packetSocket(client.netns, client.ifindex)
  send(mouth, frame(router(), client.mac, 0x800, ipv4Packet(protocol, `<${protocol}>`)))
  const heard = hears(ear, `<${protocol}>`)
  close(ear)
  close(mouth)
  return heard
}
