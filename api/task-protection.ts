// GetTaskProtection and UpdateTaskProtection, and the same for a task that asks for itself. On ECS only
// tasks of a service can be protected; here any can, since a drain of the host stops them all.

import type {
  GetTaskProtectionRequest,
  GetTaskProtectionResponse,
  ProtectedTask,
  UpdateTaskProtectionRequest,
  UpdateTaskProtectionResponse,
} from '@aws-sdk/client-ecs'
import { isProtected } from '../state/protection.ts'
import type { Api, Task } from './api.ts'
import { activeCluster, findTask, livingTasks } from './api.ts'
import { readTask, taskArn } from './arn.ts'
import { AwsError, invalid, shown } from './aws-error.ts'

/** ECS: 1 minute to 48 hours, 2 hours unless told. */
const MINUTES = { min: 1, max: 2_880, default: 120 }
/** ECS: at most 10 tasks to a request. */
const TASKS_MAX = 10

export function getTaskProtection(
  api: Api,
  { cluster: named, tasks: texts }: GetTaskProtectionRequest,
): GetTaskProtectionResponse {
  const cluster = activeCluster(api, named)
  if (texts !== undefined) {
    return sorted(api, { cluster, texts }, (task) => protectionOf(api, task))
  }
  const all = livingTasks(api).filter(
    ({ entry, asked }) => asked.cluster === cluster && isRunning(entry),
  )
  return { protectedTasks: all.map((task) => protectionOf(api, task)), failures: [] }
}

export function updateTaskProtection(
  api: Api,
  {
    cluster: named,
    tasks: texts = [],
    protectionEnabled,
    expiresInMinutes,
  }: UpdateTaskProtectionRequest,
): UpdateTaskProtectionResponse {
  const cluster = activeCluster(api, named)
  if (texts.length === 0) throw invalid('tasks', 'name at least one task')
  const wish = protectionWish(protectionEnabled, expiresInMinutes)
  return sorted(api, { cluster, texts }, (task) => protect(api, task, wish))
}

/** Until when, milliseconds since the epoch; undefined: no longer. Throws AwsError. */
export function protectionWish(isEnabled: unknown, minutes: unknown): number | undefined {
  if (typeof isEnabled !== 'boolean') {
    throw invalid('protectionEnabled', `${shown(isEnabled)}: true or false is required`)
  }
  if (!isEnabled) return undefined
  const { min, max, default: usual } = MINUTES
  const asked = minutes ?? usual
  const isInRange = Number.isInteger(asked) && (asked as number) >= min && (asked as number) <= max
  if (!isInRange) {
    throw invalid('expiresInMinutes', `${shown(asked)} is no whole number from ${min} to ${max}`)
  }
  return Date.now() + (asked as number) * 60_000
}

/** Protects the task, or takes it back. Throws AwsError for one that is stopping. */
export function protect(
  api: Api,
  { entry, asked }: Task,
  until: number | undefined,
): ProtectedTask {
  if (!isRunning(entry)) {
    const rule = `task ${taskArn(api.orders.host, asked.cluster, entry.id)} is stopping or stopped`
    throw new AwsError('InvalidParameterException', rule, { field: 'tasks' })
  }
  api.orders.protect(entry.id, until)
  return protectionOf(api, { entry: api.journal.get(entry.id) ?? entry, asked })
}

/** The protection of a task as ECS shows it. */
export function protectionOf({ orders }: Api, { entry, asked }: Task): ProtectedTask {
  const { holder, id } = entry
  const isOn = isProtected(holder, Date.now())
  return {
    taskArn: taskArn(orders.host, asked.cluster, id),
    protectionEnabled: isOn,
    ...(isOn ? { expirationDate: new Date(holder.protectedUntil as number) } : {}),
  }
}

const isRunning = ({ holder }: Task['entry']): boolean => holder.desired === 'running'

/** Each task's answer, and ECS's failures for those that there are not, or that are over. */
function sorted(
  api: Api,
  { cluster, texts }: { cluster: string; texts: readonly string[] },
  answer: (task: Task) => ProtectedTask,
): Required<Pick<GetTaskProtectionResponse, 'protectedTasks' | 'failures'>> {
  if (texts.length > TASKS_MAX) {
    throw invalid('tasks', `${texts.length} tasks; at most ${TASKS_MAX} are allowed`)
  }
  const protectedTasks: ProtectedTask[] = []
  const failures: { arn: string; reason: string; detail?: string }[] = []
  for (const [index, text] of texts.entries()) {
    const field = `tasks[${index}]`
    const { id } = readTask(api.orders.host, text, field)
    const task = findTask(api, { text, field, cluster })
    const arn = taskArn(api.orders.host, cluster, id)
    if (task === undefined) failures.push({ arn, reason: 'MISSING' })
    else if (!isRunning(task.entry)) {
      failures.push({ arn, reason: 'TASK_NOT_VALID', detail: 'the task is stopping or stopped' })
    } else protectedTasks.push(answer(task))
  }
  return { protectedTasks, failures }
}
