// The links of the plugged ports: made, found where a dead lab left them, and made again when a
// namespace dies and takes one with it: EC2 would give the ENI back to the host, so does the fabric.
// The caller takes turns.

import type { Port, PortEvent } from './fabric.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import type { GuestPlan } from './guest.ts'
import type { FabricOptions } from './open.ts'
import { linkPlan, type Plugged, type PluggedPorts } from './plugged-ports.ts'
import type { PluggedLink } from './port-link.ts'
import { guardLink, type LinkedPort, unguardLink } from './ruleset.ts'

/** Has the ways that lead to a port follow it when its link goes or comes. */
type Settle = (kernel: FabricKernel, port: Port) => Promise<void>

export class PortLinks {
  readonly #options: FabricOptions
  readonly #ports: PluggedPorts
  readonly #settle: Settle
  readonly #listeners: ((event: PortEvent) => void)[] = []
  readonly #guests = new Map<string, GuestPlan>()
  /** While a dead lab's fabric is taken over: links are found, and none is made yet. */
  restoring = false

  constructor(options: FabricOptions, ports: PluggedPorts, settle: Settle) {
    this.#options = options
    this.#ports = ports
    this.#settle = settle
  }

  onEvent(listener: (event: PortEvent) => void): void {
    this.#listeners.push(listener)
  }

  /** Makes a port's link, under guard from its first frame on. */
  plug(kernel: FabricKernel, linked: LinkedPort): Promise<PluggedLink> {
    const plan = linkPlan(this.#options.name, linked.port)
    return kernel.call('plugLink', plan, guardLink(linked.link, linked.port.mac))
  }

  /** The port's link as a dead lab left it, wherever its guest's end is by now, if it is there. */
  adopt(kernel: FabricKernel, linked: LinkedPort): Promise<PluggedLink | undefined> {
    const plan = linkPlan(this.#options.name, linked.port)
    return kernel.call('adoptLink', plan, guardLink(linked.link, linked.port.mac))
  }

  /**
   * Plugs every port that has no link, and configures the lab's own guests whose interface is as it
   * was born: a lab that takes over may die, too, between the one and the other.
   */
  async plugMissing(kernel: FabricKernel): Promise<void> {
    const missing = this.#ports.values().filter(({ kernelLink }) => kernelLink === undefined)
    for (const plugged of missing) await this.#replug(kernel, plugged)
    for (const { port, kernelLink } of this.#ports.values()) {
      const plan = this.#guests.get(port.mac)
      if (plan === undefined || kernelLink === undefined) continue
      await kernel.call('configureGuest', plan, kernelLink.name)
    }
    this.#guests.clear()
  }

  /** A guest that is configured, or while a fabric is taken over, to be when its link is there. */
  async configure(kernel: FabricKernel, plan: GuestPlan): Promise<void> {
    if (this.restoring) this.#guests.set(plan.mac, plan)
    else await kernel.call('configureGuest', plan)
  }

  /** Links died, by their ifindexes in the fabric; `lost`: and others may have. */
  async died(kernel: FabricKernel, gone: readonly number[], lost: boolean): Promise<void> {
    const alive = lost ? await kernel.call('linkIndexes') : undefined
    for (const plugged of this.#ports.values()) {
      const ifindex = plugged.kernelLink?.fabricIfindex
      if (ifindex === undefined) continue
      if (alive === undefined ? gone.includes(ifindex) : !alive.includes(ifindex)) {
        plugged.kernelLink = undefined
        if (!this.restoring) await this.#replug(kernel, plugged)
      }
    }
  }

  async #replug(kernel: FabricKernel, plugged: Plugged): Promise<void> {
    const { eniId } = plugged.port
    try {
      await this.#settle(kernel, plugged.port)
      await kernel.call('apply', unguardLink(plugged.link))
      plugged.kernelLink = await this.plug(kernel, plugged)
      await this.#settle(kernel, plugged.port)
      this.#options.log.info({ eniId, ...plugged.kernelLink }, 'link replugged')
      this.#tell({ eniId, what: 'replugged' })
    } catch (error) {
      this.#options.log.error({ eniId, err: error }, 'link gone, not replugged')
      this.#tell({ eniId, what: 'gone' })
    }
  }

  #tell(event: PortEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
