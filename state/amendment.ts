// Changing what a task is meant to be while it runs. Pure. The wish is written down first (`amended`),
// and then it is like any other doubt: the row is ensured again. A wish that EC2 refuses is withdrawn
// the same way, to what EC2 took last, which the details tell.

import type { EniSpec, Spec } from './spec.ts'
import type { Holder, RowId } from './task.ts'
import { kindOf, rowState } from './task.ts'

/** What the details of an ENI say of its groups. */
type Worn = { readonly securityGroupIds: readonly string[]; readonly groupsOrder?: number }

/** The spec with other security groups for the n-th ENI, as a new order. */
export function withGroups(
  { spec, ...holder }: Holder,
  n: number,
  securityGroupIds: readonly string[],
): Spec {
  const eni = spec.enis[n]
  if (eni === undefined) throw new Error(`the spec has no ENI ${n}`)
  const { groupsOrder = 0 } = eni
  const { groupsOrder: taken = 0 } = wornBy({ spec, ...holder }, n) ?? {}
  // An order that was not heard of yet may take effect all the same.
  const unheard = groupsOrder === taken ? [] : [...(eni.unheard ?? []), eni.securityGroupIds]
  const { isWithdrawn: _, ...rest } = eni
  return withEni(spec, n, { ...rest, securityGroupIds, groupsOrder: groupsOrder + 1, unheard })
}

/**
 * The spec without the order that this row has not carried out yet, back at what EC2 took last;
 * undefined where there is none. It is an order of its own, because one that was refused, or
 * overtaken, may have taken effect before, unheard; `isWithdrawn` has only such an effect undone.
 */
export function withdrawn(holder: Holder, row: RowId): Spec | undefined {
  if (kindOf(row) !== 'eni') return undefined
  const { spec } = holder
  const n = Number(row.slice('eni:'.length))
  const worn = wornBy(holder, n)
  const eni = spec.enis[n]
  if (worn === undefined || eni === undefined) return undefined
  const { groupsOrder = 0, unheard = [], isWithdrawn = false } = eni
  // What it wears is the pool's: there is no way back to groups of its own.
  if (eni.isTakenOver && worn.groupsOrder === undefined) return undefined
  // Refused as well: tried again like any other check.
  if (groupsOrder === (worn.groupsOrder ?? 0) || isWithdrawn) return undefined
  return withEni(spec, n, {
    ...eni,
    securityGroupIds: worn.securityGroupIds,
    groupsOrder: groupsOrder + 1,
    unheard: [...unheard, eni.securityGroupIds],
    isWithdrawn: true,
  })
}

const wornBy = (holder: Holder, n: number): Worn | undefined =>
  rowState(holder, `eni:${n}`).details as Worn | undefined

const withEni = (spec: Spec, n: number, changed: EniSpec): Spec => ({
  ...spec,
  enis: spec.enis.map((eni, at) => (at === n ? changed : eni)),
})
