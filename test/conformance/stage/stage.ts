// The stage on which every case plays: three subnets of the instance's own zone and eight ENIs, made
// through the EC2 API alone, each in a namespace of its own; and the groups, lists and ACLs that
// rules.ts fills. When it is taken down nothing of it is left, here or there.

import { isIP } from 'node:net'
import type { EniName, SubnetName } from '../row.ts'
import type { Names } from '../text.ts'
import type { Ip } from '../wire/libc.ts'
import { type Host, Wire } from '../wire/wire.ts'
import { freeBlocks, hostIn } from './blocks.ts'
import { type Ec2, ownInstanceId } from './endpoint.ts'
import { letGo, takeIn } from './namespaces.ts'
import { makeNative } from './native.ts'
import { takeInOutside } from './outside.ts'

export const SUBNETS = ['X', 'Y', 'Z'] as const
export const GROUPS = ['client', 'server', 'other', 'more', 'fourth', 'fifth'] as const
/** Where each ENI is, and the last number of its addresses: a and e share a /31 and a /127. */
export const ENIS: Readonly<Record<EniName, readonly [SubnetName, number]>> = {
  a: ['X', 36],
  e: ['X', 37],
  b: ['X', 40],
  c: ['Y', 40],
  d: ['Y', 36],
  g: ['Y', 37],
  f: ['Z', 36],
  h: ['Z', 37],
}
export const ENI_NAMES = Object.keys(ENIS) as EniName[]

/** An ENI of the stage. */
export type Eni = { eniId: string; attachmentId: string; host: Host; namespace: string }
export type Place = { id: string; ipv4: string; ipv6: string; aclId: string; associationId: string }

type Instance = { InstanceId: string; VpcId: string; Placement: { AvailabilityZone: string } }
type Attached = { Attachment?: { DeviceIndex?: number } }
type Vpc = { CidrBlock: string; Ipv6CidrBlockAssociationSet?: { Ipv6CidrBlock: string }[] }
type Subnet = { CidrBlock?: string; Ipv6CidrBlockAssociationSet?: { Ipv6CidrBlock: string }[] }

export class Stage implements Names {
  readonly ec2: Ec2
  readonly wire = new Wire()
  readonly subnets = new Map<SubnetName, Place>()
  readonly enis = new Map<EniName, Eni>()
  /** Ids of groups (and `default`), lists and ACLs (by their subnet's name), by name. */
  readonly ids = new Map<string, string>()
  /** Addresses that came with what was made: `nat` and `nat!`, an ENI's Elastic IP `a!`. */
  readonly addresses = new Map<string, string>()
  readonly mark = `conform-${process.pid}-${Math.random().toString(36).slice(2, 6)}`
  readonly #undo: (() => Promise<unknown>)[] = []
  #instance = ''
  /** Who is no ENI of the eight: `o` outside, `v` in the IPv6-only subnet. */
  readonly #guests = new Map<string, Host>()
  #zone = ''
  #native: Promise<void> | undefined
  #vpc = { id: '', ipv4: '', ipv6: '' }
  #nextIndex = 1
  #namespaces = 0

  private constructor(ec2: Ec2) {
    this.ec2 = ec2
  }

  /**
   * Sets the stage; leaves nothing when it cannot. `instanceId`: when there are several; `outside`: the
   * namespace of a host outside the VPC, where there is one.
   */
  static async open(ec2: Ec2, instanceId?: string, outside?: string): Promise<Stage> {
    const stage = new Stage(ec2)
    try {
      await stage.#set(instanceId)
      if (outside !== undefined) stage.#guests.set('o', takeInOutside(stage.wire, outside))
      return stage
    } catch (error) {
      await stage.close().catch(() => {}) // The first error is the one that tells.
      throw error
    }
  }

