// Goal: a port is closed until its groups apply, comes back when its namespace dies, takes its
// flows with it when it goes; and a lab leaves nothing, however it ends. Method: real namespaces
// and links, looked at from outside with iproute2 and nft.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { PortEvent } from '../../lab/fabric/fabric.ts'
import { openFabric, sweepFabric } from '../../lab/fabric/open.ts'
import {
  everything,
  hostLinksMarked,
  ip,
  namespaces,
  oracle,
  putOpenSubnet,
  quiet,
  Rig,
  rule,
} from './fabric-rig.ts'
import {
  acceptTcp,
  close,
  connectTcp,
  hears,
  listenTcp,
  packetSocket,
  receive,
  send,
  tcp,
  udp,
  udpSocket,
} from './fabric-sockets.ts'

const OPEN = { groupId: 'sg-open', rules: [...everything('ingress'), ...everything('egress')] }

let rig: Rig
const netnsName = (path: string): string => path.replace('/run/netns/', '')

beforeAll(async () => {
  rig = await Rig.open('life')
  await rig.fabric.putGroup(OPEN)
})
afterAll(() => rig.close())

test('a link appears down, without addresses, with the MAC, the MTU and the mark', async () => {
  const netns = rig.netns('plug')
  const port = rig.port(50, netns, { groupIds: ['sg-open'] })
  const plugged = await rig.fabric.plug(port)
  const links = oracle('ip', '-n', netnsName(netns), '-j', '-d', 'addr')
  const link = links.find(({ ifname }) => ifname === plugged.name)
  expect(link).toMatchObject({
    ifindex: plugged.ifindex,
    address: port.mac,
    mtu: 9001,
    operstate: 'DOWN',
    addr_info: [],
    ifalias: `enid-lab:${rig.name}:eni-50`,
  })
  expect(plugged.name).toMatch(/^ens[0-9a-z]{1,12}$/)
  await expect(rig.fabric.plug(port)).rejects.toThrow(/eni-50 is plugged already/)
  await expect(rig.fabric.plug(rig.port(51, netns, { ipv4: ['10.0.0.50'] }))).rejects.toThrow(
    /10.0.0.50 is in use by eni-50/,
  )
  await expect(rig.fabric.plug(rig.port(51, '/run/netns/nowhere'))).rejects.toThrow(/nowhere/)
  await rig.fabric.unplug('eni-50')
  await rig.fabric.unplug('eni-50')
  const left = oracle('ip', '-n', netnsName(netns), '-j', 'link').map(({ ifname }) => ifname)
  expect(left).toEqual(['lo'])
  const ruleset = JSON.stringify(
    oracle('ip', 'netns', 'exec', netnsName(rig.fabric.netnsPath), 'nft', '-j', 'list', 'ruleset'),
  )
  expect(ruleset).not.toContain('10.0.0.50')
  expect(ruleset).not.toContain('10.0.0.51')
  expect(ruleset).not.toContain('groups-') // The chains of a set of groups that none has now.
})

// P212
test('a port without groups passes nothing, from its first packet on', async () => {
  const peer = await rig.guest(60, ['sg-open'])
  const port = rig.port(61, rig.netns('early'))
  const { name } = await rig.fabric.plug(port)
  const early = rig.configure(port, name)
  const ear = packetSocket(peer.netns, peer.ifindex)
  const mouth = udpSocket(early.netns, early.ipv4, 0)
  for (let n = 0; n < 50; n++) send(mouth, Buffer.from('too early'), peer.ipv4, 9)
  expect(hears(ear, 'too early')).toBe(false)
  expect(udp(peer.netns, { netns: early.netns, address: early.ipv4 }, 9)).toBe(false)
  await rig.fabric.update({ ...port, groupIds: ['sg-open'] })
  send(mouth, Buffer.from('in time'), peer.ipv4, 9)
  expect(hears(ear, 'in time')).toBe(true)
  expect(udp(peer.netns, { netns: early.netns, address: early.ipv4 }, 9)).toBe(true)
  close(ear)
  close(mouth)
  await expect(rig.fabric.plug(rig.port(62, early.netns, { groupIds: ['sg-x'] }))).rejects.toThrow(
    /group sg-x is not known/,
  )
  await rig.fabric.unplug('eni-60')
  await rig.fabric.unplug('eni-61')
})

