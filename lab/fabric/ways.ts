// The part of the fabric that leads out of the VPC: subnets with their borders and route tables,
// public addresses, NAT gateways, and the lab's Internet. It remembers what there is, and asks the
// kernel for what follows from it; the fabric itself remembers what is plugged.

import type { Borders } from './borders.ts'
import { changeAddress } from './edge-rules.ts'
import type { FabricWays, NatGateway, Port, PublicAddress, RouteTable, Subnet } from './fabric.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import type { InternetHost, LabFabric, Outlook } from './open.ts'
import { BESIDE, INTERNET_HOST } from './outside.ts'
import type { PluggedPorts } from './plugged-ports.ts'
import { RouteTables, type Surroundings } from './route-tables.ts'
import type { RealInternet } from './uplink.ts'

type InTurn = <T>(work: (kernel: FabricKernel) => Promise<T>) => Promise<T>
type Plugging = Pick<
  LabFabric,
  'netnsPath' | 'makeNetns' | 'removeNetns' | 'plug' | 'unplug' | 'configureGuest'
>

export class Ways implements FabricWays, Outlook {
  readonly #fabric: Plugging
  readonly #inTurn: InTurn
  readonly #borders: Borders
  readonly #ports: PluggedPorts
  readonly #routes = new RouteTables()
  readonly #addresses = new Map<string, PublicAddress>()
  readonly #nats = new Map<string, NatGateway>()
  /** The way to the real Internet, where there is one. */
  real: RealInternet | undefined
  #restoring = false

  constructor(fabric: Plugging, inTurn: InTurn, borders: Borders, ports: PluggedPorts) {
    this.#inTurn = inTurn
    this.#fabric = fabric
    this.#borders = borders
    this.#ports = ports
  }

  get internet(): InternetHost {
    const { ipv4, ipv6 } = INTERNET_HOST
    const netnsPath = `${this.#fabric.netnsPath}.${BESIDE.internet}`
    return { netnsPath, ipv4, ipv6, ...(this.real === undefined ? {} : { real: this.real }) }
  }

  putRouteTable(table: RouteTable): Promise<void> {
    return this.#inTurn((kernel) => this.#routes.put(kernel, table, this.#around()))
  }

  dropRouteTable(routeTableId: string): Promise<void> {
    return this.#inTurn((kernel) => this.#routes.drop(kernel, routeTableId, this.#around()))
  }

