// Brings into force what a row says of ways: which subnets have a route table of their own and what
// is in it, which ENIs have an Elastic IP, and which have more addresses. By EC2 calls alone, and only
// what differs from before; what a row leaves out is gone.

import type { EniName, Given, SubnetName } from '../row.ts'
import { block } from '../text.ts'
import type { Ip } from '../wire/libc.ts'
import { networkOf } from './blocks.ts'
import { type Elastic, Gateways } from './gateways.ts'
import { ENI_NAMES, type Stage, SUBNETS } from './stage.ts'

/** Addresses and prefixes, each IP version's by the member that names them in calls. */
const MEMBERS = {
  4: { verb: 'PrivateIpAddresses', addresses: 'PrivateIpAddresses', prefixes: 'Ipv4Prefixes' },
  6: { verb: 'Ipv6Addresses', addresses: 'Ipv6Addresses', prefixes: 'Ipv6Prefixes' },
} as const

export class Ways {
  readonly #stage: Stage
  readonly #gateways: Gateways
  /** Of each table its routes, target by destination. */
  readonly #routes = new Map<SubnetName, Map<string, string>>()
  readonly #associations = new Map<SubnetName, string>()
  readonly #more = new Map<EniName, Set<string>>()
  readonly #public = new Map<EniName, Elastic & { readonly associationId: string }>()
  readonly #spare: Elastic[] = []

  constructor(stage: Stage) {
    this.#stage = stage
    this.#gateways = new Gateways(stage)
  }

  /** Resolves when every call has been answered. */
  async apply({ routes = {}, public: elastic = [], more = {} }: Given, ip: Ip): Promise<void> {
    // What goes first: an address may move from one ENI to another.
    for (const name of ENI_NAMES) await this.#less(name, this.#texts(more[name], ip))
    for (const name of ENI_NAMES) await this.#add(name, this.#texts(more[name], ip))
    for (const name of this.#public.keys()) if (!elastic.includes(name)) await this.#leave(name)
    for (const name of elastic) if (!this.#public.has(name)) await this.#elastic(name)
    for (const name of SUBNETS) await this.#table(name, routes[name], ip)
  }

  async #table(subnet: SubnetName, texts: readonly string[] | undefined, ip: Ip): Promise<void> {
    const { ec2 } = this.#stage
    const association = this.#associations.get(subnet)
    if (texts === undefined) {
      if (association === undefined) return
      await ec2.call('DisassociateRouteTable', { AssociationId: association })
      this.#associations.delete(subnet)
      await this.#fill(subnet, new Map())
      return
    }
    const wanted = texts.map((text): [string, string] => {
      const [destination = '', target = ''] = text.split(' ')
      return [networkOf(block(destination, ip, this.#stage)), target]
    })
    await this.#fill(subnet, new Map(wanted))
    if (association !== undefined) return
    const { AssociationId } = await ec2.call<{ AssociationId: string }>('AssociateRouteTable', {
      RouteTableId: await this.#gateways.need(`table${subnet}`),
      SubnetId: this.#stage.id(`subnet${subnet}`),
    })
    this.#associations.set(subnet, AssociationId)
  }

  async #fill(subnet: SubnetName, after: Map<string, string>): Promise<void> {
    const { ec2 } = this.#stage
    const RouteTableId = await this.#gateways.need(`table${subnet}`)
    const before = this.#routes.get(subnet) ?? new Map<string, string>()
    const to = (cidr: string) =>
      cidr.includes(':') ? { DestinationIpv6CidrBlock: cidr } : { DestinationCidrBlock: cidr }
    for (const cidr of before.keys()) {
      if (!after.has(cidr)) await ec2.call('DeleteRoute', { RouteTableId, ...to(cidr) })
    }
    for (const [cidr, target] of after) {
      if (before.get(cidr) === target) continue
      const verb = before.has(cidr) ? 'ReplaceRoute' : 'CreateRoute'
      const input = { RouteTableId, ...to(cidr), ...(await this.#gateways.target(target)) }
      await ec2.call(verb, input)
    }
    this.#routes.set(subnet, after)
  }

  async #elastic(name: EniName): Promise<void> {
    await this.#gateways.need('igw')
    const { allocationId, publicIp } = this.#spare.pop() ?? (await this.#gateways.allocate())
    const { AssociationId } = await this.#stage.ec2.call<{ AssociationId: string }>(
      'AssociateAddress',
      { AllocationId: allocationId, NetworkInterfaceId: this.#stage.id(name) },
    )
    this.#public.set(name, { allocationId, publicIp, associationId: AssociationId })
    this.#stage.addresses.set(`${name}!`, publicIp)
  }

  async #leave(name: EniName): Promise<void> {
    const elastic = this.#public.get(name)
    if (elastic === undefined) return
    const { associationId: AssociationId, ...rest } = elastic
    await this.#stage.ec2.call('DisassociateAddress', { AssociationId })
    this.#public.delete(name)
    this.#spare.push(rest)
  }

  #texts = (texts: readonly string[] = [], ip: Ip): Set<string> =>
    new Set(
      texts.map((text) => {
        const [name = '', bits] = text.split('/')
        const address = this.#stage.address(name, ip)
        if (address === undefined) throw new Error(`'${text}' is no address`)
        return bits === undefined ? address : `${address}/${bits}`
      }),
    )

  async #less(name: EniName, wanted: ReadonlySet<string>): Promise<void> {
    const now = this.#more.get(name) ?? new Set<string>()
    await this.#change(
      'Unassign',
      name,
      [...now].filter((each) => !wanted.has(each)),
    )
    this.#more.set(name, new Set([...now].filter((each) => wanted.has(each))))
  }

  async #add(name: EniName, wanted: ReadonlySet<string>): Promise<void> {
    const now = this.#more.get(name) ?? new Set<string>()
    await this.#change(
      'Assign',
      name,
      [...wanted].filter((each) => !now.has(each)),
    )
    this.#more.set(name, new Set(wanted))
  }

  /** One call for each kind: addresses and prefixes do not go together. */
  async #change(what: 'Assign' | 'Unassign', name: EniName, texts: readonly string[]) {
    for (const ip of [4, 6] as const) {
      const mine = texts.filter((text) => text.includes(':') === (ip === 6))
      for (const kind of ['addresses', 'prefixes'] as const) {
        const of = mine.filter((text) => text.includes('/') === (kind === 'prefixes'))
        if (of.length === 0) continue
        await this.#stage.ec2.call(`${what}${MEMBERS[ip].verb}`, {
          NetworkInterfaceId: this.#stage.id(name),
          [MEMBERS[ip][kind]]: of,
        })
      }
    }
  }
}
