// `enid services`: one line per service, and why it is where it is.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT } from './command.ts'
import type { ServiceView } from './service-view.ts'
import { waitText } from './service-view.ts'
import { age, table } from './table.ts'

const HEADINGS = ['SERVICE', 'STATUS', 'TASKS', 'FAMILY:REV', 'ROLLOUT', 'AGE', 'WHY']

/** `enid services`. */
export const services: Command = {
  name: 'services',
  usage: '[--all] [--cluster NAME] [--json]',
  summary: 'list services: how many of their tasks run, and what they wait for',
  flags: {
    all: { short: 'a', text: 'also those that were deleted' },
    cluster: { value: 'NAME', text: 'only the services of this cluster' },
    ...AGENT_FLAGS,
  },
  positionals: [0, 0],
  notes: ['TASKS: running/desired, and how many are on their way up. A * is for one on each host.'],
  async run(call) {
    const cluster = call.one('cluster')
    const answer = await connectAgent(agentAddress(call)).get('/services')
    if (answer === undefined) {
      throw new CommandError(
        EXIT.failed,
        'this agent knows no services: is it of an older version?',
      )
    }
    const { services: all, unread } = answer as { services: ServiceView[]; unread: string[] }
    const found = all
      .filter((service) => cluster === undefined || service.cluster === cluster)
      .filter(({ status }) => call.on('all') || status !== 'INACTIVE')
    if (call.on('json')) {
      process.stdout.write(`${JSON.stringify({ services: found, unread }, null, 2)}\n`)
      return EXIT.ok
    }
    const rows = found.map((service) => [
      service.cluster === 'default' ? service.name : `${service.cluster}/${service.name}`,
      service.status,
      countText(service),
      service.taskDefinition,
      service.rollout,
      age(Date.parse(service.createdAt), Date.now()),
      waitText(service),
    ])
    process.stdout.write(`${table(HEADINGS, rows)}\n`)
    for (const what of unread) process.stdout.write(`${what} cannot be read: left alone\n`)
    return EXIT.ok
  },
}

/** `2/3`, `2/3 +1` with one on its way, `1/1*` for one on each host. */
export function countText(service: ServiceView): string {
  const { runningCount, desiredCount, pendingCount, strategy } = service
  const each = strategy === 'DAEMON' ? '*' : ''
  return `${runningCount}/${desiredCount}${each}${pendingCount > 0 ? ` +${pendingCount}` : ''}`
}
