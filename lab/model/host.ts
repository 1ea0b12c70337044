// Hosts: instances that the lab makes beside the one it runs on, and their ends. Pure; the namespace
// follows in the fabric (fabric-plan.ts), the machine in lab/hosts/, which also says when a host has
// come up and when it is gone.
//
//   addHosts ──▶ pending ──▶ running ──▶ shutting-down ──▶ terminated ──an hour──▶ nothing
//                   └──── it does not come up ────▲

import { newId, type Random } from './ids.ts'
import { INSTANCE_TYPES } from './instance-type.ts'
import { findInstance } from './look-up.ts'
import { attached, attachedTo, detached, makeEni } from './network-interface.ts'
import { homeSubnet } from './place.ts'
import { launchAddress } from './public-address.ts'
import { QUOTA } from './quota.ts'
import { Refusal } from './refusal.ts'
import { withTags } from './tag-rules.ts'
import {
  drop,
  type Host,
  type Instance,
  type NetworkInterface,
  put,
  type World,
  withEni,
  withoutEni,
} from './world.ts'

/** What new hosts should be like. */
export type HostsWish = {
  /** Absent: the first free of host-1, host-2 … */
  readonly name?: string | undefined
  readonly count: number
  readonly instanceType: string
  readonly subnetId?: string | undefined
  /** None: the default group of the subnet's VPC. */
  readonly groupIds: readonly string[]
  readonly ipv4Asked?: readonly string[]
  readonly ipv6Count?: number | undefined
  readonly docker: boolean
}

/** A new host: its record, its instance and the interface it comes up with. */
export type NewHost = {
  readonly host: Host
  readonly instance: Instance
  readonly primary: NetworkInterface
}

/** The name under which the lab lists the machine that it runs on. */
export const HOME_NAME = 'home'

/** What an instance without IPv4 is called. Which records it gets EC2 does not say: none, as elsewhere. */
const BY_RESOURCE = {
  hostnameType: 'resource-name',
  resourceNameA: false,
  resourceNameAaaa: false,
} as const

/** For how long EC2 still shows an instance that was terminated (EC2 user guide: about an hour). */
export const TERMINATED_SHOWN_MS = 3_600_000

/** New hosts, `pending`, in one reservation; each with its primary interface attached. */
export function addHosts(
  world: World,
  wish: HostsWish,
  random: Random,
  now: Date,
): { world: World; made: readonly NewHost[] } {
  checkType(wish.instanceType)
  const reservationId = newId('r', random)
  let next = withoutForgotten(world, now)
  const alive = [...next.instances.values()].filter(({ state }) => state !== 'terminated')
  if (alive.length + wish.count > QUOTA.instancesPerRegion) {
    throw new Refusal(
      'InstanceLimitExceeded',
      `You have requested more instances (${alive.length + wish.count}) than your current ` +
        `instance limit of ${QUOTA.instancesPerRegion} allows. Terminate some.`,
    )
  }
  const made: NewHost[] = []
  for (let n = 0; n < wish.count; n++) {
    const name = wish.name === undefined ? freeName(next) : checkName(next, wish.name)
    const added = addHost(next, name, { ...wish, reservationId }, random, now)
    next = added.world
    made.push(added)
  }
  return { world: next, made }
}

/** The world with that instance running, where it was still coming up. */
export function settleRunning(world: World, instanceId: string): World {
  const instance = world.instances.get(instanceId)
  return instance?.state === 'pending'
    ? withInstance(world, { ...instance, state: 'running' })
    : world
}

/** Begins a host's end; unchanged where it has begun before. Refuses for the lab's own machine. */
export function beginTermination(world: World, instanceId: string, reason: string): World {
  const instance = findInstance(world, instanceId)
  if (hostOf(world, instanceId) === undefined && instance.state !== 'terminated') {
    throw new Refusal(
      'OperationNotPermitted',
      `The instance '${instanceId}' may not be terminated: it is the machine that the lab runs ` +
        'on. End the lab with `enid lab down`.',
    )
  }
  if (instance.state === 'shutting-down' || instance.state === 'terminated') return world
  return withInstance(world, { ...instance, state: 'shutting-down', stateReason: reason })
}

/** Ends a host: interfaces that are to go with it are deleted, the others become available. */
export function finishTermination(world: World, instanceId: string, now: Date): World {
  const instance = world.instances.get(instanceId)
  const host = hostOf(world, instanceId)
  if (instance === undefined || host === undefined) return world
  let next: World = { ...world, hosts: drop(world.hosts, host.name) }
  for (const eni of attachedTo(world, instanceId)) {
    next = eni.attachment.deleteOnTermination
      ? withoutEni(next, eni.eniId)
      : withEni(next, detached(eni))
  }
  return withInstance(next, { ...instance, state: 'terminated', terminatedAt: now })
}

