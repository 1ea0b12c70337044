// The lab's hosts: makes each one in the world a machine, and ends it when the world says so. It
// follows the world alone, so RunInstances and `enid lab host add` are the same to it, and a lab that
// finds hosts in its world finds their machines again.
//
//   pending ──open parts──▶ running        shutting-down ──close parts──▶ terminated
//
// What a machine is made of (processes, listeners) is others' business: lab/hosts/parts.ts.

import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import {
  addHosts,
  beginTermination,
  findHost,
  finishTermination,
  HOME_NAME,
  settleRunning,
} from '../model/host.ts'
import { LAB_TYPE } from '../model/instance-type.ts'
import { homeSubnet, namedGroups } from '../model/place.ts'
import { Refusal } from '../model/refusal.ts'
import type { Host, Instance, World } from '../model/world.ts'
import type { Region } from '../region.ts'
import { Turns } from '../turns.ts'
import { type HostView, hostView } from './host-view.ts'
import type { HostParts, OpenHost } from './open-host.ts'

/** What a host should be like. */
export type HostWish = {
  readonly name?: string
  readonly instanceType?: string
  readonly subnetId?: string
  readonly groupIds?: readonly string[]
  readonly groupNames?: readonly string[]
  readonly docker?: boolean
}

type Known = {
  readonly host: Host
  readonly turns: Turns
  state: Instance['state'] | undefined
  open?: OpenHost
  problem?: string
  /** The newest of the work that was begun for it. */
  work: Promise<void>
}

export class Hosts {
  readonly #region: Region
  readonly #log: Logger
  readonly #known = new Map<string, Known>()
  #parts: HostParts | undefined

  constructor(region: Region, log: Logger) {
    this.#region = region
    this.#log = log
  }

  /** From now on hosts are made of these parts; resolves when those that the world has are up. */
  async serve(parts: HostParts): Promise<void> {
    const { hosts, instances } = this.#region.world
    const ids = [...hosts.values()].map(({ instanceId }) => instanceId)
    const isToGo = (id: string): boolean => instances.get(id)?.state === 'shutting-down'
    await parts.sweep(new Set(ids.filter((id) => !isToGo(id))))
    this.#parts = parts
    this.#region.onChange(() => this.#follow())
    this.#follow()
    await this.#settle()
  }

