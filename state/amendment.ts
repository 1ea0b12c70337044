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

/** The spec without the order that this row has not carried out yet; undefined where there is none. */
export function withdrawn({ spec, ...holder }: Holder, row: RowId): Spec | undefined {
  if (kindOf(row) !== 'eni') return undefined
  const n = Number(row.slice('eni:'.length))
  const worn = rowState({ spec, ...holder }, row).details as Worn | undefined
  const { groupsOrder = 0 } = spec.enis[n] ?? {}
  if (worn === undefined || groupsOrder === (worn.groupsOrder ?? 0)) return undefined
  return withEni(spec, n, {
    securityGroupIds: worn.securityGroupIds,
    groupsOrder: worn.groupsOrder ?? 0,
  })
}

const withEni = (spec: Spec, n: number, change: Partial<Spec['enis'][number]>): Spec => ({
  ...spec,
  enis: spec.enis.map((eni, at) => (at === n ? { ...eni, ...change } : eni)),
})
