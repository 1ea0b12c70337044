// `enid describe`: everything that is known of a task: its interface, its containers, each step with
// how long it took, what it waits for, why it stopped.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, EXIT } from './command.ts'
import { stepChart } from './step-chart.ts'
import { age, duration, pairs, table } from './table.ts'
import type { ContainerView, EniView, TaskDetail } from './task-view.ts'
import { findTasks, oneTask, stopText } from './task-view.ts'

/** `enid describe TASK…`. */
export const describe: Command = {
  name: 'describe',
  usage: 'TASK… [--json]',
  summary: 'show everything known of a task, step by step',
  flags: AGENT_FLAGS,
  positionals: [1, 100],
  notes: ['TASK is a task id, the beginning of one that fits no other, or an ARN.'],
  async run(call) {
    const agent = connectAgent(agentAddress(call))
    const found = await findTasks(agent, call.positionals)
    const tasks = await Promise.all(found.map(({ taskId }) => oneTask(agent, taskId)))
    process.stdout.write(
      call.on('json')
        ? `${JSON.stringify({ tasks }, null, 2)}\n`
        : `${tasks.map(inWords).join('\n\n')}\n`,
    )
    return EXIT.ok
  },
}

function inWords(task: TaskDetail): string {
  const { cluster, family, revision, lastStatus, desiredStatus, createdAt } = task
  const status =
    desiredStatus === lastStatus ? lastStatus : `${lastStatus}, wanted ${desiredStatus}`
  const parts = [
    pairs([
      ['task', task.taskId],
      ['definition', `${family}:${revision}`],
      ['cluster', cluster],
      ['status', status],
      ['created', `${createdAt} (${age(Date.parse(createdAt), Date.now())} ago)`],
      ['protected', task.protectedUntil === undefined ? '' : `until ${task.protectedUntil}`],
      ['stopped', stopText(task)],
    ]),
    ...task.enis.map(eniInWords),
    table(['CONTAINER', 'IMAGE', 'STATUS', 'EXIT'], task.containers.map(containerRow)),
    stepChart(task, { now: Date.now(), columns: process.stdout.columns ?? 80 }),
    ...callTable(task.steps),
    ...task.waiting.map(
      ({ verb, row, attempt, code, reason, nextTryAt }) =>
        `waiting: ${verb} ${row} failed ${attempt} times (${code}): ${reason}; ${nextTry(nextTryAt)}`,
    ),
    ...(task.findings ?? []).map(
      ({ what, id, verdict, why, seenAt }) =>
        `found: ${what} ${id}, ${verdict}: ${why}; at ${seenAt}`,
    ),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

const nextTry = (at: string): string =>
  Date.parse(at) > Date.now() ? `next at ${at}` : 'tried again now'

const eniInWords = (eni: EniView): string =>
  pairs([
    ['eni', `${eni.eniId ?? '-'} (${eni.status})`],
    ['address', [eni.ipv4, eni.ipv6].filter(Boolean).join(' ')],
    ['public', eni.publicIpv4],
    ['mac', eni.mac],
    ['subnet', eni.subnetId],
    ['groups', eni.securityGroupIds.join(' ')],
    ['wanted', eni.securityGroupIdsWanted?.join(' ')],
    ['name', eni.privateDnsName],
  ])

const containerRow = (container: ContainerView): string[] => {
  const { name, image, lastStatus, healthy, exitCode, restartCount = 0 } = container
  const health = healthy === undefined ? '' : healthy ? ' (healthy)' : ' (unhealthy)'
  const again = restartCount === 0 ? '' : `, restarted ${restartCount}×`
  const status = `${lastStatus}${health}${again}`
  return [name, image, status, exitCode === undefined ? '-' : String(exitCode)]
}

/** Which calls to EC2 it took, under the ids by which AWS finds them; nothing where it took none. */
function callTable(steps: TaskDetail['steps']): string[] {
  const calls = steps.flatMap((step) => step.calls ?? [])
  if (calls.length === 0) return []
  const rows = calls.map(({ action, ms, requestId = '-', code = '' }) => [
    ...[action, duration(ms), requestId, code],
  ])
  return [table(['EC2 CALL', 'TOOK', 'REQUEST', ''], rows)]
}