  /** The home machine, then the hosts, as they are now. */
  list(): HostView[] {
    const { world } = this.#region
    const [home] = world.instances.values()
    const all = [...world.hosts.values()].map((host) => this.#view(host))
    return home === undefined ? all : [hostView(world, HOME_NAME, home), ...all]
  }

  /** One host by name or instance id. */
  get(nameOrId: string): HostView {
    return this.#view(findHost(this.#region.world, nameOrId))
  }

  /** Makes a host; resolves when it is up. Rejects with the reason, and then there is no host. */
  async add(wish: HostWish): Promise<HostView> {
    const host = await this.#region.change((world) => {
      const subnet = homeSubnet(world, wish.subnetId)
      const groupNames = namedGroups(world, subnet, wish.groupNames ?? [])
      const asked = {
        name: wish.name,
        count: 1,
        instanceType: wish.instanceType ?? LAB_TYPE,
        subnetId: subnet.subnetId,
        groupIds: [...(wish.groupIds ?? []), ...groupNames],
        ipv6Count: subnet.ipv6Cidr === undefined ? 0 : 1,
        docker: wish.docker ?? false,
      }
      const { world: next, made } = addHosts(world, asked, randomBytes, new Date())
      const [first] = made
      if (first === undefined) throw new Error('the model made no host')
      return { world: next, output: first.host }
    })
    const known = this.#known.get(host.instanceId)
    await this.#settle(host.instanceId)
    if (this.#region.world.hosts.get(host.name) === host && known?.problem === undefined) {
      return this.#view(host)
    }
    throw new Refusal('HostNotStarted', `The host ${host.name}: ${known?.problem ?? 'gone'}`, 500)
  }

  /** Ends a host, as TerminateInstances does; resolves when nothing of it is left. */
  async remove(nameOrId: string): Promise<Host> {
    const { host, isAgain } = await this.#region.change((world) => {
      const host = findHost(world, nameOrId)
      const next = beginTermination(world, host.instanceId, BY_COMMAND)
      return { world: next, output: { host, isAgain: next === world } }
    })
    const known = this.#known.get(host.instanceId)
    // Asked again for one that did not end: it is tried again.
    if (isAgain && known !== undefined) this.#begin(known, 'shutting-down')
    await this.#settle(host.instanceId)
    if (this.#region.world.hosts.get(host.name) !== host) return host
    throw new Refusal('HostNotEnded', `The host ${host.name}: ${known?.problem ?? 'is there'}`, 500)
  }

  /** Ends every host. */
  async clear(): Promise<void> {
    await Promise.all([...this.#region.world.hosts.keys()].map((name) => this.remove(name)))
  }

  /** Ends every machine with the lab, or lets go of all of them; the world stays as it is. */
  async close(keep = false): Promise<void> {
    this.#parts = undefined
    await this.#settle()
    const open = [...this.#known.values()].flatMap((known) => known.open ?? [])
    const closed = await Promise.allSettled(open.map((o) => (keep ? o.leave() : o.close())))
    this.#known.clear()
    for (const each of closed) if (each.status === 'rejected') throw each.reason
  }

  /** Begins what the world asks for: each state of a host is answered once. */
  #follow(): void {
    if (this.#parts === undefined) return
    const { hosts, instances } = this.#region.world
    for (const host of hosts.values()) {
      const state = instances.get(host.instanceId)?.state
      const known = this.#known.get(host.instanceId) ?? newcomer(host)
      this.#known.set(host.instanceId, known)
      if (state !== undefined && state !== known.state) this.#begin(known, state)
    }
    for (const known of this.#known.values()) {
      if (hosts.get(known.host.name)?.instanceId !== known.host.instanceId) this.#forget(known)
    }
  }

  #begin(known: Known, state: Instance['state']): void {
    known.state = state
    if (state === 'shutting-down') known.work = known.turns.take(() => this.#end(known))
    else known.work = known.turns.take(() => this.#start(known))
  }

  async #start(known: Known): Promise<void> {
    const { host } = known
    const { instanceId } = host
    const instance = this.#region.world.instances.get(instanceId)
    if (known.open !== undefined || instance === undefined || this.#parts === undefined) return
    try {
      known.open = await this.#parts.open(host, instance)
      this.#log.info({ host: host.name, instanceId, pid: known.open.pid }, 'host up')
      await this.#change((world) => settleRunning(world, instanceId))
    } catch (error) {
      known.problem = this.#failed(host, 'it did not come up', error)
      const reason = `Server.InternalError: ${known.problem}`
      await this.#change((world) => beginTermination(world, instanceId, reason)).catch((error) =>
        this.#failed(host, 'it could not be marked as ended', error),
      )
    }
  }

  async #end(known: Known): Promise<void> {
    const { host } = known
    try {
      await known.open?.close()
      delete known.open
      await this.#change((world) => finishTermination(world, host.instanceId, new Date()))
      this.#log.info({ host: host.name, instanceId: host.instanceId }, 'host ended')
    } catch (error) {
      known.problem = this.#failed(host, 'it did not end', error)
    }
  }

  /** A host that went from the world without an end of its own: the lab was reset. */
  #forget(known: Known): void {
    this.#known.delete(known.host.instanceId)
    void known.turns
      .take(async () => known.open?.close())
      .catch((error) => this.#failed(known.host, 'it did not end', error))
  }

  #failed(host: Host, what: string, error: unknown): string {
    this.#log.error({ host: host.name, err: error }, what)
    return `${what}: ${error instanceof Error ? error.message : String(error)}`
  }

  #change(become: (world: World) => World): Promise<void> {
    return this.#region.change((world) => ({ world: become(world), output: undefined }))
  }

  /** Waits until nothing is under way for that host, or for any. */
  async #settle(instanceId?: string): Promise<void> {
    for (;;) {
      const known = [...this.#known.values()].filter(
        ({ host }) => instanceId === undefined || host.instanceId === instanceId,
      )
      const works = known.map(({ work }) => work)
      await Promise.all(works)
      if (known.every(({ work }, n) => work === works[n])) return
    }
  }

  #view({ name, instanceId }: Host): HostView {
    const { world } = this.#region
    const instance = world.instances.get(instanceId)
    if (instance === undefined) throw new Error(`the model has no instance for ${name}`)
    return hostView(world, name, instance, this.#known.get(instanceId))
  }
}

const newcomer = (host: Host): Known => ({
  host,
  turns: new Turns(),
  state: undefined,
  work: Promise.resolve(),
})

const BY_COMMAND = 'Client.UserInitiatedShutdown: enid lab host remove'
