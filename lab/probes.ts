// Probes: namespaces inside the VPC, each with an ENI of its own, for `enid lab exec` and for tests
// that ask "who reaches whom". A probe's ENI is the lab's, not the host's: it takes an address and
// wears groups like any other, EC2 shows it as managed by another owner, and it goes with the probe.

import { randomBytes } from 'node:crypto'
import type { LabFabric } from './fabric/open.ts'
import { RESERVED_NAMES } from './fabric/outside.ts'
import { knownCidr } from './model/addresses.ts'
import { resolvConf } from './model/dns-name.ts'
import { newId } from './model/ids.ts'
import { findSubnet } from './model/look-up.ts'
import { makeEni, routerOf } from './model/network-interface.ts'
import { homeSubnet, namedGroups } from './model/place.ts'
import type { Probe } from './model/probe.ts'
import { addressFor, launchAddress } from './model/public-address.ts'
import { Refusal } from './model/refusal.ts'
import {
  drop,
  LAB_OWNER,
  type NetworkInterface,
  put,
  type World,
  withEni,
  withoutEni,
} from './model/world.ts'
import type { Change, Region } from './region.ts'
import { Turns } from './turns.ts'

/** What a probe should be like. */
export type ProbeWish = {
  /** The name of its namespace, after the lab's. */
  readonly name?: string
  readonly subnetId?: string
  readonly groupIds?: readonly string[]
  readonly groupNames?: readonly string[]
  /** With a public address for as long as it stands; else as its subnet says of what is launched. */
  readonly public?: boolean
}

/** A probe that stands: run a command in its namespace and it speaks from the VPC. */
export type { Probe } from './model/probe.ts'

/** What probes need of the fabric. */
export type ProbeFabric = Pick<LabFabric, 'makeNetns' | 'removeNetns' | 'configureGuest'>

export class Probes {
  readonly #region: Region
  readonly #fabric: ProbeFabric
  readonly #turns = new Turns()

  constructor(region: Region, fabric: ProbeFabric) {
    this.#region = region
    this.#fabric = fabric
  }

  /** The probes that stand. */
  all(): Probe[] {
    return [...this.#region.world.probes.values()]
  }

  /** Makes a probe, ready to speak. Rejects and leaves nothing when any of it fails. */
  add(wish: ProbeWish): Promise<Probe> {
    return this.#turns.take(async () => {
      const probeId = `probe-${randomBytes(4).toString('hex')}`
      const name = wish.name ?? probeId
      if (this.all().some((probe) => probe.name === name)) {
        throw new Refusal('InvalidName', `A probe named '${name}' stands already.`, 409)
      }
      if (RESERVED_NAMES.includes(name)) {
        throw new Refusal('InvalidName', `'${name}' is a part of the lab: choose another name.`)
      }
      const { world } = this.#region
      const conf = resolvConf(world, homeSubnet(world, wish.subnetId))
      const netnsPath = await this.#fabric.makeNetns(name, conf)
      let eniId: string | undefined
      try {
        const eni = await this.#region.change((world) => plugIn(world, wish, netnsPath))
        eniId = eni.eniId
        const probe: Probe = { probeId, name, netnsPath, ...described(this.#region.world, eni) }
        await this.#configure(probe)
        // Only now: an ENI of no probe is taken away where a lab that died left one (restore.ts).
        await this.#region.change((world) => ({
          world: { ...world, probes: put(world.probes, probeId, probe) },
          output: undefined,
        }))
        return probe
      } catch (error) {
        if (eniId !== undefined) await this.#take(probeId, eniId)
        await this.#fabric.removeNetns(name)
        throw error
      }
    })
  }

  /** Takes a probe away. */
  remove(probeId: string): Promise<void> {
    return this.#turns.take(async () => {
      const probe = this.#region.world.probes.get(probeId)
      if (probe === undefined) {
        throw new Refusal('NoSuchProbe', `There is no probe '${probeId}'.`, 404)
      }
      await this.#take(probeId, probe.eniId)
      await this.#fabric.removeNetns(probe.name)
    })
  }

  /** Takes all probes away and makes that world the world, in one turn. */
  clear(world: World): Promise<void> {
    return this.#turns.take(async () => {
      const probes = this.all()
      for (const { probeId, eniId } of probes) await this.#take(probeId, eniId)
      await this.#region.change(() => ({ world, output: undefined }))
      for (const { name } of probes) await this.#fabric.removeNetns(name)
    })
  }

  async #take(probeId: string, eniId: string): Promise<void> {
    await this.#region.change((world) => ({
      world: { ...withoutEni(world, eniId), probes: drop(world.probes, probeId) },
      output: undefined,
    }))
  }

  async #configure(probe: Probe): Promise<void> {
    const subnet = findSubnet(this.#region.world, probe.subnetId)
    const { ipv4: gateway } = routerOf(subnet)
    await this.#fabric.configureGuest({
      netns: probe.netnsPath,
      mac: probe.mac,
      ipv4:
        subnet.ipv4Cidr === undefined
          ? []
          : [`${probe.ipv4}/${knownCidr(4, subnet.ipv4Cidr).prefix}`],
      ipv6: probe.ipv6 === undefined ? [] : [`${probe.ipv6}/128`],
      ...(gateway === undefined ? {} : { ipv4Gateway: gateway }),
    })
  }
}

function plugIn(world: World, wish: ProbeWish, netns: string): Change<NetworkInterface> {
  const subnet = homeSubnet(world, wish.subnetId)
  const groupIds = [...(wish.groupIds ?? []), ...namedGroups(world, subnet, wish.groupNames ?? [])]
  const made = makeEni(
    world,
    {
      subnetId: subnet.subnetId,
      groupIds,
      description: 'A probe of the lab',
      ipv6Count: subnet.ipv6Cidr === undefined ? 0 : 1,
      managed: true,
    },
    randomBytes,
  )
  const eni: NetworkInterface = {
    ...made.eni,
    status: 'in-use',
    attachment: {
      attachmentId: newId('ela-attach', randomBytes),
      to: { owner: LAB_OWNER },
      deviceIndex: 1,
      status: 'attached',
      deleteOnTermination: true,
      attachedAt: new Date(),
      netns,
    },
  }
  const next = withEni(made.world, eni)
  const isPublic = wish.public ?? subnet.mapPublicIpOnLaunch
  return { world: isPublic ? launchAddress(next, eni, randomBytes) : next, output: eni }
}

function described(
  world: World,
  eni: NetworkInterface,
): Omit<Probe, 'probeId' | 'name' | 'netnsPath'> {
  const [ipv4 = ''] = eni.ipv4
  const [ipv6] = eni.ipv6
  const { eniId, mac, subnetId, groupIds } = eni
  const publicIp = addressFor(world, eniId, ipv4)?.publicIp
  return {
    ...{ eniId, mac, subnetId, groupIds, ipv4 },
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(publicIp === undefined ? {} : { publicIp }),
  }
}
