// What others do behind the agent's back, with the rights of an operator: detach, delete, rename.
// Each is a function from one world to the next; the fabric follows as it follows any change.
//
// Told an action, a deed follows each call that the fault strikes at, and befalls that call's ENI,
// --seconds (0: before the answer) later. Told none, it is done --seconds from now, once unless
// --times says more, to the ENIs that --eni or --task name, or to any.

import { detached } from '../model/network-interface.ts'
import { Refusal } from '../model/refusal.ts'
import { defaultGroupOf } from '../model/security-group.ts'
import {
  drop,
  type NetworkInterface,
  type SecurityGroup,
  type World,
  withEni,
  withoutEni,
} from '../model/world.ts'
import type { FaultOptions } from './fault.ts'
import { foreignEni } from './foreign-eni.ts'
import { OF_CALL, type OutsideKind, SCRIPT } from './kind.ts'

const ONCE = { times: 1, seconds: 0 } as const
const TIMED = [...OF_CALL, 'seconds'] as const

/** The faults of this family. */
export const OUTSIDE_FAULTS = {
  'forced-detach': {
    family: 'outside',
    befalls: 'eni',
    summary: 'somebody detaches the ENI by force: link and attachment are gone at once',
    options: TIMED,
    defaults: ONCE,
    deed(world, eniId) {
      const eni = findOther(world, eniId)
      return eni.attachment === undefined ? world : withEni(world, detached(eni))
    },
  },
  'eni-deleted': {
    family: 'outside',
    befalls: 'eni',
    summary: 'somebody detaches the ENI by force and deletes it',
    options: TIMED,
    defaults: ONCE,
    deed: (world, eniId) => withoutEni(world, findOther(world, eniId).eniId),
  },
  'group-deleted': {
    family: 'outside',
    befalls: 'group',
    summary:
      "somebody deletes --group (or the ENI's first), having put the default one in its place",
    options: [...TIMED, 'group'],
    defaults: ONCE,
    deed: (world, eniId, { group }) => withoutGroup(world, group ?? firstGroup(world, eniId)),
  },
  'groups-changed': {
    family: 'outside',
    befalls: 'eni',
    summary: "somebody replaces the ENI's groups by --group (or the VPC's default one)",
    options: [...TIMED, 'group'],
    defaults: ONCE,
    deed(world, eniId, { group }) {
      const eni = findOther(world, eniId)
      const groupId = group ?? defaultGroupOf(world, eni.vpcId).groupId
      if (eni.groupIds.join() === groupId) return world
      if (world.groups.get(groupId)?.vpcId === eni.vpcId) {
        return withEni(world, { ...eni, groupIds: [groupId] })
      }
      throw noTarget(`there is no group ${groupId} in the VPC of ${eniId}`)
    },
  },
  'tags-stripped': {
    family: 'outside',
    befalls: 'eni',
    summary: 'somebody removes every tag of the ENI',
    options: TIMED,
    defaults: ONCE,
    deed(world, eniId) {
      const tagged = world.tags.has(findOther(world, eniId).eniId)
      return tagged ? { ...world, tags: drop(world.tags, eniId) } : world
    },
  },
  'foreign-eni': {
    family: 'outside',
    befalls: 'none',
    summary:
      'somebody attaches an ENI of his own to this instance: one slot less, --times (1) over',
    options: [...SCRIPT, 'action', 'eni', 'task', 'seconds'],
    defaults: ONCE,
    deed: (world) => foreignEni(world),
  },
} as const satisfies Record<string, OutsideKind>

/** The ENIs that something may befall: not a host's own, nor the lab's. */
export function targets(world: World): NetworkInterface[] {
  return [...world.enis.values()].filter(
    ({ managed, attachment }) => !managed && attachment?.deviceIndex !== 0,
  )
}

/** Whether the fault is about ENIs, given what it was told; else it is done once for each time. */
export const befallsEnis = ({ befalls }: OutsideKind, { group }: FaultOptions): boolean =>
  befalls === 'eni' || (befalls === 'group' && group === undefined)

/** The refusal of a deed that finds nothing to be done to. */
export const noTarget = (why: string): Refusal =>
  new Refusal('NoTarget', `Nothing to do it to: ${why}.`, 409)

function findOther(world: World, eniId: string): NetworkInterface {
  const eni = targets(world).find((each) => each.eniId === eniId)
  if (eni === undefined) throw noTarget(`there is no ENI ${eniId} that it may befall`)
  return eni
}

function firstGroup(world: World, eniId: string): string {
  const eni = findOther(world, eniId)
  const own = eni.groupIds.find((id) => world.groups.get(id)?.name !== 'default')
  if (own === undefined) throw noTarget(`${eniId} wears no group but the default one`)
  return own
}

function withoutGroup(world: World, groupId: string): World {
  const group = world.groups.get(groupId)
  if (group === undefined) throw noTarget(`there is no group ${groupId}`)
  if (group.name === 'default') throw noTarget(`${groupId} is a default group, which EC2 keeps`)
  const instead = defaultGroupOf(world, group.vpcId).groupId
  const enis = new Map(world.enis)
  for (const eni of world.enis.values()) {
    if (!eni.groupIds.includes(groupId)) continue
    const rest = eni.groupIds.filter((id) => id !== groupId)
    enis.set(eni.eniId, { ...eni, groupIds: rest.length > 0 ? rest : [instead] })
  }
  const groups = new Map<string, SecurityGroup>()
  for (const [id, other] of world.groups) {
    const rules = other.rules.filter(
      ({ peer }) => !(peer.kind === 'group' && peer.groupId === groupId),
    )
    if (id !== groupId)
      groups.set(id, rules.length < other.rules.length ? { ...other, rules } : other)
  }
  return { ...world, enis, groups, tags: drop(world.tags, groupId) }
}