  /**
   * An ENI's address, or one by its number in a subnet: `X50`; its public one: `a!`, in IPv6 its own; of the
   * NAT gateway: `nat`, `nat!`; of who is outside: `o`; or what is one as it stands.
   */
  address(name: string, ip: Ip): string | undefined {
    if (isIP(name) !== 0) return name
    const guest = this.#guests.get(name)
    if (guest !== undefined) return ip === 4 ? guest.ipv4 : guest.ipv6
    if (ip === 4 && this.addresses.has(name)) return this.addresses.get(name)
    if (ip === 6 && name.endsWith('!')) return this.address(name.slice(0, -1), 6)
    const [, subnet = '', number] = /^([XYZ])(\d+)$/.exec(name) ?? []
    if (number !== undefined) return hostIn(this.block(subnet, ip) ?? '', Number(number))
    const host = this.enis.get(name as EniName)?.host
    return ip === 4 ? host?.ipv4 : host?.ipv6
  }

  block(name: string, ip: Ip): string | undefined {
    const place = name === 'vpc' ? this.#vpc : this.subnets.get(name as SubnetName)
    return ip === 4 ? place?.ipv4 : place?.ipv6
  }

  id(name: string): string {
    const id = this.ids.get(name) ?? this.enis.get(name as EniName)?.eniId
    if (id === undefined) throw new Error(`the stage has no '${name}'`)
    return id
  }

  /** The VPC's own blocks. */
  get vpcBlocks(): { readonly ipv4: string; readonly ipv6: string } {
    return this.#vpc
  }

  get vpcId(): string {
    return this.#vpc.id
  }

  get hasOutside(): boolean {
    return this.#guests.has('o')
  }

  /** Whether that is somebody who can be asked: an ENI, or a guest. */
  has = (name: string): boolean => this.enis.has(name as EniName) || this.#guests.has(name)

  addGuest(plan: Parameters<Wire['addOutside']>[0]): void {
    this.#guests.set(plan.name, this.wire.addOutside(plan))
  }

  /** Makes sure of the IPv6-only subnet and of `v` in it. */
  native(): Promise<void> {
    this.#native ??= makeNative(this, this.#zone)
    return this.#native
  }

  /** What is to be done when the stage is taken down, before all that was to be before. */
  afterwards(undo: () => Promise<unknown>): void {
    this.#undo.push(undo)
  }

  host(name: string): Host {
    const host = this.#guests.get(name) ?? this.enis.get(name as EniName)?.host
    if (host === undefined) throw new Error(`the stage has no ENI '${name}'`)
    return host
  }