test('an ENI whose namespace dies is plugged again where it came from, rules and all', async () => {
  const peer = await rig.guest(70, ['sg-open'])
  const host = rig.netns('host')
  const task = rig.netns('task')
  const port = rig.port(71, host, { groupIds: ['sg-open'] })
  const first = await rig.fabric.plug(port)
  ip('-n', netnsName(host), 'link', 'set', first.name, 'netns', netnsName(task))
  const before = rig.configure({ ...port, netns: task }, first.name)
  const listener = listenTcp(peer.netns, peer.ipv4, 80)
  expect(tcp(before.netns, peer.ipv4, 80)).toBe('open')

  const replugged = new Promise<PortEvent>((resolve) => rig.fabric.onEvent(resolve))
  ip('netns', 'del', netnsName(task))
  expect(await replugged).toEqual({ eniId: 'eni-71', what: 'replugged' })

  const [link] = oracle('ip', '-n', netnsName(host), '-j', 'link').filter(
    ({ address }) => address === port.mac,
  )
  expect(link).toMatchObject({ mtu: 9001, operstate: 'DOWN' })
  expect(link?.ifindex).not.toBe(first.ifindex)
  const after = rig.configure(port, String(link?.ifname))
  expect(tcp(after.netns, peer.ipv4, 80)).toBe('open')
  close(listener)

  const gone = new Promise<PortEvent>((resolve) => rig.fabric.onEvent(resolve))
  ip('netns', 'del', netnsName(host)) // Its home itself: now there is nowhere to go.
  expect(await gone).toEqual({ eniId: 'eni-71', what: 'gone' })
  await rig.fabric.unplug('eni-71')
  await rig.fabric.unplug('eni-70')
})

test('what was agreed with an ENI is not inherited by the next one at its address', async () => {
  const server = await rig.guest(80, ['sg-open'])
  const client = await rig.guest(81, ['sg-open'])
  const listener = listenTcp(server.netns, server.ipv4, 80)
  const { fd, answer } = connectTcp(client.netns, server.ipv4, 80)
  expect(answer).toBe('open')
  const accepted = acceptTcp(listener)
  const closed = { groupId: 'sg-closed', rules: [rule('egress', 17, '10.0.0.0/8', 9)] }
  await rig.fabric.putGroup(closed)
  await rig.fabric.unplug('eni-81')
  const heir = rig.port(82, client.netns, { ipv4: [client.ipv4], groupIds: ['sg-closed'] })
  const { name } = await rig.fabric.plug(heir)
  rig.configure(heir, name)
  send(fd, Buffer.from('as agreed'))
  expect(receive(accepted)).toBe(undefined)
  for (const each of [fd, accepted, listener]) close(each)
  await rig.fabric.unplug('eni-82')
  await rig.fabric.unplug('eni-80')
})

test('addresses come and go live', async () => {
  const peer = await rig.guest(90, ['sg-open'])
  const guest = await rig.guest(91, ['sg-open'])
  ip('-n', netnsName(guest.netns), 'addr', 'add', '10.0.0.92/32', 'dev', 'eth0')
  const second = { netns: guest.netns, address: '10.0.0.92' }
  expect(udp(peer.netns, second, 9)).toBe(false)
  ip('-n', netnsName(peer.netns), 'neigh', 'flush', 'all') // It asked in vain and waits a second.
  await rig.fabric.update({ ...guest.port, ipv4: [guest.ipv4, '10.0.0.92'] })
  expect(udp(peer.netns, second, 9)).toBe(true)
  await rig.fabric.update(guest.port)
  expect(udp(peer.netns, second, 9)).toBe(false)
  await expect(rig.fabric.update({ ...guest.port, mac: peer.mac })).rejects.toThrow(/mac/)
  await rig.fabric.unplug('eni-91')
  await rig.fabric.unplug('eni-90')
})

