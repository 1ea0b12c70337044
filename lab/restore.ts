// A stored world back in force: what of it can live on, asked of the fabric in one go. Whatever else
// dies with a namespace gets its line in `survivors`; whatever is in the fabric needs none, because
// `fabricPlan` from nothing to the world says it (see also lab/fabric/adoption.ts).

import type { LabFabric, Restore } from './fabric/open.ts'
import { fabricPlan, perform } from './model/fabric-plan.ts'
import { LAB_OWNER, type World, withoutEni } from './model/world.ts'

/** Has the fabric take over what a world holds. Namespaces that the world does not name go. */
export function restoreOf(world: World): Restore {
  return async (fabric: LabFabric) => {
    const calls = fabricPlan(nothing(world), world).map(({ call }) => call)
    // A NAT gateway's is known by its name alone: it is no guest of the model's.
    const nats = calls.flatMap((call) =>
      call.verb === 'putNatGateway' ? [`${fabric.netnsPath}.${call.nat.natGatewayId}`] : [],
    )
    await fabric.keepNetns([...namespacesIn(world), ...nats])
    for (const call of calls) await perform(fabric, call)
  }
}

/**
 * The world without what did not outlive the lab: probes whose namespace is gone (a reboot), and
 * ENIs of probes that were never finished. `exists` says whether a path is there.
 */
export function survivors(world: World, exists: (path: string) => boolean): World {
  const probes = new Map([...world.probes].filter(([, { netnsPath }]) => exists(netnsPath)))
  const owned = new Set([...probes.values()].map(({ eniId }) => eniId))
  let next: World = { ...world, probes }
  for (const { eniId, attachment } of world.enis.values()) {
    const isLabs = attachment !== undefined && 'owner' in attachment.to
    if (!isLabs || attachment.to.owner !== LAB_OWNER || attachment.netns === undefined) continue
    if (!owned.has(eniId)) next = withoutEni(next, eniId)
  }
  return next
}

/** A world of the same VPC with nothing in it. */
function nothing(world: World): World {
  const members = Object.entries(world).map(([name, member]) => [
    name,
    member instanceof Map ? new Map() : member,
  ])
  return Object.fromEntries(members) as World
}

/** Every path of a named namespace that anything in the world holds, whatever it is. */
function namespacesIn(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof value === 'string' && value.startsWith('/run/netns/')) found.add(value)
  if (typeof value !== 'object' || value === null) return found
  const parts = value instanceof Map ? value.values() : Object.values(value)
  for (const part of parts) namespacesIn(part, found)
  return found
}
