// What ECS calls a task's status, derived from what it holds; nothing stored can disagree with it.
// Source of the names and their meaning: the ECS developer guide, "task lifecycle".

import type { Holder, RowId } from './task.ts'
import { holdsNothing, kindOf, rowState, rows } from './task.ts'

export type LastStatus =
  | 'PROVISIONING'
  | 'PENDING'
  | 'ACTIVATING'
  | 'RUNNING'
  | 'DEACTIVATING'
  | 'STOPPING'
  | 'DEPROVISIONING'
  | 'STOPPED'

/** A holder never changes, so neither does its status; thousands are counted for each /status. */
const statusOf = new WeakMap<Holder, LastStatus>()

/** The status of the whole task. Once RUNNING, only `desired` takes it back. */
export function lastStatus(holder: Holder): LastStatus {
  const known = statusOf.get(holder) ?? derive(holder)
  statusOf.set(holder, known)
  return known
}

function derive(holder: Holder): LastStatus {
  const ids = rows(holder.spec).map(({ id }) => id)
  const all = (kind: string, test: (id: RowId) => boolean) =>
    ids.filter((id) => kindOf(id) === kind).every(test)
  const held = (id: RowId) => rowState(holder, id).is === 'held'
  const none = (id: RowId) => rowState(holder, id).is === 'none'

  if (holder.desired === 'running') {
    if (holder.ran) return 'RUNNING'
    if (!all('attachment', held)) return 'PROVISIONING'
    return all('link', held) ? 'ACTIVATING' : 'PENDING'
  }
  if (holdsNothing(holder)) return 'STOPPED'
  if (all('container', none)) return 'DEPROVISIONING'
  return all('container', held) ? 'DEACTIVATING' : 'STOPPING'
}

/** The status of one container, as ECS words it. */
export function containerStatus(holder: Holder, name: string): 'PENDING' | 'RUNNING' | 'STOPPED' {
  const { is } = rowState(holder, `container:${name}`)
  if (holder.facts[name]?.exitCode !== undefined) return 'STOPPED'
  if (is === 'held') return 'RUNNING'
  if (holder.desired === 'stopped' && is === 'none') return 'STOPPED'
  return holder.ran ? 'RUNNING' : 'PENDING'
}

export type AttachmentStatus =
  | 'PRECREATED'
  | 'CREATED'
  | 'ATTACHING'
  | 'ATTACHED'
  | 'DETACHING'
  | 'DELETED'

/** The status of the task's n-th ENI attachment, in the words of DescribeTasks. */
export function attachmentStatus(holder: Holder, n: number): AttachmentStatus {
  const eni = rowState(holder, `eni:${n}`)
  const attachment = rowState(holder, `attachment:${n}`)
  if (holder.desired === 'stopped') return eni.is === 'none' ? 'DELETED' : 'DETACHING'
  if (attachment.is === 'held' || holder.ran) return 'ATTACHED'
  if (attachment.is === 'unsure') return 'ATTACHING'
  return eni.is === 'held' ? 'CREATED' : 'PRECREATED'
}
