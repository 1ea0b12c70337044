// What a host's coming and going means for the fabric: a namespace of its own, and in it the primary
// interface with its address, as DHCP gives it to a machine on EC2. Pure; part of fabric-plan.ts.

import { knownCidr } from './addresses.ts'
import { resolvConf } from './dns-name.ts'
import type { FabricCall, FabricStep } from './fabric-plan.ts'
import { netnsName } from './host.ts'
import { attachedTo, routerOf } from './network-interface.ts'
import type { Host, Subnet, World } from './world.ts'

/** The steps for hosts that are new, and for those that are gone. */
export function hostSteps(before: World, after: World): FabricStep[] {
  if (before.hosts === after.hosts) return []
  return [
    ...missing(before.hosts, after.hosts).map((host) => removal(before, host)),
    ...missing(after.hosts, before.hosts).flatMap((host) => addition(after, host)),
  ]
}

/** The hosts of `from` that are not in `to`; another instance of the same name is another host. */
function missing(from: World['hosts'], to: World['hosts']): Host[] {
  return [...from.values()].filter(
    ({ name, instanceId }) => to.get(name)?.instanceId !== instanceId,
  )
}

function removal(world: World, host: Host): FabricStep {
  const { subnet } = partsOf(world, host)
  return {
    call: { verb: 'removeNetns', name: netnsName(host.name) },
    undo: making(world, host.name, subnet),
  }
}

const making = (world: World, hostName: string, subnet: Subnet): FabricCall => ({
  verb: 'makeNetns',
  name: netnsName(hostName),
  resolvConf: resolvConf(world, subnet),
})

function partsOf(world: World, { name, instanceId }: Host) {
  const instance = world.instances.get(instanceId)
  const [primary] = attachedTo(world, instanceId)
  const subnet = primary === undefined ? undefined : world.subnets.get(primary.subnetId)
  if (instance === undefined || primary === undefined || subnet === undefined) {
    throw new Error(`the model has a host without instance, interface or subnet: ${name}`)
  }
  return { instance, primary, subnet }
}

function addition(world: World, host: Host): FabricStep[] {
  const { name } = host
  const undo = { verb: 'removeNetns', name: netnsName(name) } as const
  const { instance, primary, subnet } = partsOf(world, host)
  const [ipv4] = primary.ipv4
  const { ipv4Cidr } = subnet
  const { ipv4: ipv4Gateway } = routerOf(subnet)
  const plan = {
    netns: instance.netns,
    mac: primary.mac,
    ipv4:
      ipv4 === undefined || ipv4Cidr === undefined
        ? []
        : [`${ipv4}/${knownCidr(4, ipv4Cidr).prefix}`],
    ipv6: primary.ipv6.slice(0, 1).map((address) => `${address}/128`),
    ...(ipv4Gateway === undefined ? {} : { ipv4Gateway }),
  }
  return [
    { call: making(world, name, subnet), undo },
    // Taken back by the namespace's end: nothing of it is anywhere else.
    { call: { verb: 'configureGuest', plan }, undo },
  ]
}
