// A lab for the fabric's tests: a fabric, and guests in namespaces of their own, configured with
// iproute2 as an independent hand would. Every rig has its own names and takes everything away.

import { execFileSync } from 'node:child_process'
import type { Acl, AclEntry, Port, Rule } from '../../lab/fabric/fabric.ts'
import { type LabFabric, openFabric } from '../../lab/fabric/open.ts'
import { bytesOf, checksum } from './fabric-sockets.ts'

/** A guest: a namespace with one configured interface. */
export type Guest = {
  readonly port: Port
  readonly netns: string
  readonly ipv4: string
  readonly ipv6: string
  readonly ifindex: number
  readonly mac: string
}

/** Runs iproute2 or nft and answers its JSON: the oracle for what the kernel holds. */
export function oracle(command: 'ip' | 'nft', ...args: string[]): Record<string, unknown>[] {
  const text = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return text.trim() === '' ? [] : JSON.parse(text)
}

/** Runs ip(8) for its effect. */
export const ip = (...args: string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** The names of all named namespaces. */
export function namespaces(): string[] {
  const out = execFileSync('ip', ['netns'], { encoding: 'utf8' })
  return out.split('\n').flatMap((line) => line.split(' ')[0] || [])
}

/** Links of the namespace this process is in, by their alias. */
export const hostLinksMarked = (mark: string): Record<string, unknown>[] =>
  oracle('ip', '-j', '-d', 'link').filter(({ ifalias }) => String(ifalias).startsWith(mark))

export const quiet = { info: () => {}, error: () => {} }

/** An entry of an ACL, from the parts that matter in a test; tcp 22 is `6, 22`. */
export function entry(
  direction: AclEntry['direction'],
  ruleNumber: number,
  action: AclEntry['action'],
  protocol: AclEntry['protocol'],
  cidr: string,
  from?: number,
  to = from,
): AclEntry {
  const peer = { kind: cidr.includes(':') ? 'ipv6' : 'ipv4', cidr } as const
  const range = from === undefined || to === undefined ? {} : { from, to }
  return { direction, ruleNumber, action, protocol, peer, ...range }
}

/** Everything, both versions, both directions: what a VPC's default ACL says. */
export const OPEN_ENTRIES: readonly AclEntry[] = (['ingress', 'egress'] as const).flatMap(
  (direction) => [
    entry(direction, 100, 'allow', 'all', '0.0.0.0/0'),
    entry(direction, 101, 'allow', 'all', '::/0'),
  ],
)
const OPEN_ACL: Acl = { aclId: 'acl-open', entries: OPEN_ENTRIES }

/** The subnet that ports are in when nothing else is said, under an ACL that allows all. */
export async function putOpenSubnet(fabric: LabFabric): Promise<void> {
  await fabric.putAcl(OPEN_ACL)
  await fabric.putSubnet({
    subnetId: 'subnet-1',
    ipv4Cidr: '10.0.0.0/20',
    ipv4Gateway: '10.0.0.1',
    aclId: OPEN_ACL.aclId,
  })
}

/** A lab whose name no other has. */
export class Rig {
  readonly name: string
  readonly fabric: LabFabric
  readonly #namespaces: string[] = []

  private constructor(name: string, fabric: LabFabric) {
    this.name = name
    this.fabric = fabric
  }

  static async open(name: string): Promise<Rig> {
    if (process.getuid?.() !== 0) throw new Error('these tests need root')
    const unique = `t${process.pid}-${name}`
    const rig = new Rig(unique, await openFabric({ name: unique, log: quiet }))
    await putOpenSubnet(rig.fabric)
    return rig
  }

  /** Makes a namespace with iproute2; answers its path. */
  netns(name: string): string {
    const full = `${this.name}-${name}`
    ip('netns', 'add', full)
    this.#namespaces.push(full)
    return `/run/netns/${full}`
  }

  /** What a port is when nothing else is said: host number n of the subnet. */
  port(n: number, netns: string, change: Partial<Port> = {}): Port {
    return {
      eniId: `eni-${n}`,
      subnetId: 'subnet-1',
      mac: `02:00:00:00:01:${n.toString(16).padStart(2, '0')}`,
      ipv4: [`10.0.0.${n}`],
      ipv6: [`fd00:1::${n}`],
      groupIds: [],
      sourceDestCheck: true,
      netns,
      ...change,
    }
  }

  /** Plugs a port into a fresh namespace and configures it as EC2's DHCP and RA would. */
  async guest(n: number, groupIds: string[], change: Partial<Port> = {}): Promise<Guest> {
    const port = this.port(n, this.netns(`g${n}`), { groupIds, ...change })
    const { name } = await this.fabric.plug(port)
    return this.configure(port, name)
  }

  /** Configures the link `name` in the port's namespace: eth0, addresses, default routes. */
  configure(port: Port, name: string): Guest {
    const netns = port.netns.replace('/run/netns/', '')
    const [ipv4 = '', ipv6 = ''] = [port.ipv4[0], port.ipv6[0]]
    const commands = [
      'link set lo up',
      `link set ${name} name eth0`,
      'link set eth0 up',
      `addr add ${ipv4}/20 dev eth0`,
      `addr add ${ipv6}/128 dev eth0 nodad`,
      `route add default via ${gatewayOf(ipv4)}`,
      'route add default via fe80::1 dev eth0',
    ]
    execFileSync('ip', ['-n', netns, '-batch', '-'], { input: `${commands.join('\n')}\n` })
    const [link] = oracle('ip', '-n', netns, '-j', 'link', 'show', 'eth0')
    return { port, netns: port.netns, ipv4, ipv6, ifindex: Number(link?.ifindex), mac: port.mac }
  }

  async close(): Promise<void> {
    await this.fabric.close()
    for (const name of this.#namespaces) {
      if (namespaces().includes(name)) ip('netns', 'del', name)
    }
  }
}

/** The router's address of the /20 that an address is in. */
const gatewayOf = (ipv4: string): string => {
  const [a, b, c] = ipv4.split('.').map(Number)
  return `${a}.${b}.${(c ?? 0) & 0xf0}.1`
}

/** A rule of a group, from the parts that matter in a test. */
export function rule(
  direction: Rule['direction'],
  protocol: Rule['protocol'],
  peer: string,
  from?: number,
  to = from,
): Rule {
  const kind = peer.startsWith('sg-') ? 'group' : peer.includes(':') ? 'ipv6' : 'ipv4'
  return {
    ruleId: `sgr-${direction}-${protocol}-${from ?? 'any'}`,
    direction,
    protocol,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    peer: kind === 'group' ? { kind, groupId: peer } : { kind, cidr: peer },
  }
}

/** Everything, both versions, in one direction. */
export const everything = (direction: Rule['direction']): Rule[] => [
  rule(direction, 'all', '0.0.0.0/0'),
  rule(direction, 'all', '::/0'),
]

/** An Ethernet frame. */
export function frame(to: string, from: string, ethertype: number, payload: Buffer): Buffer {
  const mac = (text: string) => Buffer.from(text.replaceAll(':', ''), 'hex')
  const type = Buffer.alloc(2)
  type.writeUInt16BE(ethertype)
  return Buffer.concat([mac(to), mac(from), type, payload])
}

/** A UDP datagram in an IPv4 or IPv6 packet with any source address. */
export function datagram(from: string, to: string, port: number, words: string | Buffer): Buffer {
  const body = Buffer.from(words)
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(40000, 0)
  udp.writeUInt16BE(port, 2)
  udp.writeUInt16BE(8 + body.length, 4)
  const [source, destination] = [bytesOf(from), bytesOf(to)]
  const payload = Buffer.concat([udp, body, Buffer.alloc(body.length % 2)])
  const lengths = Buffer.of(0, 17, ...payload.subarray(4, 6))
  const pseudo = Buffer.concat([source, destination, lengths, payload])
  payload.writeUInt16BE(checksum(pseudo) || 0xffff, 6)
  const packet = payload.subarray(0, 8 + body.length)
  if (source.length === 4) {
    const head = Buffer.alloc(20)
    head.set([0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17])
    head.writeUInt16BE(20 + packet.length, 2)
    head.set(source, 12)
    head.set(destination, 16)
    head.writeUInt16BE(checksum(head), 10)
    return Buffer.concat([head, packet])
  }
  const head = Buffer.alloc(40)
  head.set([0x60, 0, 0, 0, 0, 0, 17, 64])
  head.writeUInt16BE(packet.length, 4)
  head.set(source, 8)
  head.set(destination, 24)
  return Buffer.concat([head, packet])
}