  /** Detaches an ENI and attaches it anew; `knock` is called until its namespace is configured. */
  async replug(name: EniName, knock: () => void): Promise<void> {
    const eni = this.enis.get(name)
    if (eni === undefined) throw new Error(`no ENI ${name}`)
    this.wire.removeHost(eni.host)
    await this.ec2.call('DetachNetworkInterface', { AttachmentId: eni.attachmentId })
    await letGo(eni.namespace)
    await this.#available(eni.eniId)
    const flood = setInterval(knock, 1)
    try {
      Object.assign(eni, await this.#plug(name, eni.eniId, eni.host))
    } finally {
      clearInterval(flood)
    }
  }

  /** Takes everything down. Rejects with the first thing that would not go, after trying all. */
  async close(): Promise<void> {
    this.wire.end()
    const failures: unknown[] = []
    for (const undo of this.#undo.reverse()) {
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  async #set(wanted: string | undefined): Promise<void> {
    const call = this.ec2.call.bind(this.ec2)
    const { Reservations } = await call<{
      Reservations: { Instances: (Instance & { NetworkInterfaces: Attached[] })[] }[]
    }>('DescribeInstances', {
      Filters: [{ Name: 'instance-state-name', Values: ['running'] }],
    })
    const all = Reservations.flatMap(({ Instances }) => Instances)
    const mine = wanted ?? (all.length > 1 ? await ownInstanceId() : undefined)
    const found = mine === undefined ? all : all.filter(({ InstanceId }) => InstanceId === mine)
    const [instance] = found
    if (instance === undefined || found.length > 1) {
      throw new Error(
        `${found.length} running instances: name the one that is this host with --instance`,
      )
    }
    this.#instance = instance.InstanceId
    const indexes = instance.NetworkInterfaces.map((each) => each.Attachment?.DeviceIndex ?? 0)
    this.#nextIndex = Math.max(0, ...indexes) + 1
    await this.#findVpc(instance.VpcId)
    this.#zone = instance.Placement.AvailabilityZone
    await this.#makeSubnets(this.#zone)
    await this.#makeNamed()
    for (const name of ENI_NAMES) await this.#makeEni(name)
  }

  async #findVpc(vpcId: string): Promise<void> {
    type Found = { Vpcs: Vpc[] }
    const { Vpcs } = await this.ec2.call<Found>('DescribeVpcs', { VpcIds: [vpcId] })
    const ipv6 = Vpcs[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock
    if (ipv6 === undefined) throw new Error(`${vpcId} has no IPv6 block`)
    this.ids.set('vpc', vpcId)
    this.ids.set('instance', this.#instance)
    this.#vpc = { id: vpcId, ipv4: Vpcs[0]?.CidrBlock ?? '', ipv6 }
  }

  /** The blocks that subnets of the VPC have. */
  async taken(): Promise<string[]> {
    const { Subnets } = await this.ec2.call<{ Subnets: Subnet[] }>('DescribeSubnets', {
      Filters: [{ Name: 'vpc-id', Values: [this.#vpc.id] }],
    })
    return Subnets.flatMap((each) => [
      ...(each.CidrBlock === undefined ? [] : [each.CidrBlock]),
      ...(each.Ipv6CidrBlockAssociationSet ?? []).map(({ Ipv6CidrBlock }) => Ipv6CidrBlock),
    ])
  }

  async #makeSubnets(zone: string): Promise<void> {
    const VpcId = this.#vpc.id
    const blocks = freeBlocks(this.#vpc, await this.taken(), SUBNETS.length)
    for (const [at, name] of SUBNETS.entries()) {
      const { ipv4 = '', ipv6 = '' } = blocks[at] ?? {}
      const { Subnet } = await this.ec2.call<{ Subnet: { SubnetId: string } }>('CreateSubnet', {
        VpcId,
        CidrBlock: ipv4,
        Ipv6CidrBlock: ipv6,
        AvailabilityZone: zone,
      })
      const id = Subnet.SubnetId
      this.#undo.push(() => this.ec2.call('DeleteSubnet', { SubnetId: id }))
      this.ids.set(`subnet${name}`, id)
      this.subnets.set(name, { id, ipv4, ipv6, aclId: '', associationId: '' })
    }
  }

  async #makeNamed(): Promise<void> {
    const VpcId = this.#vpc.id
    const { SecurityGroups } = await this.ec2.call<{ SecurityGroups: { GroupId: string }[] }>(
      'DescribeSecurityGroups',
      {
        Filters: [
          { Name: 'vpc-id', Values: [VpcId] },
          { Name: 'group-name', Values: ['default'] },
        ],
      },
    )
    this.ids.set('default', SecurityGroups[0]?.GroupId ?? '')
    for (const name of GROUPS) {
      const { GroupId } = await this.ec2.call<{ GroupId: string }>('CreateSecurityGroup', {
        GroupName: `${this.mark}-${name}`,
        Description: 'conformance',
        VpcId,
      })
      this.ids.set(name, GroupId)
      this.#undo.push(() => this.ec2.call('DeleteSecurityGroup', { GroupId }))
    }
    for (const ip of [4, 6] as const) {
      type Made = { PrefixList: { PrefixListId: string } }
      const made = await this.ec2.call<Made>('CreateManagedPrefixList', {
        PrefixListName: `${this.mark}-${ip}`,
        AddressFamily: `IPv${ip}`,
        MaxEntries: 10,
      })
      const { PrefixListId } = made.PrefixList
      this.ids.set(`list${ip}`, PrefixListId)
      this.#undo.push(() => this.ec2.call('DeleteManagedPrefixList', { PrefixListId }))
    }
    await this.#findAcls()
  }

  /** Each subnet's association with the default ACL, and an ACL of its own that waits. */
  async #findAcls(): Promise<void> {
    const subnetIds = [...this.subnets.values()].map(({ id }) => id)
    type Association = { SubnetId: string; NetworkAclAssociationId: string }
    const { NetworkAcls } = await this.ec2.call<{
      NetworkAcls: { NetworkAclId: string; IsDefault: boolean; Associations: Association[] }[]
    }>('DescribeNetworkAcls', {
      Filters: [{ Name: 'association.subnet-id', Values: subnetIds }],
    })
    for (const [name, place] of this.subnets) {
      const acl = NetworkAcls.find((each) =>
        each.Associations.some(({ SubnetId }) => SubnetId === place.id),
      )
      const mine = acl?.Associations.find(({ SubnetId }) => SubnetId === place.id)
      place.aclId = acl?.NetworkAclId ?? ''
      place.associationId = mine?.NetworkAclAssociationId ?? ''
      this.ids.set('defaultAcl', place.aclId)
      const made = await this.ec2.call<{ NetworkAcl: { NetworkAclId: string } }>(
        'CreateNetworkAcl',
        { VpcId: this.#vpc.id },
      )
      const { NetworkAclId } = made.NetworkAcl
      this.ids.set(`acl${name}`, NetworkAclId)
      this.#undo.push(() => this.ec2.call('DeleteNetworkAcl', { NetworkAclId }))
    }
  }

  async #makeEni(name: EniName): Promise<void> {
    const [subnet, number] = ENIS[name]
    const place = this.subnets.get(subnet)
    if (place === undefined) throw new Error(`no subnet ${subnet}`)
    const [ipv4, ipv6] = [hostIn(place.ipv4, number), hostIn(place.ipv6, number)]
    const { NetworkInterface } = await this.ec2.call<{
      NetworkInterface: { NetworkInterfaceId: string; MacAddress: string }
    }>('CreateNetworkInterface', {
      SubnetId: place.id,
      Groups: [this.id('other')],
      PrivateIpAddress: ipv4,
      Ipv6Addresses: [{ Ipv6Address: ipv6 }],
    })
    const eniId = NetworkInterface.NetworkInterfaceId
    this.#undo.push(() => this.deleteEni(eniId))
    const mac = NetworkInterface.MacAddress
    const plan = { name, mac, ipv4, ipv6, gateway: hostIn(place.ipv4, 1) }
    const eni: Eni = { eniId, ...(await this.#plug(name, eniId, plan)) }
    this.enis.set(name, eni)
    this.#undo.push(async () => {
      await this.ec2.call('DetachNetworkInterface', { AttachmentId: eni.attachmentId })
      await letGo(eni.namespace)
    })
  }

  async #plug(
    name: EniName,
    eniId: string,
    plan: Pick<Host, 'name' | 'mac' | 'ipv4' | 'ipv6' | 'gateway'>,
  ): Promise<Omit<Eni, 'eniId'>> {
    const attachmentId = await this.attach(eniId)
    const namespace = `${this.mark}-${name}${++this.#namespaces}`
    const bits = Number(this.subnets.get(ENIS[name][0])?.ipv4.split('/')[1])
    const { mac, ipv6, gateway, ipv4: address } = plan
    const link = await takeIn({ namespace, mac, ipv6, ipv4: { address, bits, gateway } })
    return { attachmentId, namespace, host: this.wire.addHost({ ...plan, ...link }) }
  }

  /** Attaches an ENI to the instance; gives the attachment's id. */
  async attach(eniId: string): Promise<string> {
    const { AttachmentId } = await this.ec2.call<{ AttachmentId: string }>(
      'AttachNetworkInterface',
      {
        NetworkInterfaceId: eniId,
        InstanceId: this.#instance,
        DeviceIndex: this.#nextIndex++,
        NetworkCardIndex: 0,
      },
    )
    return AttachmentId
  }

  /** Deletes an ENI as soon as it is detached. */
  async deleteEni(eniId: string): Promise<void> {
    await this.#available(eniId)
    await this.ec2.call('DeleteNetworkInterface', { NetworkInterfaceId: eniId })
  }

  async #available(eniId: string): Promise<void> {
    const deadline = performance.now() + 60_000
    for (;;) {
      const { NetworkInterfaces } = await this.ec2.call<{
        NetworkInterfaces: { Status: string }[]
      }>('DescribeNetworkInterfaces', { NetworkInterfaceIds: [eniId] })
      if (NetworkInterfaces[0]?.Status === 'available') return
      if (performance.now() > deadline) throw new Error(`${eniId} is still not available`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
