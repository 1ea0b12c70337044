// The fabric in a network namespace: what is plugged and which groups there are, kept in memory and
// in the kernel alike. Changes come one at a time, each is one nftables transaction, and the memory
// follows only when the kernel has agreed. Decides nothing about what EC2 would allow. One fabric is
// one VPC: what is plugged into it can reach each other as the groups say, and others by ways.ts.

import { Borders } from './borders.ts'
import type { Acl, Group, Port, PortEvent, Subnet } from './fabric.ts'
import { FabricKernel } from './fabric-kernel.ts'
import { Groups } from './groups.ts'
import type { GuestPlan } from './guest.ts'
import { fabricNamespace, linkNames } from './names.ts'
import type { FabricOptions, LabFabric, Restore } from './open.ts'
import { addressesOf, type Plugged, PluggedPorts } from './plugged-ports.ts'
import { PortLinks } from './port-links.ts'
import { prove } from './prove.ts'
import { closeResolver, openResolver } from './resolver-port.ts'
import { unguardLink } from './ruleset.ts'
import { VerdictFeed } from './verdict-feed.ts'
import { Ways } from './ways.ts'

/** A fabric in a namespace of its own. See the contracts in fabric.ts and open.ts. */
export class NamespaceFabric implements LabFabric {
  readonly netnsPath: string
  readonly verdicts = new VerdictFeed((work) => this.#inTurn(work))
  readonly #options: Required<FabricOptions>
  readonly #groups = new Groups()
  readonly #ports = new PluggedPorts()
  readonly #borders = new Borders()
  readonly #links: PortLinks
  readonly ways = new Ways(this, (work) => this.#inTurn(work), this.#borders, this.#ports)
  #kernel: FabricKernel | undefined
  #opening: Promise<void> | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: Required<FabricOptions>) {
    this.#options = options
    this.#links = new PortLinks(options, this.#ports, (...change) => this.ways.settle(...change))
    this.netnsPath = `/run/netns/${fabricNamespace(options.name)}`
  }

  open(restore?: Restore): Promise<void> {
    this.#opening ??= this.#start(restore)
    return this.#opening
  }

  onEvent = (listener: (event: PortEvent) => void): void => this.#links.onEvent(listener)

  putAcl(acl: Acl): Promise<void> {
    return this.#inTurn((kernel) => this.#borders.putAcl(kernel, acl))
  }

  dropAcl(aclId: string): Promise<void> {
    return this.#inTurn((kernel) => this.#borders.dropAcl(kernel, aclId))
  }

  putSubnet(subnet: Subnet): Promise<void> {
    return this.#inTurn((kernel) => this.ways.putSubnet(kernel, subnet))
  }

  dropSubnet(subnetId: string): Promise<void> {
    return this.#inTurn((kernel) => this.ways.dropSubnet(kernel, subnetId))
  }

  putGroup(group: Group): Promise<void> {
    return this.#inTurn((kernel) => this.#groups.put(kernel, group))
  }

  dropGroup(groupId: string): Promise<void> {
    return this.#inTurn((kernel) => this.#groups.drop(kernel, groupId, this.#ports.all()))
  }

  plug(port: Port): Promise<{ name: string; ifindex: number }> {
    return this.#inTurn(async (kernel) => {
      if (this.#ports.has(port.eniId)) throw new Error(`port ${port.eniId} is plugged already`)
      this.#borders.checkSubnet(port)
      const link = linkNames(this.#options.name, port.eniId).fabric
      const linked = { port: this.#ports.checked(port, this.#groups.all), link }
      await kernel.call('apply', this.#ports.change(undefined, linked))
      if (this.#links.restoring) {
        const kernelLink = await this.#links.adopt(kernel, linked)
        this.#ports.set({ ...linked, kernelLink })
        return { name: kernelLink?.name ?? '', ifindex: kernelLink?.ifindex ?? 0 }
      }
      try {
        const kernelLink = await this.#links.plug(kernel, linked)
        this.#ports.set({ ...linked, kernelLink })
        await this.ways.settle(kernel, linked.port)
        return { name: kernelLink.name, ifindex: kernelLink.ifindex }
      } catch (error) {
        const made = this.#ports.get(port.eniId)?.kernelLink
        if (made) await kernel.call('unplugLink', made.fabricIfindex)
        this.#ports.delete(port.eniId)
        await kernel.call('apply', this.#ports.change(linked, undefined))
        throw error
      }
    })
  }

  unplug(eniId: string): Promise<void> {
    return this.#inTurn(async (kernel) => {
      const plugged = this.#ports.get(eniId)
      if (plugged === undefined) return
      if (plugged.kernelLink) await kernel.call('unplugLink', plugged.kernelLink.fabricIfindex)
      plugged.kernelLink = undefined
      await kernel.call('forgetFlows', addressesOf(plugged.port))
      const commands = [...this.#ports.change(plugged, undefined), ...unguardLink(plugged.link)]
      await kernel.call('apply', commands)
      this.#ports.delete(eniId)
      await this.ways.settle(kernel, plugged.port)
    })
  }

  update(port: Port): Promise<void> {
    return this.#inTurn(async (kernel) => {
      const before = this.#ports.known(port.eniId)
      const after = { ...before, port: this.#ports.checked(port, this.#groups.all) }
      for (const field of ['mac', 'netns', 'subnetId'] as const) {
        if (after.port[field] === before.port[field]) continue
        throw new Error(`port ${port.eniId}: ${field} cannot change; unplug it and plug it anew`)
      }
      const [old, now] = [addressesOf(before.port), addressesOf(after.port)]
      const added = now.filter((address) => !old.includes(address))
      const removed = old.filter((address) => !now.includes(address))
      await kernel.call('apply', this.#ports.change(before, after))
      try {
        await this.#changeReach(kernel, 'add', after, added)
        this.#ports.set(after)
        await this.ways.settle(kernel, before.port, after.port)
      } catch (error) {
        this.#ports.set(before)
        await kernel.call('apply', this.#ports.change(after, before))
        await this.#changeReach(kernel, 'remove', before, added)
        throw error
      }
      await this.#changeReach(kernel, 'remove', after, removed)
      await kernel.call('forgetFlows', removed)
    })
  }

  openResolver(vpcAddress: string): Promise<void> {
    return this.#inTurn((kernel) => openResolver(kernel, vpcAddress))
  }

  closeResolver(vpcAddress: string): Promise<void> {
    return this.#inTurn((kernel) => closeResolver(kernel, vpcAddress))
  }

  listenIn(...where: Parameters<LabFabric['listenIn']>): Promise<number> {
    return this.#inTurn((kernel) => kernel.call('listenIn', ...where))
  }

  makeNetns(...what: Parameters<LabFabric['makeNetns']>): Promise<string> {
    return this.#inTurn((kernel) => kernel.call('makeNetns', ...what))
  }

  removeNetns(name: string): Promise<void> {
    return this.#inTurn((kernel) => kernel.call('removeNetns', name))
  }

  keepNetns(paths: readonly string[]): Promise<void> {
    return this.#inTurn((kernel) => kernel.call('keepNetns', paths))
  }

  configureGuest(plan: GuestPlan): Promise<void> {
    return this.#inTurn((kernel) => this.#links.configure(kernel, plan))
  }

  close(): Promise<void> {
    if (this.#kernel === undefined) return Promise.resolve()
    return this.#inTurn((kernel) => this.#shut(kernel, 'close'))
  }

  release(): Promise<void> {
    if (this.#kernel === undefined) return Promise.resolve()
    return this.#inTurn((kernel) => this.#shut(kernel, 'release'))
  }

  async #start(restore: Restore | undefined): Promise<void> {
    const { name, hostNetns, internet, log } = this.#options
    const kernel = new FabricKernel(this.#linksDied, this.verdicts.tell)
    try {
      this.ways.real = await kernel.call('open', name, hostNetns, restore !== undefined, internet)
      this.#kernel = kernel
      if (restore !== undefined) await this.#restore(restore)
      await prove(this, (plan) => kernel.call('probe', plan))
      await this.#inTurn((each) => this.#links.plugMissing(each))
      await this.#inTurn((each) => this.ways.openTranslators(each))
    } catch (error) {
      // The first error is the one that tells. What was there before us stays.
      await this.#shut(kernel, restore === undefined ? 'close' : 'release').catch(() => {})
      throw error
    }
    log.info({ netns: this.netnsPath }, 'fabric open, enforcement proven')
  }

  async #restore(restore: Restore): Promise<void> {
    this.#links.restoring = true
    await this.#inTurn((kernel) => this.ways.adopt(kernel))
    await restore(this)
    await this.#inTurn(async (kernel) => {
      await this.ways.adopted(kernel)
      await kernel.call('seal')
      this.#links.restoring = false
    })
  }

  async #shut(kernel: FabricKernel, how: 'close' | 'release'): Promise<void> {
    try {
      await kernel.call(how)
    } finally {
      await kernel.end()
      this.#kernel = undefined
      this.#opening = undefined
      for (const each of [this.#groups, this.#ports, this.#borders, this.ways]) each.clear()
    }
  }

  /** Does one thing after all that were asked before it, whatever became of them. */
  #inTurn<T>(work: (kernel: FabricKernel) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(() => {
      if (this.#kernel === undefined) throw new Error('the fabric is not open')
      return work(this.#kernel)
    })
    this.#turn = mine.catch(() => {})
    return mine
  }

  readonly #linksDied = (gone: readonly number[], lost: boolean): void => {
    void this.#inTurn((kernel) => this.#links.died(kernel, gone, lost)).catch((error: Error) => {
      if (this.#kernel) this.#options.log.error({ err: error }, 'dead links not looked after')
    })
  }

  async #changeReach(
    kernel: FabricKernel,
    verb: 'add' | 'remove',
    { port, kernelLink }: Plugged,
    addresses: readonly string[],
  ): Promise<void> {
    if (kernelLink === undefined || addresses.length === 0) return
    const link = { fabricIfindex: kernelLink.fabricIfindex, mac: port.mac }
    await kernel.call('changeReach', verb, link, addresses)
  }
}
