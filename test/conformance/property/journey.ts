// Which way a packet goes and where it ends, as AWS documents it; who judges it on its way is the
// model's to say. Written from the documentation alone, like the model. Pure.
//
//   source check   an ENI sends from its own addresses alone, unless its check is off; nor is it given
//                  what is for others (using-eni.html)
//   routes         the most specific one of the sender's subnet; the VPC's blocks are local, and no route
//                  leads within a subnet (RouteTables.html). To what is gone: nowhere
//   igw            one public address for one private, both ways, IPv6 as it is; in by it comes what has
//                  a way back by it (VPC_Internet_Gateway.html)
//   eigw           IPv6 alone, and in by it answers alone (egress-only-internet-gateway.html)
//   nat            TCP, UDP and ICMP of IPv4 go on under its own address, by its own subnet's table and
//                  ACL; in come answers alone (nat-gateway-basics.html)

import type { EniName, SubnetName } from '../row.ts'
import { answerTo, holds, type Model, type Packet } from './model.ts'
import type { ModelWorld, Target } from './world.ts'

/** What is there beside ENIs; addresses that came with Elastic IPs as they are at the time. */
export type Grounds = {
  readonly blocks: { readonly [name in SubnetName | 'vpc']: readonly string[] }
  /** Who is outside, where there is somebody. */
  readonly outside: readonly string[]
  publicOf(eni: EniName): string | undefined
  /** The NAT gateway, which is in Z. */
  nat(): { readonly privateIp: string; readonly publicIp: string } | undefined
}

export type Sender = EniName | 'o'
/** Where a packet is heard, as it is then, and what the way back to its sender is known by. */
export type Arrival = { readonly at: Sender; readonly packet: Packet; readonly trail: Trail }
/** By which ways a packet went, and who remembers its flow: ENIs' groups and the NAT gateway. */
type Trail = {
  readonly groups: Set<EniName>
  readonly by: Set<'igw' | 'eigw' | 'nat' | 'eni'>
  nat?: { readonly source: string; readonly sourcePort: number | undefined }
}

const NAT_SUBNET = 'Z'
/** Any of those that a NAT gateway chooses from: 1024-65535. */
const NAT_PORT = 40_000

export class Journey {
  readonly #model: Model
  readonly #grounds: Grounds
  readonly #world: ModelWorld

  constructor(model: Model, grounds: Grounds, world: ModelWorld) {
    this.#model = model
    this.#grounds = grounds
    this.#world = world
  }

  /** Where the first packet of a flow is heard; undefined when nowhere. */
  arrival(from: Sender, packet: Packet): Arrival | undefined {
    return this.#send(from, packet, newTrail(), undefined)
  }

  /** Whether the answer that who is called gives then comes back to whoever sent the first packet. */
  answered(from: Sender, first: Packet, { at, packet, trail }: Arrival): boolean {
    const back = this.#send(at, answerTo(packet), newTrail(), trail)
    return back?.at === from && back.packet.source === first.target
  }

  /** Whether a packet between two ENIs goes straight, and its answer too. */
  isStraight(from: EniName, to: EniName, { source, target }: Packet): boolean {
    const { places } = this.#model
    return (
      this.#next(places[from].subnet, target) === 'local' &&
      this.#next(places[to].subnet, source) === 'local'
    )
  }