test('a guest of the lab itself is configured as EC2 would', async () => {
  const peer = await rig.guest(100, ['sg-open'])
  const netns = await rig.fabric.makeNetns('probe')
  const port = rig.port(101, netns, { groupIds: ['sg-open'] })
  await rig.fabric.plug(port)
  await rig.fabric.configureGuest({
    netns,
    mac: port.mac,
    ipv4: ['10.0.0.101/20'],
    ipv6: ['fd00:1::101/128'],
    ipv4Gateway: '10.0.0.1',
  })
  const routes = ['-4', '-6'].map((version) =>
    oracle('ip', '-n', netnsName(netns), version, '-j', 'route', 'show', 'default'),
  )
  expect(routes[0]).toMatchObject([{ gateway: '10.0.0.1', dev: 'eth0' }])
  expect(routes[1]).toMatchObject([{ gateway: 'fe80::1', dev: 'eth0' }])
  expect(udp(netns, { netns: peer.netns, address: peer.ipv6 }, 9)).toBe(true)
  expect(udp(peer.netns, { netns, address: '10.0.0.101' }, 9)).toBe(true)
  await rig.fabric.unplug('eni-101')
  await rig.fabric.removeNetns('probe')
  expect(existsSync(netns)).toBe(false)
  await rig.fabric.unplug('eni-100')
})

test('two labs with the same addresses do not meet, and one name is one lab', async () => {
  const second = await Rig.open('life2')
  onTestFinished(() => second.close())
  await second.fabric.putGroup(OPEN)
  const [here, there] = [await rig.guest(110, ['sg-open']), await second.guest(111, ['sg-open'])]
  const twin = await second.guest(110, ['sg-open'])
  expect(udp(there.netns, { netns: twin.netns, address: twin.ipv4 }, 9)).toBe(true)
  expect(udp(there.netns, { netns: here.netns, address: here.ipv4 }, 9)).toBe(false)
  const again = openFabric({ name: second.name, log: quiet })
  await expect(again).rejects.toThrow(/is running on this machine/)
  await expect(sweepFabric(second.name)).rejects.toThrow(/is running on this machine/)
  expect(udp(there.netns, { netns: twin.netns, address: twin.ipv4 }, 9)).toBe(true)
  await rig.fabric.unplug('eni-110')
  const name = netnsName(second.fabric.netnsPath)
  expect(namespaces()).toContain(name)
  await second.close()
  expect(namespaces().filter((each) => each.startsWith(name))).toEqual([])
  await expect(second.fabric.unplug('eni-1')).rejects.toThrow(/not open/)
})

// P215
test('closing leaves no link, no namespace and no table, wherever the guest ends are', async () => {
  const tables = oracle('nft', '-j', 'list', 'tables')
  const fabric = await openFabric({ name: `${rig.name}-c`, log: quiet })
  onTestFinished(() => fabric.close())
  const own = '/proc/self/ns/net'
  await putOpenSubnet(fabric)
  for (const n of [1, 2, 3]) await fabric.plug(rig.port(120 + n, own))
  const mark = `enid-lab:${rig.name}-c:`
  expect(hostLinksMarked(mark)).toHaveLength(3)
  await fabric.makeNetns('x')
  await fabric.close()
  expect(hostLinksMarked(mark)).toEqual([])
  expect(namespaces().filter((each) => each.includes(`${rig.name}-c`))).toEqual([])
  expect(oracle('nft', '-j', 'list', 'tables')).toEqual(tables)
})

test('what a killed lab left is swept by the next of its name that does not take it over', async () => {
  const name = `${rig.name}-k`
  const script = new URL('./fabric-victim.ts', import.meta.url).pathname
  for (const sweeper of ['sweep', 'open']) {
    const victim = spawn(process.execPath, [script, name], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(victim.stdout, 'data')
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    expect(hostLinksMarked(`enid-lab:${name}:`)).toHaveLength(1)
    expect(namespaces()).toEqual(
      expect.arrayContaining([`enid-lab-${name}`, `enid-lab-${name}.guest`]),
    )
    if (sweeper === 'sweep') await sweepFabric(name)
    else await (await openFabric({ name, log: quiet })).close()
    expect(hostLinksMarked(`enid-lab:${name}:`)).toEqual([])
    expect(namespaces().filter((each) => each.includes(name))).toEqual([])
  }
})
