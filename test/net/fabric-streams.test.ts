// Goal: a TCP stream between two ENIs goes in packets of more than 64 KiB, and whoever is behind a link
// that knows nothing of those, or on a wire, gets ordinary ones: of the link's MTU, and every byte.
// Method: busybox's httpd and curl inside guests, a digest of what came, and nftables in the
// receiver's namespace, which counts packets by their length.

import { execFile, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fabricNamespace } from '../../lab/fabric/names.ts'
import { BESIDE, EDGE_INTERNET } from '../../lab/fabric/outside.ts'
import { everything, type Guest, ip, oracle, Rig } from './fabric-rig.ts'
import { acceptTcp, close, connectTcp, listenTcp, receive, send, tcp } from './fabric-sockets.ts'

const run = promisify(execFile)
const PORT = 8080
const TURNS = 10
const BYTES = 16 * 1024 * 1024
const PUBLIC_IP = '198.51.100.7'
const BEHIND = { prefix: '10.0.1.16/28', address: '10.0.1.20', router: '169.254.7.1' } as const

const named = (path: string): string => path.replace('/run/netns/', '')
const folder = mkdtempSync(join(tmpdir(), 'enid-streams-'))
let rig: Rig
let sender: Guest
let receiver: Guest
let behind: string
const ended: (() => void)[] = []

beforeAll(async () => {
  rig = await Rig.open('streams')
  const { fabric } = rig
  await fabric.putGroup({
    groupId: 'sg-open',
    rules: [...everything('egress'), ...everything('ingress')],
  })
  const routes = [{ cidr: '0.0.0.0/0', to: { kind: 'internet' } } as const]
  await fabric.ways.putRouteTable({ routeTableId: 'rtb-1', blocks: ['10.0.0.0/16'], routes })
  await fabric.putSubnet({
    subnetId: 'subnet-1',
    ipv4Cidr: '10.0.0.0/20',
    ipv4Gateway: '10.0.0.1',
    aclId: 'acl-open',
    routeTableId: 'rtb-1',
  })
  sender = await rig.guest(10, ['sg-open'])
  // By what is lost, and nothing is: others go by how fast a busy machine lets them.
  setting(sender, 'net.ipv4.tcp_congestion_control=reno')
  receiver = await rig.guest(20, ['sg-open'], { prefixes: [BEHIND.prefix] })
  await fabric.ways.putPublicAddress({ publicIp: PUBLIC_IP, privateIp: sender.ipv4 })
  behind = joinBehind(receiver)
  const served = randomBytes(BYTES)
  writeFileSync(join(folder, 'served'), served)
  const httpd = ['busybox', 'httpd', '-f', '-p', String(PORT), '-h', folder]
  const server = spawn('nsenter', [`--net=${sender.netns}`, ...httpd], { stdio: 'inherit' })
  ended.push(() => server.kill())
  await vi.waitFor(() => expect(tcp(sender.netns, sender.ipv4, PORT)).toBe('open'), 10_000)
})
afterAll(async () => {
  for (const end of ended) end()
  await rig?.close()
  rmSync(folder, { recursive: true })
})

/** A namespace with an address of the guest's prefix, by a veth that nobody told of more than 64 KiB. */
function joinBehind(guest: Guest): string {
  const path = rig.netns('behind')
  const [inner, outer] = [named(path), named(guest.netns)]
  ip('-n', outer, 'link', 'add', 'tap0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', inner)
  ip('-n', outer, 'addr', 'add', `${BEHIND.router}/32`, 'dev', 'tap0')
  ip('-n', outer, 'link', 'set', 'tap0', 'mtu', '9001', 'up')
  ip('-n', outer, 'route', 'add', BEHIND.address, 'dev', 'tap0')
  ip('-n', inner, 'addr', 'add', `${BEHIND.address}/32`, 'dev', 'eth0')
  ip('-n', inner, 'link', 'set', 'eth0', 'mtu', '9001', 'up')
  ip('-n', inner, 'route', 'add', BEHIND.router, 'dev', 'eth0')
  ip('-n', inner, 'route', 'add', 'default', 'via', BEHIND.router)
  setting(guest, 'net.ipv4.ip_forward=1')
  return path
}

const setting = ({ netns }: Guest, words: string): void => {
  execFileSync('ip', ['netns', 'exec', named(netns), 'busybox', 'sysctl', '-qw', words])
}