/** The host that an instance is; undefined for the lab's own machine, and for one that is gone. */
export function hostOf(world: World, instanceId: string): Host | undefined {
  for (const host of world.hosts.values()) if (host.instanceId === instanceId) return host
  return undefined
}

/** The host of that name or instance id, or NoSuchHost with those that there are. */
export function findHost(world: World, nameOrId: string): Host {
  const host = world.hosts.get(nameOrId) ?? hostOf(world, nameOrId)
  if (host !== undefined) return host
  if (nameOrId === HOME_NAME) {
    throw new Refusal(
      'NotAHost',
      `'${HOME_NAME}' is the machine that the lab runs on: use it as it is, and end the lab with ` +
        '`enid lab down`.',
    )
  }
  const names = [...world.hosts.keys()].join(', ') || 'none; add one with `enid lab host add`'
  throw new Refusal('NoSuchHost', `There is no host '${nameOrId}'. Hosts: ${names}.`, 404)
}

/** Whether EC2 still shows an instance: one that was terminated, for about an hour. */
export const isShown = ({ terminatedAt }: Instance, now: Date): boolean =>
  terminatedAt === undefined || now.getTime() - terminatedAt.getTime() < TERMINATED_SHOWN_MS

const withInstance = (world: World, instance: Instance): World => ({
  ...world,
  instances: put(world.instances, instance.instanceId, instance),
})

function withoutForgotten(world: World, now: Date): World {
  const gone = [...world.instances.values()].filter((instance) => !isShown(instance, now))
  const [instances, tags] = [new Map(world.instances), new Map(world.tags)]
  for (const { instanceId } of gone) {
    instances.delete(instanceId)
    tags.delete(instanceId)
  }
  return gone.length === 0 ? world : { ...world, instances, tags }
}

function addHost(
  world: World,
  name: string,
  wish: HostsWish & { readonly reservationId: string },
  random: Random,
  now: Date,
): NewHost & { world: World } {
  const subnet = homeSubnet(world, wish.subnetId)
  const instance: Instance = {
    instanceId: newId('i', random),
    reservationId: wish.reservationId,
    instanceType: wish.instanceType,
    zone: subnet.zone,
    launchedAt: now,
    netns: `${world.labNetns}.${netnsName(name)}`,
    state: 'pending',
    ...(subnet.ipv4Cidr === undefined && { nameOptions: BY_RESOURCE }),
  }
  const { instanceId, netns } = instance
  const { groupIds, ipv4Asked = [], ipv6Count } = wish
  const eni = { subnetId: subnet.subnetId, description: '', groupIds, ipv4Asked, ipv6Count }
  const made = makeEni(world, eni, random)
  const primary = attached(made.eni, {
    attachmentId: newId('eni-attach', random),
    to: { instanceId },
    deviceIndex: 0,
    status: 'attached',
    deleteOnTermination: true,
    attachedAt: now,
    netns,
  })
  const host: Host = { name, instanceId, docker: wish.docker }
  const plain = withInstance(withEni(made.world, primary), instance)
  const next = subnet.mapPublicIpOnLaunch ? launchAddress(plain, primary, random) : plain
  return {
    world: withTags(
      { ...next, hosts: put(next.hosts, name, host) },
      instanceId,
      wish.name === undefined ? [] : [{ Key: 'Name', Value: name }],
    ),
    host,
    instance,
    primary,
  }
}

/** The name of a host's namespace beside the fabric's: no probe's name has a dot. */
export const netnsName = (hostName: string): string => `host.${hostName}`

function checkType(instanceType: string): void {
  if (INSTANCE_TYPES.has(instanceType)) return
  const known = [...INSTANCE_TYPES.keys()].sort().join(', ')
  throw new Refusal(
    'InvalidParameterValue',
    `Invalid value '${instanceType}' for InstanceType. The lab knows ${known}.`,
  )
}

function checkName(world: World, name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name) || name === HOME_NAME) {
    throw new Refusal(
      'InvalidName',
      `name is '${name}'; use lower-case letters, digits and '-', at most 32, and not ` +
        `'${HOME_NAME}', which is the machine that the lab runs on.`,
    )
  }
  if (!world.hosts.has(name)) return name
  throw new Refusal('InvalidName', `A host named '${name}' is there already.`, 409)
}

function freeName(world: World): string {
  for (let n = 1; ; n++) if (!world.hosts.has(`host-${n}`)) return `host-${n}`
}
