// What leads out of the stage's VPC, made by EC2 calls the first time a row needs it, and taken down
// with the stage: the internet gateway (the VPC's own, where it has one), an egress-only one, a NAT
// gateway in subnet Z, Elastic IPs, an ENI that is attached to nothing, and a route table a subnet.

import type { SubnetName } from '../row.ts'
import type { Stage } from './stage.ts'

/** A gateway of AWS's takes a minute or two to come and to go. */
const COMES_MS = 300_000
const LOOK_EVERY_MS = 50

/** An Elastic IP that waits for whoever needs it. */
export type Elastic = { readonly allocationId: string; readonly publicIp: string }

/** A target of routes, by the name that rows give it. */
const TARGETS = {
  igw: 'GatewayId',
  eigw: 'EgressOnlyInternetGatewayId',
  nat: 'NatGatewayId',
} as const
type Gateway = keyof typeof TARGETS

export class Gateways {
  readonly #stage: Stage
  readonly #made = new Map<string, Promise<string>>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** The member of CreateRoute's input that stands for a target: a gateway's name, or an ENI's. */
  async target(name: string): Promise<object> {
    if (Object.hasOwn(TARGETS, name)) {
      return { [TARGETS[name as Gateway]]: await this.need(name as Gateway) }
    }
    return { NetworkInterfaceId: name === 'idle' ? await this.need('idle') : this.#stage.id(name) }
  }

  /** The id of a thing, which is made if it is not there yet; rows know it as `$name`. */
  need(name: Gateway | 'idle' | `table${SubnetName}`): Promise<string> {
    const made = this.#made.get(name) ?? this.#make(name)
    this.#made.set(name, made)
    return made
  }

  /** Another Elastic IP. */
  async allocate(): Promise<Elastic> {
    const { ec2 } = this.#stage
    const made = await ec2.call<{ AllocationId: string; PublicIp: string }>('AllocateAddress', {})
    const { AllocationId, PublicIp } = made
    this.#stage.afterwards(() => ec2.call('ReleaseAddress', { AllocationId }))
    return { allocationId: AllocationId, publicIp: PublicIp }
  }

  async #make(name: Gateway | 'idle' | `table${SubnetName}`): Promise<string> {
    const id = await {
      igw: () => this.#igw(),
      eigw: () => this.#eigw(),
      nat: () => this.#nat(),
      idle: () => this.#idle(),
    }[name as Gateway | 'idle']?.()
    const found = id ?? (await this.#table())
    this.#stage.ids.set(name, found)
    return found
  }

  async #igw(): Promise<string> {
    const { ec2, vpcId: VpcId } = this.#stage
    type Igw = { InternetGatewayId: string }
    const { InternetGateways } = await ec2.call<{ InternetGateways: Igw[] }>(
      'DescribeInternetGateways',
      { Filters: [{ Name: 'attachment.vpc-id', Values: [VpcId] }] },
    )
    const [own] = InternetGateways
    if (own !== undefined) return own.InternetGatewayId
    const made = await ec2.call<{ InternetGateway: Igw }>('CreateInternetGateway', {})
    const { InternetGatewayId } = made.InternetGateway
    this.#stage.afterwards(() => ec2.call('DeleteInternetGateway', { InternetGatewayId }))
    await ec2.call('AttachInternetGateway', { InternetGatewayId, VpcId })
    this.#stage.afterwards(() => ec2.call('DetachInternetGateway', { InternetGatewayId, VpcId }))
    return InternetGatewayId
  }

  async #eigw(): Promise<string> {
    const { ec2, vpcId: VpcId } = this.#stage
    const made = await ec2.call<{
      EgressOnlyInternetGateway: { EgressOnlyInternetGatewayId: string }
    }>('CreateEgressOnlyInternetGateway', { VpcId })
    const { EgressOnlyInternetGatewayId } = made.EgressOnlyInternetGateway
    this.#stage.afterwards(() =>
      ec2.call('DeleteEgressOnlyInternetGateway', { EgressOnlyInternetGatewayId }),
    )
    return EgressOnlyInternetGatewayId
  }

  async #nat(): Promise<string> {
    const { ec2 } = this.#stage
    await this.need('igw')
    const { allocationId, publicIp } = await this.allocate()
    const made = await ec2.call<{ NatGateway: { NatGatewayId: string } }>('CreateNatGateway', {
      SubnetId: this.#stage.id('subnetZ'),
      AllocationId: allocationId,
    })
    const { NatGatewayId } = made.NatGateway
    this.#stage.afterwards(async () => {
      await ec2.call('DeleteNatGateway', { NatGatewayId })
      await this.#until(NatGatewayId, 'deleted')
    })
    const privateIp = await this.#until(NatGatewayId, 'available')
    this.#stage.addresses.set('nat', privateIp).set('nat!', publicIp)
    return NatGatewayId
  }

  /** Waits for a NAT gateway's state; gives its private address. */
  async #until(id: string, state: string): Promise<string> {
    type Nat = { State: string; NatGatewayAddresses: { PrivateIp: string }[] }
    const deadline = performance.now() + COMES_MS
    for (;;) {
      const { NatGateways } = await this.#stage.ec2.call<{ NatGateways: Nat[] }>(
        'DescribeNatGateways',
        { NatGatewayIds: [id] },
      )
      const [nat] = NatGateways
      if (nat?.State === state) return nat.NatGatewayAddresses[0]?.PrivateIp ?? ''
      if (nat?.State === 'failed' || performance.now() > deadline) {
        throw new Error(`NAT gateway ${id} is ${nat?.State}, not ${state}`)
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }

  async #idle(): Promise<string> {
    const { ec2 } = this.#stage
    const made = await ec2.call<{ NetworkInterface: { NetworkInterfaceId: string } }>(
      'CreateNetworkInterface',
      { SubnetId: this.#stage.id('subnetZ') },
    )
    const { NetworkInterfaceId } = made.NetworkInterface
    this.#stage.afterwards(() => ec2.call('DeleteNetworkInterface', { NetworkInterfaceId }))
    return NetworkInterfaceId
  }

  async #table(): Promise<string> {
    const { ec2, vpcId: VpcId } = this.#stage
    const made = await ec2.call<{ RouteTable: { RouteTableId: string } }>('CreateRouteTable', {
      VpcId,
    })
    const { RouteTableId } = made.RouteTable
    this.#stage.afterwards(() => ec2.call('DeleteRouteTable', { RouteTableId }))
    return RouteTableId
  }
}
