// What AWS documents, as one small judge: security groups, their memory of flows, network ACLs.
// Written from the documentation and from nothing else; it shares no code with the lab, nor with
// what turns rules into calls. Pure. Which way a packet goes is its neighbour's to say (journey.ts).
//
//   groups    the union of all groups' rules; in and out by themselves; an answer needs no rule
//             (vpc-security-groups.html, security-group-rules.html); a group as a peer means the private
//             addresses of the ENIs that wear it, secondary ones and delegated prefixes among them
//   tracking  untracked is TCP or UDP that a rule lets to or from 0.0.0.0/0 or ::/0, where another
//             lets all ports the other way; all else is tracked and goes on when its rule goes
//             (security-group-connection-tracking.html)
//   ACLs      lowest number first, then deny; no memory; only between subnets (nacl-basics.html)

import { BlockList, isIPv4 } from 'node:net'
import type { EniName, SubnetName } from '../row.ts'
import type { Match, ModelRule, ModelWorld } from './world.ts'

/** Where an ENI is. */
export type Place = { readonly subnet: SubnetName; readonly ipv4: string; readonly ipv6: string }
export type Places = { readonly [eni in EniName]: Place }

/** A packet, as far as anybody judges it. Ports: where from and where to; or ICMP's type and code. */
export type Packet = {
  readonly ip: 4 | 6
  readonly source: string
  readonly target: string
  readonly protocol: 'tcp' | 'udp' | 'icmp' | number
  readonly sourcePort?: number
  readonly port?: number
  readonly type?: number
  readonly code?: number
}

/** The two ENIs of a flow within the VPC, its first packet, and what each end remembers of it. */
export type Flow = { readonly from: EniName; readonly to: EniName; readonly first: Packet }
export type Memory = { readonly sender: boolean; readonly receiver: boolean }

type Way = 'in' | 'out'
const OTHER = { in: 'out', out: 'in' } as const

export class Model {
  readonly places: Places

  constructor(places: Places) {
    this.places = places
  }

  /** Whether an ENI's groups let a first packet in or out. */
  groupsAllow(world: ModelWorld, eni: EniName, way: Way, packet: Packet): boolean {
    return this.#rules(world, eni, way).some((rule) => this.#ruleAllows(world, rule, way, packet))
  }

  /** Whether a subnet's ACL lets a packet in or out. */
  aclAllows(world: ModelWorld, subnet: SubnetName, way: Way, packet: Packet): boolean {
    const acl = world.acls[subnet]
    if (acl === undefined) return true
    const peer = way === 'in' ? packet.source : packet.target
    const [first] = acl[way]
      .filter((entry) => matches(entry, packet) && holds(entry.cidr, peer))
      .toSorted((a, b) => a.number - b.number)
    return first?.action === 'allow'
  }

  /** Whether an address is one of an ENI's own: its first, another, or of a prefix of its. */
  owns(world: ModelWorld, eni: EniName, address: string): boolean {
    const { ipv4, ipv6 } = this.places[eni]
    const more = world.more[eni] ?? []
    return (
      [ipv4, ipv6].includes(address) ||
      more.some((each) => (each.includes('/') ? holds(each, address) : each === address))
    )
  }

  /** Whose private address that is. */
  ownerOf(world: ModelWorld, address: string): EniName | undefined {
    const all = Object.keys(this.places) as EniName[]
    return all.find((eni) => this.owns(world, eni, address))
  }

  /** What each end remembers of a flow. */
  memory(world: ModelWorld, { from, to, first }: Flow): Memory {
    return {
      sender: !this.#untracked(world, from, 'out', first),
      receiver: !this.#untracked(world, to, 'in', first),
    }
  }

  /** Whether a packet of a flow between neighbours or subnets passes now; `back`: the called one's. */
  goesOn(world: ModelWorld, { from, to, first }: Flow, memory: Memory, back: boolean): boolean {
    const packet = back ? answerTo(first) : first
    const passes = (remembers: boolean, eni: EniName, way: Way): boolean =>
      remembers || this.groupsAllow(world, eni, way, packet)
    const subnets = [this.places[from].subnet, this.places[to].subnet] as const
    const [out, into] = back ? subnets.toReversed() : subnets
    const crosses = out === undefined || into === undefined || out === into
    return (
      passes(memory.sender, from, back ? 'in' : 'out') &&
      (crosses ||
        (this.aclAllows(world, out, 'out', packet) && this.aclAllows(world, into, 'in', packet))) &&
      passes(memory.receiver, to, back ? 'out' : 'in')
    )
  }

  #rules(world: ModelWorld, eni: EniName, way: Way): ModelRule[] {
    return world.wear[eni].flatMap((group) => world.groups[group]?.[way] ?? [])
  }

  #ruleAllows(world: ModelWorld, rule: ModelRule, way: Way, packet: Packet): boolean {
    if (!matches(rule, packet)) return false
    const peer = way === 'in' ? packet.source : packet.target
    if (rule.peer.kind === 'block') return holds(rule.peer.cidr, peer)
    if (rule.peer.kind === 'list') return world.lists[rule.peer.list].some((b) => holds(b, peer))
    const other = this.ownerOf(world, peer)
    return other !== undefined && world.wear[other].includes(rule.peer.group)
  }

  /** Its own rule from or to everywhere, and one that lets every port go the other way. */
  #untracked(world: ModelWorld, eni: EniName, way: Way, packet: Packet): boolean {
    if (packet.protocol !== 'tcp' && packet.protocol !== 'udp') return false
    const everywhere = (rule: ModelRule): boolean => {
      const blocks =
        rule.peer.kind === 'block'
          ? [rule.peer.cidr]
          : rule.peer.kind === 'list'
            ? world.lists[rule.peer.list]
            : []
      return blocks.includes(packet.ip === 4 ? '0.0.0.0/0' : '::/0')
    }
    const begun = this.#rules(world, eni, way).some((r) => everywhere(r) && matches(r, packet))
    const free = this.#rules(world, eni, OTHER[way]).some((rule) => {
      const all = rule.protocol === '-1'
      const every = rule.protocol === packet.protocol && rule.from === 0 && rule.to === 65535
      return everywhere(rule) && (all || every)
    })
    return begun && free
  }
}

/** The answer to a packet: addresses and ports change places, an echo request becomes a reply. */
export function answerTo(packet: Packet): Packet {
  const { ip, source, target, protocol, sourcePort = 0, port = 0 } = packet
  const turned = { ip, source: target, target: source, protocol }
  if (protocol === 'icmp') return { ...turned, type: ip === 4 ? 0 : 129, code: 0 }
  if (typeof protocol === 'number') return turned
  return { ...turned, sourcePort: port, port: sourcePort }
}

function matches({ protocol, from = 0, to = 0 }: Match, packet: Packet): boolean {
  if (protocol === '-1') return true
  if (protocol === 'tcp' || protocol === 'udp') {
    const { port = -1 } = packet
    return packet.protocol === protocol && from <= port && port <= to
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    if (packet.protocol !== 'icmp' || packet.ip !== (protocol === 'icmp' ? 4 : 6)) return false
    return (from === -1 || from === packet.type) && (to === -1 || to === packet.code)
  }
  return packet.protocol === protocol
}

/** Whether a block holds an address; of the other IP version it never does. */
export function holds(cidr: string, address: string): boolean {
  const [base = '', bits = ''] = cidr.split('/')
  if (isIPv4(base) !== isIPv4(address)) return false
  const family = isIPv4(base) ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(base, Number(bits), family)
  return list.check(address, family)
}
