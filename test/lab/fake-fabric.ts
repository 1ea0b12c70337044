// A fabric of memory for the lab's tests: it keeps what it was told, refuses what the real one
// refuses (an unknown group or ACL, an address in use, a group still worn), and fails when a test says so.

import type {
  Acl,
  FabricWays,
  Group,
  NatGateway,
  Port,
  PortEvent,
  PublicAddress,
  RouteTable,
  Subnet,
} from '../../lab/fabric/fabric.ts'
import type { LabFabric } from '../../lab/fabric/open.ts'

export class FakeFabric implements LabFabric {
  readonly netnsPath = '/run/netns/enid-lab-fake'
  readonly acls = new Map<string, Acl>()
  readonly subnets = new Map<string, Subnet>()
  readonly routeTables = new Map<string, RouteTable>()
  /** By public address. */
  readonly addresses = new Map<string, PublicAddress>()
  readonly nats = new Map<string, NatGateway>()
  readonly ways: LabFabric['ways']
  readonly groups = new Map<string, Group>()
  readonly ports = new Map<string, Port>()
  resolver: string | undefined
  readonly namespaces = new Map<string, 'made' | 'configured'>()
  /** Every call since the last `said = []`, as its name. */
  said: string[] = []
  /** The next call of that name rejects, once. */
  failNext: keyof LabFabric | keyof FabricWays | undefined
  closed = false
  released = false
  /** What its packets would be: a test tells verdicts, and what the rules counted. */
  counts: Awaited<ReturnType<LabFabric['verdicts']['ruleCounts']>> = []
  carried: Awaited<ReturnType<LabFabric['verdicts']['flowCounts']>>['counts'] = []
  readonly #listeners: Parameters<LabFabric['verdicts']['on']>[0][] = []
  readonly tell: Parameters<LabFabric['verdicts']['on']>[0] = (verdicts) => {
    for (const listener of this.#listeners) listener(verdicts)
  }
  readonly verdicts: LabFabric['verdicts'] = {
    on: (listener) => void this.#listeners.push(listener),
    hear: async () => {},
    ruleCounts: async () => this.counts,
    flowCounts: async () => ({ counts: this.carried, lost: false }),
  }

  constructor() {
    this.ways = {
      internet: {
        netnsPath: '/run/netns/enid-lab-fake.internet',
        ipv4: '203.0.113.10',
        ipv6: '2001:db8:ffff::10',
      },
      putRouteTable: async (table) => {
        this.#say('putRouteTable')
        this.routeTables.set(table.routeTableId, table)
      },
      dropRouteTable: async (routeTableId) => {
        this.#say('dropRouteTable')
        const used = [...this.subnets.values()].some((each) => each.routeTableId === routeTableId)
        if (used) throw new Error(`route table ${routeTableId} is in use`)
        this.routeTables.delete(routeTableId)
      },
      putPublicAddress: async (address) => {
        this.#say('putPublicAddress')
        for (const other of this.addresses.values()) {
          if (other.privateIp !== address.privateIp || other.publicIp === address.publicIp) continue
          throw new Error(`${address.privateIp} has ${other.publicIp}`)
        }
        this.addresses.set(address.publicIp, address)
      },
      dropPublicAddress: async (publicIp) => {
        this.#say('dropPublicAddress')
        this.addresses.delete(publicIp)
      },
      putNatGateway: async (nat) => {
        this.#say('putNatGateway')
        if (!this.subnets.has(nat.subnetId)) throw new Error(`subnet ${nat.subnetId} is not known`)
        this.nats.set(nat.natGatewayId, nat)
      },
      dropNatGateway: async (natGatewayId) => {
        this.#say('dropNatGateway')
        this.nats.delete(natGatewayId)
      },
    }
  }

  async open(): Promise<void> {}

  async putAcl(acl: Acl): Promise<void> {
    this.#say('putAcl')
    this.acls.set(acl.aclId, acl)
  }

  async dropAcl(aclId: string): Promise<void> {
    this.#say('dropAcl')
    const used = [...this.subnets.values()].some((subnet) => subnet.aclId === aclId)
    if (used) throw new Error(`ACL ${aclId} is in use`)
    this.acls.delete(aclId)
  }

  async putSubnet(subnet: Subnet): Promise<void> {
    this.#say('putSubnet')
    if (!this.acls.has(subnet.aclId)) throw new Error(`ACL ${subnet.aclId} is not known`)
    const table = subnet.routeTableId
    if (table !== undefined && !this.routeTables.has(table)) {
      throw new Error(`route table ${table} is not known`)
    }
    this.subnets.set(subnet.subnetId, subnet)
  }

  async dropSubnet(subnetId: string): Promise<void> {
    this.#say('dropSubnet')
    const held = [...this.ports.values(), ...this.nats.values()].some(
      (each) => each.subnetId === subnetId,
    )
    if (held) throw new Error(`subnet ${subnetId} is in use`)
    this.subnets.delete(subnetId)
  }

  async openResolver(vpcAddress: string): Promise<void> {
    this.#say('openResolver')
    this.resolver = vpcAddress
  }

  async closeResolver(vpcAddress: string): Promise<void> {
    this.#say('closeResolver')
    if (this.resolver !== vpcAddress) throw new Error(`no resolver at ${vpcAddress}`)
    this.resolver = undefined
  }

  async putGroup(group: Group): Promise<void> {
    this.#say('putGroup')
    for (const { peer } of group.rules) {
      if (peer.kind !== 'group' || peer.groupId === group.groupId) continue
      if (!this.groups.has(peer.groupId)) throw new Error(`group ${peer.groupId} is not known`)
    }
    this.groups.set(group.groupId, group)
  }

  async dropGroup(groupId: string): Promise<void> {
    this.#say('dropGroup')
    const worn = [...this.ports.values()].some((port) => port.groupIds.includes(groupId))
    const named = [...this.groups.values()].some(
      (group) =>
        group.groupId !== groupId &&
        group.rules.some(({ peer }) => peer.kind === 'group' && peer.groupId === groupId),
    )
    if (worn || named) throw new Error(`group ${groupId} is in use`)
    this.groups.delete(groupId)
  }

  async plug(port: Port): Promise<{ name: string; ifindex: number }> {
    this.#say('plug')
    if (this.ports.has(port.eniId)) throw new Error(`port ${port.eniId} is plugged already`)
    this.#check(port)
    this.ports.set(port.eniId, port)
    return { name: 'ens0', ifindex: 7 }
  }

  async unplug(eniId: string): Promise<void> {
    this.#say('unplug')
    this.ports.delete(eniId)
  }

  async update(port: Port): Promise<void> {
    this.#say('update')
    if (!this.ports.has(port.eniId)) throw new Error(`port ${port.eniId} is not plugged`)
    this.#check(port)
    this.ports.set(port.eniId, port)
  }

  onEvent(_listener: (event: PortEvent) => void): void {}

  async close(): Promise<void> {
    this.closed = true
  }

  async release(): Promise<void> {
    this.released = true
  }

  async keepNetns(paths: readonly string[]): Promise<void> {
    this.#say('keepNetns')
    for (const name of this.namespaces.keys()) {
      if (!paths.includes(`${this.netnsPath}.${name}`)) this.namespaces.delete(name)
    }
  }

  async listenIn(): Promise<number> {
    throw new Error('the fake fabric has no sockets')
  }

  async makeNetns(name: string): Promise<string> {
    this.#say('makeNetns')
    this.namespaces.set(name, 'made')
    return `/run/netns/enid-lab-fake.${name}`
  }

  async removeNetns(name: string): Promise<void> {
    this.#say('removeNetns')
    this.namespaces.delete(name)
  }

  async configureGuest(plan: { netns: string }): Promise<void> {
    this.#say('configureGuest')
    this.namespaces.set(plan.netns.replace(`${this.netnsPath}.`, ''), 'configured')
  }

  #say(name: NonNullable<FakeFabric['failNext']>): void {
    this.said.push(name)
    if (this.failNext !== name) return
    this.failNext = undefined
    throw new Error('the kernel said no')
  }

  #check(port: Port): void {
    if (!this.subnets.has(port.subnetId)) throw new Error(`subnet ${port.subnetId} is not known`)
    const unknown = port.groupIds.find((groupId) => !this.groups.has(groupId))
    if (unknown !== undefined) throw new Error(`group ${unknown} is not known`)
    const taken = [...this.ports.values()].find(
      (other) => other.eniId !== port.eniId && other.ipv4.some((ip) => port.ipv4.includes(ip)),
    )
    if (taken !== undefined) throw new Error(`an address of ${port.eniId} is in use`)
  }
}
