// A task as the agent's REST routes show it, as far as the commands read it; and the few sentences
// that are made of it. The commands print what they got, so `--json` is the agent's own document.

import type { AgentConnection } from './agent-connection.ts'
import { CommandError, EXIT } from './command.ts'

/** One of the task's network interfaces; members appear as they become known. */
export type EniView = {
  readonly status: string
  readonly eniId?: string
  readonly mac?: string
  readonly subnetId?: string
  readonly ipv4?: string
  readonly ipv6?: string
  readonly publicIpv4?: string
  readonly privateDnsName?: string
  readonly securityGroupIds: readonly string[]
  /** Ordered, and not in force yet. */
  readonly securityGroupIdsWanted?: readonly string[]
}

export type ContainerView = {
  readonly name: string
  readonly image: string
  readonly lastStatus: string
  readonly exitCode?: number
  readonly healthy?: boolean
  readonly restartCount?: number
}

/** Something that is being tried again. */
export type WaitingView = {
  readonly row: string
  readonly verb: string
  readonly attempt: number
  readonly code: string
  readonly reason: string
  readonly nextTryAt: string
}

/** Something on which the world and the journal did not agree when the agent last looked. */
export type FindingView = {
  readonly what: string
  readonly id: string
  readonly verdict: string
  readonly why: string
  readonly seenAt: string
}

/** A task in a list. Times are ISO 8601. */
export type TaskView = {
  readonly taskId: string
  readonly taskArn: string
  readonly cluster: string
  readonly family: string
  readonly revision: number
  readonly lastStatus: string
  readonly desiredStatus: string
  readonly stopCode?: string
  readonly stoppedReason?: string
  readonly protectedUntil?: string
  readonly createdAt: string
  readonly startedAt?: string
  readonly stoppedAt?: string
  readonly enis: readonly EniView[]
  readonly containers: readonly ContainerView[]
  readonly waiting: readonly WaitingView[]
  /** An older agent tells none. */
  readonly findings?: readonly FindingView[]
}

/** A task with all that is known of it. */
export type TaskDetail = TaskView & {
  readonly rows: readonly { readonly row: string; readonly is: string }[]
  readonly steps: readonly StepView[]
}

/** A step as it went; `afterMs`: since the task was created. */
export type StepView = {
  readonly verb: string
  readonly row: string
  readonly attempts: number
  readonly afterMs: number
  /** Absent while it is under way. */
  readonly durationMs?: number
  /** It ended without being done; `failure` says why, absent where a stop cut it short. */
  readonly gaveUp?: true
  readonly failure?: string
  readonly retries?: number
  readonly waitedMs?: number
  /** Its latest calls to EC2. */
  readonly calls?: readonly CallView[]
}

export type CallView = {
  readonly action: string
  readonly ms: number
  readonly requestId?: string
  readonly code?: string
}

/** The first 8 digits of a task's id, or of the id in its ARN. */
export const shortId = (idOrArn: string): string => (idOrArn.split('/').at(-1) ?? '').slice(0, 8)

/** The task's addresses, IPv4 first. */
export const addressesOf = ({ enis }: TaskView): string =>
  enis.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].filter((ip) => ip !== undefined)).join(' ')

/** The address of the task's first ENI: of IPv4 where it has one. */
export const addressOf = ({ enis }: TaskView): string | undefined => enis[0]?.ipv4 ?? enis[0]?.ipv6

/** Why a stopped or stopping task does not run; empty for one that does. */
export function stopText({ stopCode, stoppedReason }: TaskView): string {
  if (stopCode === undefined && stoppedReason === undefined) return ''
  return [stopCode, stoppedReason].filter(Boolean).join(': ')
}

/** Why the task is where it is: what it waits for, else why it stopped, or is left running. */
export function whyText(task: TaskView): string {
  const [waiting] = task.waiting
  const { protectedUntil } = task
  const rest = protectedUntil === undefined ? '' : `protected until ${protectedUntil}`
  if (waiting === undefined) return stopText(task) || rest
  return `${waiting.verb} ${waiting.row}, attempt ${waiting.attempt}: ${waiting.reason}`
}

/** A task whose record the agent cannot read: it is left alone until a person has looked. */
export type QuarantinedView = { readonly taskId: string; readonly why: string }

/** All tasks that the agent remembers, oldest first, and those that it cannot read. */
export async function allTasks(
  agent: AgentConnection,
): Promise<{ tasks: TaskView[]; quarantined: QuarantinedView[] }> {
  return (await agent.get('/tasks')) as { tasks: TaskView[]; quarantined: QuarantinedView[] }
}

/** What is to be said of such a task. */
export const quarantineText = ({ taskId, why }: QuarantinedView): string =>
  `task ${taskId} is left alone, its record cannot be read: ${why}. See docs/operations.md`

/** Everything known of a task by its whole id or ARN. */
export async function oneTask(agent: AgentConnection, taskId: string): Promise<TaskDetail> {
  const task = await agent.get(`/tasks/${encodeURIComponent(taskId)}`)
  if (task !== undefined) return task as TaskDetail
  throw new CommandError(EXIT.failed, `task ${taskId} is not known any more: enid ps`)
}

/** The tasks that these ids, beginnings of ids or ARNs name, in this order. */
export async function findTasks(
  agent: AgentConnection,
  names: readonly string[],
): Promise<TaskView[]> {
  const { tasks, quarantined } = await allTasks(agent)
  return names.map((name) => {
    const id = name.split('/').at(-1) ?? name
    const fitting = id === '' ? [] : tasks.filter(({ taskId }) => taskId.startsWith(id))
    const [only] = fitting
    if (only !== undefined && fitting.length === 1) return only
    const unread = id === '' ? undefined : quarantined.find(({ taskId }) => taskId.startsWith(id))
    if (only === undefined && unread !== undefined) {
      throw new CommandError(EXIT.failed, quarantineText(unread))
    }
    const list = fitting.map(({ taskId }) => taskId.slice(0, id.length + 4)).join(', ')
    throw new CommandError(
      EXIT.failed,
      fitting.length === 0
        ? `no task is "${name}" or begins with it. See: enid ps`
        : `"${name}" is the beginning of ${fitting.length} tasks: ${list}. Write more of it`,
    )
  })
}