  putPublicAddress(address: PublicAddress): Promise<void> {
    return this.#inTurn(async (kernel) => {
      const { publicIp, privateIp } = address
      const before = this.#addresses.get(publicIp)
      for (const other of this.#addresses.values()) {
        if (other.privateIp !== privateIp || other.publicIp === publicIp) continue
        throw new Error(`${privateIp} has the public address ${other.publicIp}; drop that first`)
      }
      const cut = [publicIp, privateIp, ...(before === undefined ? [] : [before.privateIp])]
      await kernel.call('applyAtEdge', changeAddress(before, address), cut)
      this.#addresses.set(publicIp, address)
    })
  }

  dropPublicAddress(publicIp: string): Promise<void> {
    return this.#inTurn(async (kernel) => {
      const before = this.#addresses.get(publicIp)
      if (before === undefined) return
      const cut = [publicIp, before.privateIp]
      await kernel.call('applyAtEdge', changeAddress(before, undefined), cut)
      this.#addresses.delete(publicIp)
    })
  }

  /**
   * A NAT gateway is a guest like any other, in a namespace of its own behind an ENI of its own, so
   * routes and borders treat it as they treat an appliance.
   */
  async putNatGateway(nat: NatGateway): Promise<void> {
    const { natGatewayId, eniId, mac, ipv4, prefixLength, ipv4Gateway } = nat
    if (this.#nats.has(natGatewayId)) throw new Error(`${natGatewayId} is there already`)
    const netns = await this.#fabric.makeNetns(natGatewayId)
    try {
      await this.#fabric.plug(portOf(nat, netns))
      const addresses = { ipv4: [`${ipv4}/${prefixLength}`], ipv6: [], ipv4Gateway }
      await this.#fabric.configureGuest({ netns, mac, ...addresses })
      if (!this.#restoring) await this.#inTurn((kernel) => this.#translate(kernel, nat))
    } catch (error) {
      if (this.#restoring) throw error
      await this.#fabric.unplug(eniId)
      await this.#fabric.removeNetns(natGatewayId)
      throw error
    }
    this.#nats.set(natGatewayId, nat)
  }

  async dropNatGateway(natGatewayId: string): Promise<void> {
    const nat = this.#nats.get(natGatewayId)
    if (nat === undefined) return
    await this.#fabric.unplug(nat.eniId)
    await this.#fabric.removeNetns(natGatewayId)
    this.#nats.delete(natGatewayId)
  }

  /** Begins to take over what a dead lab left; then all that is to be there is put. */
  async adopt(kernel: FabricKernel): Promise<void> {
    this.#restoring = true
    this.#routes.adopt(await kernel.call('standingRoutes'))
  }

  /** Everything was put: what follows from it is asked for. */
  async adopted(kernel: FabricKernel): Promise<void> {
    this.#restoring = false
    await this.#routes.adopted(kernel, this.#around())
  }

  /** Puts the rules of each NAT gateway right; its link is plugged. */
  async openTranslators(kernel: FabricKernel): Promise<void> {
    for (const nat of this.#nats.values()) await this.#translate(kernel, nat)
  }

  /** Creates a subnet, or gives it another gateway, ACL or route table. */
  async putSubnet(kernel: FabricKernel, subnet: Subnet): Promise<void> {
    const before = this.#borders.subnets().find(({ subnetId }) => subnetId === subnet.subnetId)
    await this.#borders.putSubnet(kernel, subnet, this.#routes.markOf(subnet))
    try {
      await this.#routes.settle(kernel, this.#around())
    } catch (error) {
      if (before === undefined) await this.#borders.dropSubnet(kernel, subnet.subnetId, [])
      else await this.#borders.putSubnet(kernel, before, this.#routes.markOf(before))
      throw error
    }
  }

  /** Takes a subnet away. Its links are named where the way is chosen, so that comes first. */
  async dropSubnet(kernel: FabricKernel, subnetId: string): Promise<void> {
    this.#borders.checkEmpty(subnetId, this.#ports.all())
    const subnets = this.#borders.subnets().filter((subnet) => subnet.subnetId !== subnetId)
    await this.#routes.settle(kernel, { ...this.#around(), subnets })
    await this.#borders.dropSubnet(kernel, subnetId, this.#ports.all())
  }

  /** Where routes name one of these ports, or it sends on what others sent, ways change with it. */
  async settle(kernel: FabricKernel, ...ports: Port[]): Promise<void> {
    if (!ports.some((port) => this.#routes.concerns(port))) return
    await this.#routes.settle(kernel, this.#around())
  }

  clear(): void {
    this.#restoring = false
    for (const memory of [this.#routes, this.#addresses, this.#nats]) memory.clear()
  }

  #translate = (kernel: FabricKernel, { natGatewayId, ipv4 }: NatGateway): Promise<void> =>
    kernel.call('openTranslator', `${this.#fabric.netnsPath}.${natGatewayId}`, ipv4)

  #around = (): Surroundings => ({
    subnets: this.#borders.subnets(),
    ports: this.#ports.values(),
  })
}

/** A NAT gateway's port: no group judges it, and its addresses are whoever's it sends on. */
const portOf = (nat: NatGateway, netns: string): Port => ({
  eniId: nat.eniId,
  subnetId: nat.subnetId,
  mac: nat.mac,
  ipv4: [nat.ipv4],
  ipv6: [],
  groupIds: [],
  sourceDestCheck: false,
  translates: true,
  netns,
})
