// Other security groups for the ENI of a running task: live, without a restart. The wish is written down
// before anything is done, so a death of the agent in between changes nothing; what EC2 refuses is
// withdrawn, with EC2's own cause for whoever asked. TagResource and PUT …/security-groups come here.

import { withGroups } from '../state/amendment.ts'
import type { HolderId } from '../state/spec.ts'
import type { Cause, RowId } from '../state/task.ts'
import { rowState } from '../state/task.ts'
import type { Api } from './api.ts'
import { AwsError, invalid } from './aws-error.ts'
import { readGroups } from './awsvpc.ts'
import { detailsOf } from './task-view.ts'

/** How long the answer waits for EC2, milliseconds; the change goes on after that. */
const WAIT_MS = 5_000

export type GroupsOrder = {
  /** Which ENI of the task. */
  readonly n: number
  readonly groups: readonly string[]
  /** Where the groups stand in the request. */
  readonly field: string
}

/**
 * Orders it and waits until EC2 has taken it. Answers whether the groups are in force; if not, EC2 does
 * not answer, and it is tried on. Throws AwsError with EC2's cause where EC2 refuses them.
 */
export async function changeGroups(
  api: Api,
  id: HolderId,
  { n, groups, field }: GroupsOrder,
): Promise<boolean> {
  readGroups(groups, field)
  const holder = api.journal.get(id)?.holder
  const eni = holder?.spec.enis[n]
  if (holder === undefined || eni === undefined) {
    throw invalid(
      'eni',
      `${n}: the task has ${holder?.spec.enis.length ?? 0} ENIs, numbered from 0`,
    )
  }
  if (holder.desired === 'stopped') {
    throw new AwsError('ConflictException', 'the task is stopped or stopping', { field })
  }
  const row = `eni:${n}` as const
  if (rowState(holder, row).is === 'none' || detailsOf(holder, 'eni', row) === undefined) {
    const rule = 'the ENI of this task is not made yet'
    throw new AwsError('ConflictException', rule, { field, hint: 'Ask again in a moment' })
  }
  const spec = withGroups(holder, n, groups)
  const order = spec.enis[n]?.groupsOrder ?? 0
  const outcome = settled(api, id, row, (is) => {
    const now = rowState(is, row)
    return now.is === 'held' && (detailsOf(is, 'eni', row)?.groupsOrder ?? 0) >= order
  })
  try {
    api.orders.amend(id, spec, [row])
    const cause = await outcome.promise
    if (cause === 'in force') return true
    if (cause === 'late') return false
    throw new AwsError('InvalidParameterException', `${cause.code}: ${cause.message}`, { field })
  } finally {
    outcome.end()
  }
}

type Outcome = 'in force' | 'late' | Cause
type Holder = NonNullable<ReturnType<Api['journal']['get']>>['holder']

/** Resolves when the wish is carried out, withdrawn, overtaken by the task's end, or late. */
function settled({ journal }: Api, id: HolderId, row: RowId, isDone: (holder: Holder) => boolean) {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const timer = setTimeout(() => resolve('late'), WAIT_MS)
  const unfollow = journal.follow((entry, event) => {
    if (entry.id !== id) return
    const { holder } = entry
    const isWithdrawn = event.type === 'amended' && event.rows.includes(row)
    if (isWithdrawn && event.cause !== undefined) resolve(event.cause)
    else if (holder.desired === 'stopped') {
      resolve({ code: 'TaskStopping', message: holder.stop?.reason ?? 'the task was stopped' })
    } else if (isDone(holder)) resolve('in force')
  })
  const end = () => {
    clearTimeout(timer)
    unfollow()
  }
  return { promise, end }
}
