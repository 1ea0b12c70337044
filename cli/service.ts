// `enid service`: everything known of one service; or another count, a fresh set of tasks, its end.

import type { AgentConnection } from './agent-connection.ts'
import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Call, Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT, wholeNumber } from './command.ts'
import type { ServiceDetail } from './service-view.ts'
import { waitText } from './service-view.ts'
import { countText } from './services.ts'
import { pairs, table } from './table.ts'
import { shortId } from './task-view.ts'

const EVENTS_SHOWN = 10
/** ECS's quota of tasks for a service. */
const DESIRED_MAX = 5000

/** `enid service [CLUSTER/]NAME`. */
export const service: Command = {
  name: 'service',
  usage: '[CLUSTER/]NAME [--scale N | --redeploy | --delete [--force]] [--json]',
  summary: 'show a service with its deployments and events; scale it, replace its tasks, delete it',
  flags: {
    scale: { value: 'N', text: 'how many tasks it is to have from now on' },
    redeploy: { text: 'replace all its tasks, within its percentages' },
    delete: { text: 'stop its tasks and forget it; it must be scaled to 0' },
    force: { text: 'with --delete: whatever it is scaled to' },
    ...AGENT_FLAGS,
  },
  positionals: [1, 1],
  notes: [
    'A service is made with aws ecs create-service, and given another task definition with',
    'aws ecs update-service.',
  ],
  async run(call) {
    checkFlags(call)
    const [text = ''] = call.positionals
    const [name = '', cluster = 'default'] = text.split('/').reverse()
    const agent = connectAgent(agentAddress(call))
    await order(agent, call, { cluster, service: name })
    const answer = await agent.get(
      `/services/${encodeURIComponent(cluster)}/${encodeURIComponent(name)}`,
    )
    if (answer === undefined) {
      throw new CommandError(
        EXIT.failed,
        `no service "${name}" in cluster ${cluster}: enid services`,
      )
    }
    if (call.on('json')) process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
    else print(answer as ServiceDetail)
    return EXIT.ok
  },
}

const ORDERS = ['scale', 'redeploy', 'delete']

function checkFlags(call: Call): void {
  const given = ORDERS.filter((flag) => call.on(flag))
  if (given.length > 1) {
    const [one, other] = given
    const remedy = 'one thing at a time'
    throw new CommandError(EXIT.usage, `enid service: --${one} and --${other}: ${remedy}`)
  }
  if (call.on('force') && !call.on('delete')) {
    throw new CommandError(EXIT.usage, 'enid service: --force goes with --delete')
  }
}

async function order(
  agent: AgentConnection,
  call: Call,
  named: { cluster: string; service: string },
): Promise<void> {
  if (call.on('scale')) {
    const bounds = { min: 0, max: DESIRED_MAX, fallback: 0 }
    const desiredCount = wholeNumber(call, 'scale', bounds)
    await agent.ecs('UpdateService', { ...named, desiredCount })
  }
  if (call.on('redeploy')) {
    await agent.ecs('UpdateService', { ...named, forceNewDeployment: true })
  }
  if (call.on('delete')) {
    await agent.ecs('DeleteService', { ...named, force: call.on('force') })
  }
}

function print(service: ServiceDetail): void {
  const { minimumHealthyPercent: min, maximumPercent: max } = service
  const facts = pairs([
    ['service', service.serviceArn],
    ['status', service.status],
    ['tasks', countText(service)],
    ['healthy', `${min} to ${max} % of the desired count`],
    ['waiting', waitText(service)],
  ])
  const deployments = service.deployments.map((one, n) => [
    one.id,
    n === 0 ? 'PRIMARY' : 'ACTIVE',
    one.taskDefinition,
    one.rollout,
    `${one.running} +${one.pending}`,
    String(one.failedTasks),
    one.taskIds.map(shortId).join(' '),
  ])
  const headings = ['DEPLOYMENT', 'STATUS', 'FAMILY:REV', 'ROLLOUT', 'TASKS', 'FAILED', 'IDS']
  const events = service.events.slice(0, EVENTS_SHOWN).map(({ at, message }) => `${at}  ${message}`)
  process.stdout.write(`${[facts, '', table(headings, deployments), '', ...events].join('\n')}\n`)
}
