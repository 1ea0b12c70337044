// `enid services`: one line per service, and why it is where it is.

import { CommandError, EXIT } from './command.ts'
import { listing } from './listing.ts'
import type { ServiceView } from './service-view.ts'
import { waitText } from './service-view.ts'
import { age } from './table.ts'

/** `enid services`. */
export const services = listing<ServiceView, string>({
  name: 'services',
  summary: 'list services: how many of their tasks run, and what they wait for',
  texts: { all: 'also those that were deleted', cluster: 'only the services of this cluster' },
  notes: ['TASKS: running/desired, and how many are on their way up. A * is for one on each host.'],
  async ask(agent) {
    const answer = await agent.get('/services')
    if (answer === undefined) {
      throw new CommandError(
        EXIT.failed,
        'this agent knows no services: is it of an older version?',
      )
    }
    const { services: all, unread } = answer as { services: ServiceView[]; unread: string[] }
    return { all, unread }
  },
  isOver: ({ status }) => status === 'INACTIVE',
  headings: ['SERVICE', 'STATUS', 'TASKS', 'FAMILY:REV', 'ROLLOUT', 'AGE', 'WHY'],
  row: (service) => [
    service.cluster === 'default' ? service.name : `${service.cluster}/${service.name}`,
    service.status,
    countText(service),
    service.taskDefinition,
    service.rollout,
    age(Date.parse(service.createdAt), Date.now()),
    waitText(service),
  ],
  unreadText: (what) => `${what} cannot be read: left alone`,
  document: (all, unread) => ({ services: all, unread }),
})

/** `2/3`, `2/3 +1` with one on its way, `1/1*` for one on each host. */
export function countText(service: ServiceView): string {
  const { runningCount, desiredCount, pendingCount, strategy } = service
  const each = strategy === 'DAEMON' ? '*' : ''
  return `${runningCount}/${desiredCount}${each}${pendingCount > 0 ? ` +${pendingCount}` : ''}`
}