/** Counts TCP packets over a length, in bytes of IP, that come into a namespace from now on. */
function countOver(netns: string, bytes: number): () => number {
  const nft = (...args: string[]): string[] => [`--net=${netns}`, 'nft', ...args]
  const rules = [
    'add table ip over',
    'flush table ip over',
    'add chain ip over in { type filter hook prerouting priority -500; }',
    `add rule ip over in meta l4proto tcp meta length > ${bytes} counter`,
  ].join('; ')
  execFileSync('nsenter', nft(rules))
  return () => {
    const listed = execFileSync('nsenter', nft('-j', 'list', 'table', 'ip', 'over'), {
      encoding: 'utf8',
    })
    return Number(/"packets": (\d+)/.exec(listed)?.[1])
  }
}

/** Fetches what the sender serves, and answers whether every byte of it came. */
async function isFetched(netns: string, address: string): Promise<boolean> {
  const to = join(folder, 'fetched')
  const url = `http://${address}:${PORT}/served`
  const curl = ['curl', '-sS', '-m', '30', '-o', to, url]
  await run('nsenter', [`--net=${netns}`, ...curl])
  const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
  return digest(to) === digest(join(folder, 'served'))
}

/**
 * Writes all that a connection takes before a byte is read, then reads all of it, and so on: what waits
 * is sent at once when there is room, however busy the machine.
 */
function pumpInTurns(from: Guest, to: { netns: string; ipv4: string }): void {
  const listener = listenTcp(to.netns, to.ipv4, PORT)
  const { fd: mouth } = connectTcp(from.netns, to.ipv4, PORT, 5_000)
  const ear = acceptTcp(listener)
  const block = Buffer.alloc(1024 * 1024)
  for (let turn = 0; turn < TURNS; turn++) {
    while (send(mouth, block) > 0);
    while (receive(ear) !== undefined);
  }
  for (const fd of [mouth, ear, listener]) close(fd)
}

/** Has a link cut whatever it is given into segments, as a card that cannot do so itself is given them. */
const cutAt = (netns: string, link: string): void =>
  ip('-n', named(netns), 'link', 'set', link, 'gso_max_segs', '1')

describe('a TCP stream', () => {
  // P520
  test('between two ENIs goes in packets of more than 64 KiB', async () => {
    const packets = countOver(receiver.netns, 65_535)
    expect(await isFetched(receiver.netns, sender.ipv4)).toBe(true)
    pumpInTurns(sender, receiver)
    expect(packets()).toBeGreaterThan(0)
  })

  // P521
  test('to who is behind a link that knows nothing of them goes in ordinary ones', async () => {
    const [through, there] = [countOver(receiver.netns, 65_535), countOver(behind, 65_535)]
    expect(await isFetched(behind, sender.ipv4)).toBe(true)
    pumpInTurns(sender, { netns: behind, ipv4: BEHIND.address })
    expect(through()).toBeGreaterThan(0)
    expect(there()).toBe(0)
  })

  // P521
  test('is at most 9001 bytes a packet where it is cut', async () => {
    const netns = rig.fabric.netnsPath
    const [{ ifname } = {}] = oracle(
      'ip',
      '-n',
      named(netns),
      '-j',
      'route',
      'get',
      receiver.ipv4,
    ).map(({ dev }) => ({ ifname: String(dev) }))
    cutAt(netns, ifname ?? '')
    const packets = countOver(receiver.netns, 9001)
    expect(await isFetched(receiver.netns, sender.ipv4)).toBe(true)
    expect(packets()).toBe(0)
  })

  // P521
  test('to the Internet is in packets of at most 64 KiB already when it leaves its ENI', async () => {
    const internet = rig.fabric.ways.internet.netnsPath
    const packets = countOver(internet, 65_535)
    expect(await isFetched(internet, PUBLIC_IP)).toBe(true)
    expect(packets()).toBe(0)
  })

  // P521
  test('to the Internet is at most 1500 bytes a packet on its wire', async () => {
    cutAt(fabricNamespace(rig.name, BESIDE.edge), EDGE_INTERNET)
    const internet = rig.fabric.ways.internet.netnsPath
    const packets = countOver(internet, 1500)
    expect(await isFetched(internet, PUBLIC_IP)).toBe(true)
    expect(packets()).toBe(0)
  })
})
