// What a running task holds by the journal, and the world does not show so: a row's thing that is missing,
// an ENI in other groups. Pure; the other half of suspects.ts.

import { kindOf, rowState } from '../state/task.ts'
import type { Survey } from './drivers/survey.ts'
import type { Asking, Claims, Steady, Suspect } from './suspects.ts'

const LEFT: readonly string[] = ['detaching', 'detached']

/** What of a steady row the survey should show, and does not. */
export function missing(
  { instanceId }: Asking,
  { enis, containers }: Survey,
  owner: Steady,
): Suspect[] {
  const { row, id } = owner
  const kind = kindOf(row)
  const suspect = (why: string): Suspect[] => [{ is: 'missing', owner, why }]
  if (kind === 'sandbox' || kind === 'container') {
    const isShown = !('seen' in containers) || containers.seen.some((c) => c.containerId === id)
    return isShown ? [] : suspect(`Docker does not show container ${id.slice(0, 12)}`)
  }
  if (!('seen' in enis)) return []
  const eni = enis.seen.find(({ eniId }) => eniId === id)
  if (eni === undefined) return kind === 'eni' ? suspect(`EC2 does not show ${id}`) : []
  const { attachment } = eni
  const isHere = attachment?.instanceId === instanceId && !LEFT.includes(attachment.status)
  if (kind === 'attachment' && !isHere) return suspect(`EC2 shows ${id} not attached here`)
  const address = kind === 'publicIp' ? owner.address : undefined
  if (address !== undefined && eni.allocationId !== address) {
    return suspect(`EC2 shows ${id} without ${address}`)
  }
  const isOpen = kind === 'guard' && isHere && !attachment.isGuarded
  return isOpen ? suspect(`EC2 would not delete ${id} with this instance`) : []
}

/** Against the groups that the journal wrote down: those of the VPC, where the task named none. */
export function changed(journal: Claims, { enis }: Survey, owner: Steady): Suspect[] {
  const { holderId, row, id } = owner
  if (kindOf(row) !== 'eni' || !('seen' in enis)) return []
  const worn = enis.seen.find(({ eniId }) => eniId === id)?.securityGroupIds
  const holder = journal.get(holderId)?.holder
  const details = holder && rowState(holder, row).details
  const own = (details as { securityGroupIds?: readonly string[] })?.securityGroupIds
  if (worn === undefined || own === undefined) return []
  if (new Set(own).symmetricDifference(new Set(worn)).size === 0) return []
  const why = `${id} wears ${words(worn)}; the task's own are ${words(own)}`
  return [{ is: 'changed', owner, why }]
}

const words = (ids: readonly string[]): string => (ids.length === 0 ? 'no group' : ids.join(', '))
