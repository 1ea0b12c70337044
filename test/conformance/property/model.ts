// What AWS documents, as one small judge: security groups, their memory of flows, network ACLs.
// Written from the documentation and from nothing else; it shares no code with the lab, nor with
// what turns rules into calls. Pure.
//
//   groups    the union of all groups' rules; in and out by themselves; an answer needs no rule
//             (vpc-security-groups.html, security-group-rules.html)
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

/** A packet, as far as anybody judges it. `ports`: where from and where to; or ICMP's type and code. */
export type Packet = {
  readonly from: EniName
  readonly to: EniName
  readonly ip: 4 | 6
  readonly protocol: 'tcp' | 'udp' | 'icmp' | number
  readonly sourcePort?: number
  readonly port?: number
  readonly type?: number
  readonly code?: number
}

/** What each end remembers of a flow that began in some world. */
export type Memory = { readonly sender: boolean; readonly receiver: boolean }

type Way = 'in' | 'out'
const OTHER = { in: 'out', out: 'in' } as const

export class Model {
  readonly #places: Places

  constructor(places: Places) {
    this.#places = places
  }

  /** Whether the first packet of a flow arrives. */
  arrives(world: ModelWorld, packet: Packet): boolean {
    return (
      this.#groupsAllow(world, packet.from, 'out', packet) &&
      this.#aclsAllow(world, packet) &&
      this.#groupsAllow(world, packet.to, 'in', packet)
    )
  }

  /** Whether its answer then comes back: groups remember, ACLs do not. */
  answered(world: ModelWorld, packet: Packet): boolean {
    return this.#aclsAllow(world, answerTo(packet))
  }

  /** What each end remembers of the flow that this packet begins. */
  memory(world: ModelWorld, packet: Packet): Memory {
    return {
      sender: !this.#untracked(world, packet.from, 'out', packet),
      receiver: !this.#untracked(world, packet.to, 'in', packet),
    }
  }

  /** Whether a packet of a flow that is there passes now; `back`: it is the called one's. */
  goesOn(world: ModelWorld, first: Packet, memory: Memory, back: boolean): boolean {
    const packet = back ? answerTo(first) : first
    const passes = (remembers: boolean, eni: EniName, way: Way): boolean =>
      remembers || this.#groupsAllow(world, eni, way, packet)
    return (
      passes(memory.sender, first.from, back ? 'in' : 'out') &&
      this.#aclsAllow(world, packet) &&
      passes(memory.receiver, first.to, back ? 'out' : 'in')
    )
  }

  #groupsAllow(world: ModelWorld, eni: EniName, way: Way, packet: Packet): boolean {
    return this.#rules(world, eni, way).some((rule) => this.#ruleAllows(world, rule, way, packet))
  }

  #rules(world: ModelWorld, eni: EniName, way: Way): ModelRule[] {
    return world.wear[eni].flatMap((group) => world.groups[group]?.[way] ?? [])
  }

  #ruleAllows(world: ModelWorld, rule: ModelRule, way: Way, packet: Packet): boolean {
    if (!matches(rule, packet)) return false
    const peer = this.#address(way === 'in' ? packet.from : packet.to, packet.ip)
    if (rule.peer.kind === 'block') return holds(rule.peer.cidr, peer)
    if (rule.peer.kind === 'list') return world.lists[rule.peer.list].some((b) => holds(b, peer))
    const { group } = rule.peer
    const other = way === 'in' ? packet.from : packet.to
    return world.wear[other].includes(group)
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

  #aclsAllow(world: ModelWorld, packet: Packet): boolean {
    const [from, to] = [this.#places[packet.from].subnet, this.#places[packet.to].subnet]
    if (from === to) return true
    return this.#aclAllows(world, from, 'out', packet) && this.#aclAllows(world, to, 'in', packet)
  }

  #aclAllows(world: ModelWorld, subnet: SubnetName, way: Way, packet: Packet): boolean {
    const acl = world.acls[subnet]
    if (acl === undefined) return true
    const peer = this.#address(way === 'in' ? packet.from : packet.to, packet.ip)
    const [first] = acl[way]
      .filter((entry) => matches(entry, packet) && holds(entry.cidr, peer))
      .toSorted((a, b) => a.number - b.number)
    return first?.action === 'allow'
  }

  #address(eni: EniName, ip: 4 | 6): string {
    const { ipv4, ipv6 } = this.#places[eni]
    return ip === 4 ? ipv4 : ipv6
  }
}

/** The answer to a packet: ports change places, an echo request becomes a reply. */
function answerTo(packet: Packet): Packet {
  const { from, to, ip, protocol, sourcePort = 0, port = 0 } = packet
  const turned = { from: to, to: from, ip, protocol }
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

function holds(cidr: string, address: string): boolean {
  const [base = '', bits = ''] = cidr.split('/')
  if (isIPv4(base) !== isIPv4(address)) return false
  const family = isIPv4(base) ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(base, Number(bits), family)
  return list.check(address, family)
}
