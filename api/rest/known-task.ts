// The task and the container that a REST route names.

import type { Api, Task } from '../api.ts'
import { findTask } from '../api.ts'
import { AwsError, invalid, shown } from '../aws-error.ts'

/** The task of this id or ARN. Throws with status 404, and says of a quarantined one that it is. */
export function known(api: Api, text: string): Task {
  const task = findTask(api, { text, field: 'taskId' })
  if (task !== undefined) return task
  const unread = api.journal.quarantined.find(({ id }) => text.endsWith(id))
  const rule = unread ? `its record cannot be read: ${unread.why}` : 'no such task is known'
  throw new AwsError('InvalidParameterException', `${shown(text)}: ${rule}`, {
    field: 'taskId',
    hint: unread ? 'It is left alone; see GET /status' : 'GET /tasks lists them',
    restStatus: 404,
  })
}

/** The container that is named, or the only one there is. */
export function containerName({ entry }: Task, given: string | undefined): string {
  const names = entry.holder.spec.containers.map(({ name }) => name)
  if (given === undefined && names.length === 1) return names[0] ?? ''
  if (given !== undefined && names.includes(given)) return given
  const rule =
    given === undefined ? 'is required, as the task has several' : `${shown(given)} is not in it`
  throw invalid('container', rule, `The task has: ${names.join(', ')}`)
}