  #send(from: Sender, packet: Packet, trail: Trail, known: Trail | undefined) {
    if (from === 'o') return this.#comeIn(packet, trail, known)
    const { unchecked } = this.#world
    if (!unchecked.includes(from) && !this.#model.owns(this.#world, from, packet.source)) return
    if (!this.#groups(from, 'out', packet, trail, known)) return
    return this.#onward(this.#model.places[from].subnet, packet, trail, known)
  }

  #onward(subnet: SubnetName, packet: Packet, trail: Trail, known: Trail | undefined) {
    const next = this.#next(subnet, packet.target)
    if (next === undefined || next === 'idle') return
    if (next === 'igw' || next === 'eigw') {
      if (!this.#model.aclAllows(this.#world, subnet, 'out', packet)) return
      return this.#goOut(next, packet, trail, known)
    }
    const isForNat = next === 'local' && packet.target === this.#grounds.nat()?.privateIp
    if (next === 'nat' || isForNat) return this.#atNat(subnet, packet, trail, known)
    const eni = next === 'local' ? this.#model.ownerOf(this.#world, packet.target) : next
    if (next !== 'local') trail.by.add('eni')
    return eni && this.#atEni(subnet, eni, packet, trail, known)
  }

  #atEni(
    by: SubnetName | undefined,
    eni: EniName,
    packet: Packet,
    trail: Trail,
    known: Trail | undefined,
  ): Arrival | undefined {
    if (!this.#borders(by, this.#model.places[eni].subnet, packet)) return
    const takesAll = this.#world.unchecked.includes(eni)
    if (!takesAll && !this.#model.owns(this.#world, eni, packet.target)) return
    if (!this.#groups(eni, 'in', packet, trail, known)) return
    return { at: eni, packet, trail }
  }

  #atNat(
    by: SubnetName | undefined,
    packet: Packet,
    trail: Trail,
    known: Trail | undefined,
  ): Arrival | undefined {
    const nat = this.#grounds.nat()
    if (nat === undefined || packet.ip !== 4 || typeof packet.protocol === 'number') return
    if (!this.#borders(by, NAT_SUBNET, packet)) return
    if (packet.target === nat.privateIp) {
      if (known?.nat === undefined) return
      const { source: target, sourcePort } = known.nat
      const port = sourcePort === undefined ? {} : { port: sourcePort }
      return this.#onward(NAT_SUBNET, { ...packet, target, ...port }, trail, known)
    }
    trail.by.add('nat')
    trail.nat = { source: packet.source, sourcePort: packet.sourcePort }
    const port = packet.sourcePort === undefined ? {} : { sourcePort: NAT_PORT }
    return this.#onward(NAT_SUBNET, { ...packet, source: nat.privateIp, ...port }, trail, known)
  }

  #goOut(
    gateway: 'igw' | 'eigw',
    packet: Packet,
    trail: Trail,
    known: Trail | undefined,
  ): Arrival | undefined {
    if (packet.ip === 4 && gateway === 'eigw') return
    trail.by.add(gateway)
    const source = packet.ip === 6 ? packet.source : this.#publicOf(packet.source)
    if (source === undefined) return
    const outside = { ...packet, source }
    if (this.#grounds.outside.includes(packet.target)) return { at: 'o', packet: outside, trail }
    return packet.ip === 4 ? this.#comeIn(outside, trail, known) : undefined
  }

  /** From the Internet: to a public address, by the gateway that leads back to the sender. */
  #comeIn(packet: Packet, trail: Trail, known: Trail | undefined): Arrival | undefined {
    const nat = this.#grounds.nat()
    const isForNat = packet.ip === 4 && packet.target === nat?.publicIp
    const eni =
      packet.ip === 6
        ? this.#model.ownerOf(this.#world, packet.target)
        : this.#world.public.find((each) => this.#grounds.publicOf(each) === packet.target)
    if (eni === undefined && !isForNat) return
    trail.by.add('igw')
    const subnet = eni === undefined ? NAT_SUBNET : this.#model.places[eni].subnet
    const back = this.#next(subnet, packet.source)
    if (back !== 'igw' && !(back === 'eigw' && known?.by.has('eigw'))) return
    if (eni === undefined) {
      return this.#atNat(undefined, { ...packet, target: nat?.privateIp ?? '' }, trail, known)
    }
    const target = packet.ip === 6 ? packet.target : this.#model.places[eni].ipv4
    return this.#atEni(undefined, eni, { ...packet, target }, trail, known)
  }

  #publicOf(address: string): string | undefined {
    const nat = this.#grounds.nat()
    if (address === nat?.privateIp) return nat.publicIp
    const eni = this.#world.public.find((each) => this.#model.places[each].ipv4 === address)
    return eni && this.#grounds.publicOf(eni)
  }

  #next(subnet: SubnetName, target: string): Target | 'local' | undefined {
    const { blocks } = this.#grounds
    if (blocks[subnet].some((cidr) => holds(cidr, target))) return 'local'
    const local = blocks.vpc.map((cidr) => ({ cidr, target: 'local' as const }))
    const [best] = [...this.#world.tables[subnet], ...local]
      .filter(({ cidr }) => holds(cidr, target))
      .toSorted((a, b) => lengthOf(b.cidr) - lengthOf(a.cidr))
    return best?.target
  }

  #borders(by: SubnetName | undefined, into: SubnetName, packet: Packet): boolean {
    if (by === into) return true
    const leaves = by === undefined || this.#model.aclAllows(this.#world, by, 'out', packet)
    return leaves && this.#model.aclAllows(this.#world, into, 'in', packet)
  }

  #groups(
    eni: EniName,
    way: 'in' | 'out',
    packet: Packet,
    trail: Trail,
    known: Trail | undefined,
  ): boolean {
    trail.groups.add(eni)
    return known?.groups.has(eni) === true || this.#model.groupsAllow(this.#world, eni, way, packet)
  }
}

const newTrail = (): Trail => ({ groups: new Set(), by: new Set() })
const lengthOf = (cidr: string): number => Number(cidr.split('/')[1])
