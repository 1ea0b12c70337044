// Goal: what a guest can do to its link by hand gets it nowhere: another address or MAC, any
// ethertype but IP, the router's own ports. Method: whole frames from packet sockets, heard (or
// not) by a packet socket of a guest whose groups let everything in.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { datagram, everything, frame, type Guest, ip, oracle, Rig } from './fabric-rig.ts'
import {
  bytesOf,
  close,
  connectTcp,
  hears,
  packetSocket,
  ping,
  receive,
  send,
  tcp,
} from './fabric-sockets.ts'

let rig: Rig
let client: Guest
let web: Guest
let other: Guest
let router: string
let netns: string

beforeAll(async () => {
  rig = await Rig.open('frames')
  const rules = [...everything('ingress'), ...everything('egress')]
  await rig.fabric.putGroup({ groupId: 'sg-open', rules })
  client = await rig.guest(10, ['sg-open'])
  web = await rig.guest(20, ['sg-open'])
  other = await rig.guest(30, ['sg-open'])
  netns = rig.fabric.netnsPath.replace('/run/netns/', '')
  const links = oracle('ip', '-n', netns, '-j', 'link')
  router = String(links.find(({ link_type }) => link_type === 'ether')?.address)
})

afterAll(() => rig.close())

describe('what a guest may put on its link', () => {
  /** Sends the client's frames, each holding its name, and says whose reach the other guest. */
  function passing(frames: Record<string, Buffer>): string[] {
    const ear = packetSocket(other.netns, other.ifindex)
    const mouth = packetSocket(client.netns, client.ifindex)
    for (const each of Object.values(frames)) send(mouth, each)
    const heard = new Set<string>() // A set: the answer to a packet quotes it.
    for (let got = receive(ear); got !== undefined; got = receive(ear)) {
      for (const name of Object.keys(frames)) if (got.includes(`<${name}>`)) heard.add(name)
    }
    close(ear)
    close(mouth)
    return [...heard]
  }
  const packet = (name: string, from = client.ipv4, to = other.ipv4): Buffer =>
    datagram(from, to, 9, `<${name}>`)
  const ip4 = (name: string, from: string, mac = client.mac): Buffer =>
    frame(router, mac, 0x800, packet(name, from))
  const ip6 = (name: string, from: string): Buffer =>
    frame(router, client.mac, 0x86dd, packet(name, from, other.ipv6))

  // P213
  test('its own addresses pass, another source address does not', () => {
    const heard = passing({
      'own v4': ip4('own v4', client.ipv4),
      'own v6': ip6('own v6', client.ipv6),
      'of a neighbour': ip4('of a neighbour', web.ipv4),
      'of nobody': ip4('of nobody', '192.0.2.7'),
      'of the router': ip4('of the router', '10.0.0.1'),
      'of a neighbour v6': ip6('of a neighbour v6', web.ipv6),
      'own link-local': ip6('own link-local', 'fe80::ff:fe00:10a'),
      unspecified: ip6('unspecified', '::'),
      'last own v4': ip4('last own v4', client.ipv4),
    })
    expect(heard).toEqual(['own v4', 'own v6', 'last own v4'])
  })

  test('with the source check off any address passes, another MAC never does', async () => {
    const frames = {
      'foreign address': ip4('foreign address', '192.0.2.7'),
      'foreign MAC': ip4('foreign MAC', client.ipv4, web.mac),
      own: ip4('own', client.ipv4),
    }
    expect(passing(frames)).toEqual(['own'])
    await rig.fabric.update({ ...client.port, sourceDestCheck: false })
    expect(passing(frames)).toEqual(['foreign address', 'own'])
    await rig.fabric.update(client.port)
    expect(passing(frames)).toEqual(['own'])
  })

  test('a packet to no address of the receiver reaches it only with its check off', async () => {
    const links = oracle('ip', '-n', netns, '-j', 'route', 'get', other.ipv4)
    const link = String(links[0]?.dev)
    ip('-n', netns, 'route', 'add', '198.51.100.7/32', 'dev', link)
    const lladdr = ['lladdr', other.mac, 'dev', link]
    ip('-n', netns, 'neigh', 'add', '198.51.100.7', ...lladdr, 'nud', 'permanent')
    const past = packet('past', client.ipv4, '198.51.100.7')
    const frames = { past: frame(router, client.mac, 0x800, past), own: ip4('own', client.ipv4) }
    expect(passing(frames)).toEqual(['own'])
    await rig.fabric.update({ ...other.port, sourceDestCheck: false })
    expect(passing(frames)).toEqual(['past', 'own'])
    await rig.fabric.update(other.port)
  })

  // P213
  test('nothing but IP to the router passes: no ethertype, no VLAN tag, no broadcast', () => {
    const frames: Record<string, Buffer> = {}
    for (const to of ['ff:ff:ff:ff:ff:ff', '01:80:c2:00:00:0e', other.mac, router]) {
      for (const ethertype of [0x88b5, 0x88cc, 0x8035, 0x0806, 0x8847, 0x8864, 0x05dc]) {
        const name = `ethertype ${ethertype.toString(16)} to ${to}`
        frames[name] = frame(to, client.mac, ethertype, Buffer.from(`<${name}>`.padEnd(46)))
      }
      for (const vlan of [0, 5]) {
        const name = `VLAN ${vlan} to ${to}`
        const tag = Buffer.of(0, vlan, 8, 0)
        frames[name] = frame(to, client.mac, 0x8100, Buffer.concat([tag, packet(name)]))
      }
      frames[`IP to ${to}`] = frame(to, client.mac, 0x800, packet(`IP to ${to}`))
    }
    expect(passing(frames)).toEqual([`IP to ${router}`])
  })

  test('the router answers ARP for what it can reach, and only to who tells the truth', () => {
    const asks = (senderMac: string, sender: string, target: string): boolean => {
      const body = Buffer.from('0001080006040001', 'hex')
      const mac = Buffer.from(senderMac.replaceAll(':', ''), 'hex')
      const unknown = Buffer.alloc(6)
      const request = Buffer.concat([body, mac, bytesOf(sender), unknown, bytesOf(target)])
      const socket = packetSocket(client.netns, client.ifindex)
      send(socket, frame('ff:ff:ff:ff:ff:ff', client.mac, 0x0806, request))
      const answer = Buffer.concat([
        Buffer.of(0, 2),
        Buffer.from(router.replaceAll(':', ''), 'hex'),
      ])
      const heard = hears(socket, Buffer.concat([answer, bytesOf(target)]))
      close(socket)
      return heard
    }
    expect(asks(client.mac, client.ipv4, '10.0.0.1')).toBe(true)
    expect(asks(client.mac, client.ipv4, web.ipv4)).toBe(true)
    expect(asks(client.mac, client.ipv4, '10.0.0.99')).toBe(false) // No ENI has it.
    expect(asks(client.mac, web.ipv4, '10.0.0.1')).toBe(false)
    expect(asks(web.mac, client.ipv4, '10.0.0.1')).toBe(false)
  })
})

test('the router answers no ping and no port but IMDS, where something listens', async () => {
  expect(ping(client.netns, '10.0.0.1')).toBe(false)
  expect(tcp(client.netns, '169.254.169.254', 80)).toBe('refused')
  expect(tcp(client.netns, '169.254.169.254', 81)).toBe('silent')
  expect(tcp(client.netns, '10.0.0.1', 80)).toBe('silent')
  for (const address of ['169.254.169.254', 'fd00:ec2::254']) {
    const fd = await rig.fabric.listenIn(rig.fabric.netnsPath, address, 80)
    const server = createServer((_, answer) => answer.end('who are you')).listen({ fd })
    await once(server, 'listening')
    const { fd: socket, answer } = connectTcp(client.netns, address, 80)
    expect(answer, address).toBe('open')
    send(socket, Buffer.from('GET / HTTP/1.0\r\n\r\n'))
    const requested = once(server, 'request')
    await requested
    expect(receive(socket)?.toString()).toContain('HTTP/1.1 200')
    close(socket)
    server.closeAllConnections()
    await once(server.close(), 'close')
  }
})
