// Changing what a task is meant to be while it runs. Pure. The wish is written down first (`amended`),
// and then it is like any other doubt: the row is ensured again. A wish that EC2 refuses is withdrawn
// the same way, to what EC2 took last, which the details tell.

import type { Spec } from './spec.ts'
import type { Holder, RowId } from './task.ts'
import { kindOf, rowState } from './task.ts'

/** What the details of an ENI say of its groups. */
type Worn = { readonly securityGroupIds: readonly string[]; readonly groupsOrder?: number }

/** The spec with other security groups for its n-th ENI, as a new order. */
export function withGroups(spec: Spec, n: number, securityGroupIds: readonly string[]): Spec {
  const eni = spec.enis[n]
  if (eni === undefined) throw new Error(`the spec has no ENI ${n}`)
  return withEni(spec, n, { securityGroupIds, groupsOrder: (eni.groupsOrder ?? 0) + 1 })
}

/**
 * The spec without the order that this row has not carried out yet; undefined where there is none. Of
 * several orders one that was overtaken may have taken effect unheard: then what EC2 took last is
 * ordered anew. One alone that was refused has changed nothing, and nothing is put on for it: what
 * the ENI wears may be somebody's quarantine.
 */
export function withdrawn(holder: Holder, row: RowId): Spec | undefined {
  if (kindOf(row) !== 'eni') return undefined
  const { spec } = holder
  const n = Number(row.slice('eni:'.length))
  const worn = rowState(holder, row).details as Worn | undefined
  const { groupsOrder = 0, securityGroupIds: asked = [] } = spec.enis[n] ?? {}
  if (worn === undefined) return undefined
  const { securityGroupIds, groupsOrder: taken = 0 } = worn
  if (groupsOrder === taken) return undefined
  const isAlone = groupsOrder === taken + 1
  // Withdrawn already, and refused as well: tried again like any other check.
  if (!isAlone && isSame(asked, securityGroupIds)) return undefined
  const next = isAlone ? taken : groupsOrder + 1
  return withEni(spec, n, { securityGroupIds, groupsOrder: next })
}

const withEni = (spec: Spec, n: number, change: Partial<Spec['enis'][number]>): Spec => ({
  ...spec,
  enis: spec.enis.map((eni, at) => (at === n ? { ...eni, ...change } : eni)),
})

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  new Set(a).symmetricDifference(new Set(b)).size === 0
