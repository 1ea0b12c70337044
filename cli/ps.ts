// `enid ps`: one line per task, and why it is where it is.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, EXIT } from './command.ts'
import { age, table } from './table.ts'
import { addressesOf, allTasks, quarantineText, shortId, whyText } from './task-view.ts'

const HEADINGS = ['TASK', 'FAMILY:REV', 'STATUS', 'ENI', 'IP', 'GROUPS', 'AGE', 'WHY']

/** `enid ps`. */
export const ps: Command = {
  name: 'ps',
  usage: '[--all] [--cluster NAME] [--json]',
  summary: 'list tasks: their interface, address, security groups, and why they are where they are',
  flags: {
    all: { short: 'a', text: 'also those that have stopped' },
    cluster: { value: 'NAME', text: 'only the tasks of this cluster' },
    ...AGENT_FLAGS,
  },
  positionals: [0, 0],
  async run(call) {
    const cluster = call.one('cluster')
    const all = await allTasks(connectAgent(agentAddress(call)))
    const { quarantined } = all
    const tasks = all.tasks
      .filter((task) => cluster === undefined || task.cluster === cluster)
      .filter(({ lastStatus }) => call.on('all') || lastStatus !== 'STOPPED')
    if (call.on('json')) {
      process.stdout.write(`${JSON.stringify({ tasks, quarantined }, null, 2)}\n`)
      return EXIT.ok
    }
    const rows = tasks.map((task) => [
      shortId(task.taskId),
      `${task.family}:${task.revision}`,
      task.lastStatus,
      task.enis.map(({ eniId }) => eniId ?? '-').join(' '),
      addressesOf(task) || '-',
      task.enis.flatMap(({ securityGroupIds }) => securityGroupIds).join(' ') || '-',
      age(Date.parse(task.createdAt), Date.now()),
      whyText(task),
    ])
    process.stdout.write(`${table(HEADINGS, rows)}\n`)
    for (const each of quarantined) process.stdout.write(`${quarantineText(each)}\n`)
    return EXIT.ok
  },
}
