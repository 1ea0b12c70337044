// The fabric's memory of its route tables, and what follows from them and from what is plugged: the
// kernel's tables (policy.ts) and the rules that choose among them (routing.ts). A table names an
// ENI, plugged or not; `settle` is asked whenever that may have changed. The caller takes turns.

import type { Port, Route, RouteTable, Subnet } from './fabric.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import { Numbers } from './numbers.ts'
import type { Plugged } from './plugged-ports.ts'
import { divertingRoutes, NO_POLICY, type Policy, policyOf } from './policy.ts'
import { putRouting, type Routing } from './routing.ts'
import type { StandingRoutes } from './standing-routes.ts'

/** What is plugged in, and into which subnets. */
export type Surroundings = {
  readonly subnets: readonly Subnet[]
  readonly ports: readonly Plugged[]
}

export class RouteTables {
  readonly #tables = new Map<string, RouteTable>()
  readonly #marks = new Numbers()
  readonly #subnetNumbers = new Numbers()
  readonly #applianceNumbers = new Numbers()
  #policy: Policy = NO_POLICY
  #routing = ''
  #restoring = false

  /**
   * Begins to take over: tables get numbers that nothing in the kernel has, so that packets ask the
   * old ones until the rules change as a whole; but flows are in zones by number, so those stay. What
   * follows from the tables is asked for once, by `adopted`.
   */
  adopt({ marks, numbered }: StandingRoutes): void {
    this.#restoring = true
    this.#marks.avoid(marks.map((mark) => mark - 1))
    for (const { kind, id, number } of numbered) {
      const numbers = kind === 'subnet' ? this.#subnetNumbers : this.#applianceNumbers
      numbers.set(id, number)
    }
  }

  /** Everything that is to be there was put. */
  async adopted(kernel: FabricKernel, around: Surroundings): Promise<void> {
    this.#restoring = false
    await this.settle(kernel, around)
  }

  /** The mark by which packets of a subnet with that table ask it; throws when it is not there. */
  markOf({ subnetId, routeTableId }: Subnet): number {
    if (routeTableId === undefined) return 0
    if (this.#tables.has(routeTableId)) return this.#marks.of(routeTableId) + 1
    throw new Error(
      `subnet ${subnetId}: route table ${routeTableId} is not known; put the table first`,
    )
  }

  /** Whether a port's coming, going or change can mean another routing. */
  concerns(port: Port): boolean {
    const isTarget = ({ to }: Route): boolean => to.kind === 'port' && to.eniId === port.eniId
    return (
      isAppliance(port) || [...this.#tables.values()].some(({ routes }) => routes.some(isTarget))
    )
  }

  /** Creates a table or replaces its routes. */
  async put(kernel: FabricKernel, table: RouteTable, around: Surroundings): Promise<void> {
    const before = this.#tables.get(table.routeTableId)
    this.#tables.set(table.routeTableId, table)
    try {
      await this.settle(kernel, around)
    } catch (error) {
      this.#set(table.routeTableId, before)
      throw error
    }
  }

  /** Takes a table away; throws, naming which, while a subnet has it. */
  async drop(kernel: FabricKernel, routeTableId: string, around: Surroundings): Promise<void> {
    const before = this.#tables.get(routeTableId)
    if (before === undefined) return
    const user = around.subnets.find((subnet) => subnet.routeTableId === routeTableId)
    if (user !== undefined) {
      throw new Error(`route table ${routeTableId} is that of ${user.subnetId}`)
    }
    this.#tables.delete(routeTableId)
    try {
      await this.settle(kernel, around)
    } catch (error) {
      this.#set(routeTableId, before)
      throw error
    }
  }

  /** Makes the kernel's routing follow from the tables and from what is plugged now. */
  async settle(kernel: FabricKernel, around: Surroundings): Promise<void> {
    if (this.#restoring) return
    const routing = this.#routingOf(around)
    const written = JSON.stringify(routing)
    const policy = this.#policyOf(around)
    const same = JSON.stringify(entries(policy)) === JSON.stringify(entries(this.#policy))
    if (!same) await kernel.call('changePolicy', { before: this.#policy, after: policy })
    try {
      if (written !== this.#routing) await kernel.call('apply', putRouting(routing))
    } catch (error) {
      if (!same) await kernel.call('changePolicy', { before: policy, after: this.#policy })
      throw error
    }
    this.#policy = policy
    this.#routing = written
    this.#forget(around)
  }

  clear(): void {
    for (const memory of [this.#tables, this.#marks, this.#subnetNumbers, this.#applianceNumbers]) {
      memory.clear()
    }
    this.#policy = NO_POLICY
    this.#routing = ''
    this.#restoring = false
  }

  #set(routeTableId: string, table: RouteTable | undefined): void {
    if (table === undefined) this.#tables.delete(routeTableId)
    else this.#tables.set(routeTableId, table)
  }

  #policyOf({ ports }: Surroundings): Policy {
    const links = new Map(
      ports.map(({ port, kernelLink }) => [
        port.eniId,
        kernelLink && { fabricIfindex: kernelLink.fabricIfindex, mac: port.mac },
      ]),
    )
    const numbered = [...this.#tables.values()].map((table) => ({
      table,
      number: this.#marks.of(table.routeTableId) + 1,
    }))
    return policyOf(numbered, (eniId) => links.get(eniId))
  }

  #routingOf({ subnets, ports }: Surroundings): Routing {
    const diverts = (routeTableId: string | undefined): boolean => {
      const table = routeTableId === undefined ? undefined : this.#tables.get(routeTableId)
      return table !== undefined && divertingRoutes(table).length > 0
    }
    const appliances = ports.filter(({ port }) => isAppliance(port))
    const translators = ports.filter(({ port }) => port.translates)
    return {
      local: [...new Set([...this.#tables.values()].flatMap(({ blocks }) => blocks))],
      diverting: subnets.filter(({ routeTableId }) => diverts(routeTableId)),
      appliances: appliances.map(({ link }) => ({
        id: link,
        number: this.#applianceNumbers.of(link),
      })),
      subnets:
        appliances.length === 0
          ? []
          : subnets.map(({ subnetId: id, ipv4Cidr, ipv6Cidr }) => ({
              id,
              number: this.#subnetNumbers.of(id),
              blocks: [ipv4Cidr, ipv6Cidr].filter((block) => block !== undefined),
              translators: translators
                .filter(({ port }) => port.subnetId === id)
                .map(({ link }) => link),
            })),
    }
  }

  /** Things that are gone leave their numbers to others. */
  #forget({ subnets, ports }: Surroundings): void {
    this.#marks.keep([...this.#tables.keys()])
    this.#subnetNumbers.keep(subnets.map(({ subnetId }) => subnetId))
    this.#applianceNumbers.keep(ports.map(({ link }) => link))
  }
}

const isAppliance = ({ sourceDestCheck, translates }: Port): boolean =>
  !sourceDestCheck && translates === undefined

const entries = ({ hops, askings }: Policy): unknown => [[...hops], [...askings]]
