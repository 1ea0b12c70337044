// A warm spare: a holder without containers, kept ready so that a task can take it over. Its pause
// container runs, its ENI is attached and wears the security groups of its pool, its link stands in
// the namespace, verified and down. Pure: what a spare is, which tasks it fits, what is to be made
// sure of when it becomes one.
//
//   spare, everything held ── assigned ──▶ the task, under the spare's id: link up, limits, groups

import type { Entry } from './journal.ts'
import type { EniSpec, HolderId, Spec } from './spec.ts'
import type { Holder, RowId } from './task.ts'
import { holdsEverything, rowState } from './task.ts'

/** What the spares of one pool have alike. */
export type PoolPlace = {
  readonly subnetId: string
  /** As a task names them; none: the VPC's default group. */
  readonly securityGroupIds: readonly string[]
}

/** How a task begins: on its own, or as the spare whose `rows` are to be made sure of. */
export type Placed = {
  readonly id: HolderId
  readonly spec: Spec
  readonly rows?: readonly RowId[]
}

/** How a launch was served: by a spare as it is, by one in other groups, by none. */
export type Way = 'warm' | 'groups' | 'cold'

/** A ready spare that a task can take over. */
export type Fit = { readonly id: HolderId; readonly way: Way; readonly rows: readonly RowId[] }

/** One name for one pool, in whatever order its groups are named. */
export const poolKey = ({ subnetId, securityGroupIds }: PoolPlace): string =>
  [subnetId, ...[...new Set(securityGroupIds)].sort()].join(' ')

/** What a spare of this pool is meant to be. */
export function spareSpec({ subnetId, securityGroupIds }: PoolPlace): Spec {
  return {
    kind: 'spare',
    enis: [{ subnetIds: [subnetId], securityGroupIds: [...securityGroupIds], tags: {} }],
    containers: [],
    // Without a limit: its pause container is in the cgroup that the task will have.
    cgroup: {},
    blockImds: true,
    family: 'spare',
    asked: null,
  }
}

export const isSpare = ({ spec }: Holder): boolean => spec.kind === 'spare'

/** The pool that a spare was made for. */
export function poolOf({ spec }: Holder): PoolPlace {
  const { subnetIds = [], securityGroupIds = [] } = spec.enis[0] ?? {}
  return { subnetId: subnetIds[0] ?? '', securityGroupIds }
}

/** Whether a task could take it over now. */
export const isReady = (holder: Holder): boolean =>
  isSpare(holder) && holder.desired === 'running' && holder.ran && holdsEverything(holder)

/**
 * Why no spare fits a task like this; undefined where one may. What is fixed when a sandbox or an
 * ENI is made has to be as every spare's is; the rest is made beside it, as ever.
 */
export function misfit({ enis, sandbox, cgroup, blockImds, sharedEni }: Spec): string | undefined {
  const [eni] = enis
  if (eni === undefined || sharedEni !== undefined) return 'it has no ENI of its own'
  if (sandbox !== undefined) return 'its sandbox has settings of its own'
  if (cgroup === undefined) return 'it has no cgroup'
  if (!blockImds) return 'it may reach the metadata service'
  if (eni.lentEniId !== undefined) return 'its first ENI is lent'
  if (eni.ipv4 !== undefined || eni.ipv6 !== undefined) return 'its address is fixed'
  return Object.keys(eni.tags).length > 0 ? 'its ENI has tags of its own' : undefined
}

/**
 * The ready spares that a task like this can take over, the best first: those that wear its groups,
 * then those in its subnets. `mayGive` has the last word on each.
 */
export function fitsOf(
  spec: Spec,
  entries: readonly Entry[],
  mayGive: (id: HolderId) => boolean = () => true,
): Fit[] {
  const [wanted] = spec.enis
  if (wanted === undefined || misfit(spec) !== undefined) return []
  const fits = entries
    .filter(({ id, holder }) => isReady(holder) && mayGive(id))
    .flatMap(({ id, holder }) => {
      if (!wanted.subnetIds.includes(poolOf(holder).subnetId)) return []
      const way = wayTo(wanted, holder)
      return way === undefined ? [] : [{ id, way, rows: rowsOf(way) }]
    })
  const of = (way: Way) => fits.filter((fit) => fit.way === way)
  return [...of('warm'), ...of('groups')]
}

/**
 * The task as it takes a spare over. Its groups, where the spare wears others, are its first order:
 * whatever EC2 says to it, the task never runs in those of the pool.
 */
export function takingOver(spec: Spec, { way }: Pick<Fit, 'way'>): Spec {
  const [first, ...more] = spec.enis
  if (way !== 'groups' || first === undefined) return spec
  return { ...spec, enis: [{ ...first, groupsOrder: 1, isTakenOver: true }, ...more] }
}

/** The limits and the link are made sure of for every task; groups that differ are put on. */
const rowsOf = (way: Way): readonly RowId[] =>
  way === 'warm' ? ['cgroup', 'link:0'] : ['eni:0', 'cgroup', 'link:0']

/** Which groups "none" stands for EC2 alone knows: such a task fits such a spare, and no other. */
function wayTo({ securityGroupIds: wanted }: EniSpec, holder: Holder): Way | undefined {
  const { securityGroupIds: asked } = poolOf(holder)
  if (wanted.length === 0) return asked.length === 0 ? 'warm' : undefined
  const { details } = rowState(holder, 'eni:0')
  const worn = (details as { securityGroupIds?: readonly string[] })?.securityGroupIds ?? asked
  return new Set(worn).symmetricDifference(new Set(wanted)).size === 0 ? 'warm' : 'groups'
}
